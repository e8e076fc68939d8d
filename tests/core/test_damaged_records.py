"""Several hundred damaged cells: each is one clear line wherever records are read, or does no harm; never a traceback."""

import json
import math
import os
import random
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from bbo import record
from bbo.cli import main
from bbo.errors import DamagedCell
from bbo.record import CellSpec, Outcome, Record

SPEC = CellSpec("t", "1", "ab" * 32, "m", "1", {"steps": 3, "rate": 0.5}, 0, 4, 1)
DONE = Record(
    SPEC,
    "done",
    {"100": 1.0, "80": 1.0, "50": 0.7},
    {"title": "T", "kind": "sequence", "oracle": "exact", "y_min": 0.0, "y_max": 3.0, "best_visible": 0.4, "visible_rows": 10,
     "optimum": None, "saturated": False, "note": "", "local": False},
    {"summary": "M.", "kind": "", "preset": "fast", "privileged": [], "local": False},
    {"losses": [1.0, 0.5]},
    None,
    {"packages": {"numpy": "2.0"}, "commit": "abc", "python": "3.11", "device": "cpu", "threads": 1, "blas": ["a"], "cores": 2},
    {"wall_seconds": 1.0, "cpu_seconds": 1.0, "peak_memory_mb": 10.0},
    {"diversity": 0.5, "duplicates": 0.0, "nearest_offline": 0.2, "novel_share": 1.0},
    ["UserWarning: x"],
    "said",
)  # fmt: skip
OUTCOME = Outcome(np.arange(8).reshape(4, 2), np.arange(4.0), np.arange(4.0) / 3)
ODD = [
    None,
    True,
    -1,
    0,
    3.5,
    10**400,
    1e308,
    math.nan,
    math.inf,
    "",
    "x",
    "\ud800",
    "\x1b[2J",
    "=1+1",
    [],
    [1],
    {},
    {"a": [{}]},
    [[[]]],
]


def places(value, path=()):
    """Every place in a record, as keys from the top."""
    yield path
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from places(value[key], (*path, key))


def unsigned(cell):
    """The cell as an earlier version wrote it: without a digest and without hashes of its arrays, which hide all else from a test."""
    data = json.loads((cell / "cell.json").read_text())
    (cell / "cell.json").write_text(json.dumps({k: v for k, v in data.items() if k not in ("digest", "arrays")} | {"schema": 2}))


def mutations(seed, count):
    """Records with one place removed or replaced, as texts; without a digest, so that other checks are tested."""
    dice, whole = random.Random(seed), json.loads(DONE.to_json())
    del whole["digest"], whole["arrays"]
    whole["schema"] = 2
    spots = list(places(whole))[1:]
    for _ in range(count):
        data = json.loads(json.dumps(whole))
        *above, last = dice.choice(spots)
        holder = data
        for key in above:
            holder = holder[key]
        if dice.random() < 0.2:
            del holder[last]
        else:
            holder[last] = dice.choice(ODD)
        if dice.random() < 0.1 and isinstance(holder, dict):
            holder[str(dice.choice(ODD[7:]))] = dice.choice(ODD)
        yield json.dumps(data)


@pytest.fixture
def cell(tmp_path):
    record.write(tmp_path / "out", DONE, OUTCOME)
    return record.cell_folder(tmp_path / "out", SPEC.hash)


def holds(read):
    """What is read is as records are to be."""
    json.loads(read.to_json(), parse_constant=pytest.fail)
    read.to_json().encode()
    assert all(isinstance(v, float | int) and math.isfinite(v) for v in [*read.cost.values(), *read.percentiles.values()])
    assert all(isinstance(text, str) for text in read.warnings)
    assert "\x1b" not in read.output + "".join(read.warnings)


def test_records_with_one_field_damaged(cell):
    messages = []
    for text in mutations(0, 600):
        (cell / "cell.json").write_text(text)
        try:
            holds(record.read_cell(cell))
        except DamagedCell as error:
            messages.append(str(error))
    assert [m for m in messages if SPEC.hash not in m or f"remove {cell}" not in m or "\n" in m] == []
    assert 100 < len(messages) < 600


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "3", '"x"', "[" * 100_000, "{" * 50, '{"schema": []}', '{"schema": 10e999}', "\ud800", "\xff"]
)
def test_what_is_no_record(cell, text):
    (cell / "cell.json").write_bytes(
        text.encode("latin-1", "surrogatepass") if text == "\xff" else text.encode("utf-8", "surrogatepass")
    )
    with pytest.raises(DamagedCell, match="damaged cell"):
        record.read_cell(cell)
    with pytest.raises(DamagedCell, match="damaged cell"):
        record.is_done(cell)


ARRAYS = {
    "missing": lambda a: a.pop("scores"),
    "too few": lambda a: a.update(designs=a["designs"][:3], scores=a["scores"][:3], normalised=a["normalised"][:3]),
    "unequal": lambda a: a.update(scores=a["scores"][:3]),
    "flat": lambda a: a.update(designs=a["designs"][:, 0]),
    "scalar": lambda a: a.update(designs=np.array(1)),
    "words": lambda a: a.update(designs=a["designs"].astype(str)),
    "complex": lambda a: a.update(designs=a["designs"] * 1j),
    "nan": lambda a: a.update(scores=a["scores"] * np.nan),
    "infinite": lambda a: a.update(normalised=a["normalised"] + np.inf),
    "columns": lambda a: a.update(scores=a["scores"][:, None]),
    "single": lambda a: a.update(scores=a["scores"].astype(np.float32)),
    "empty": lambda a: a.update(designs=a["designs"][:0], scores=a["scores"][:0], normalised=a["normalised"][:0]),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_designs_that_do_not_agree_with_their_record(cell, name):
    arrays = {"designs": OUTCOME.designs, "scores": OUTCOME.scores, "normalised": OUTCOME.normalised}
    ARRAYS[name](arrays)
    np.savez(cell / "designs.npz", **arrays)
    with pytest.raises(
        DamagedCell, match=r"designs\.npz .* not the file that was stored .* remove .* and run the same command again"
    ):
        record.read_outcome(cell)
    unsigned(cell)
    with pytest.raises(DamagedCell, match=r"designs\.npz .* remove .* and run the same command again") as caught:
        record.read_outcome(cell)
    assert "stored" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PK", b"\x93NUMPY", b"x" * 100])
def test_designs_that_are_no_archive(cell, content):
    (cell / "designs.npz").write_bytes(content)
    unsigned(cell)
    with pytest.raises(DamagedCell, match="cannot be read"):
        record.read_outcome(cell)


def test_an_altered_score_is_noticed(cell):
    """Changes that leave a valid record: only its digest tells."""
    whole = (cell / "cell.json").read_text()
    for old, new in (
        ('"100": 1.0', '"100": 2.0'),
        ('"steps": 3', '"steps": 3, "a": 1'),
        ('"said"', '"sand"'),
        ('"schema": 4', '"schema": 2'),
    ):
        assert old in whole
        (cell / "cell.json").write_text(whole.replace(old, new))
        with pytest.raises(DamagedCell, match=r"does not agree with its digest|its hash is"):
            record.read_cell(cell)
    data = json.loads(whole)
    del data["digest"]
    (cell / "cell.json").write_text(json.dumps(data))
    with pytest.raises(DamagedCell, match="does not agree with its digest"):
        record.read_cell(cell)
    (cell / "cell.json").write_text(json.dumps(json.loads(whole)))  # another layout of the same content
    assert record.read_cell(cell) == DONE


def test_designs_of_another_cell_are_noticed(cell, tmp_path):
    better = Outcome(OUTCOME.designs, OUTCOME.scores + 1, OUTCOME.normalised + 1)
    record.write(tmp_path / "other", DONE, better)
    (record.cell_folder(tmp_path / "other", SPEC.hash) / "designs.npz").replace(cell / "designs.npz")
    with pytest.raises(DamagedCell, match="not the file that was stored with this cell"):
        record.read_outcome(cell)


def test_links_pipes_and_giants_in_a_cell(cell, tmp_path):
    whole = (cell / "cell.json").read_bytes()
    (tmp_path / "elsewhere").write_bytes(whole)
    (cell / "cell.json").unlink()
    (cell / "cell.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DamagedCell, match="it is a link"):
        record.read_cell(cell)
    (cell / "cell.json").unlink()
    os.mkfifo(cell / "cell.json")
    for read in (record.read_cell, record.is_done):
        with pytest.raises(DamagedCell, match="not a regular file"):
            read(cell)
    (cell / "cell.json").unlink()
    with open(cell / "cell.json", "wb") as file:
        file.truncate(10**10)
    with pytest.raises(DamagedCell, match=r"it has 10\.0 GB, and at most"):
        record.read_cell(cell)
    (cell / "cell.json").write_bytes(whole)
    with open(cell / "designs.npz", "wb") as file:
        file.truncate(10**10)
    with pytest.raises(DamagedCell, match=r"it has 10\.0 GB, and at most"):
        record.read_outcome(cell)


def test_commands_say_one_line_and_no_traceback(cell, tmp_path):
    """Whatever is in a record, a command ends well or with one line."""
    out = cell.parents[1]
    other = tmp_path / "other"
    record.write(other, DONE, OUTCOME)
    commands: list[list] = [["report", out], ["report", out, "--format", "json"], ["collect", out, "--to", tmp_path / "c.csv"]]
    commands += [["compare", out, other], ["rescore", out], ["report", out, "--format", "latex"]]
    failed = 0
    for i, text in enumerate(mutations(1, 120)):
        (cell / "cell.json").write_text(text)
        words = [str(word) for word in commands[i % len(commands)]]
        result = CliRunner().invoke(main, words)
        assert result.exception is None or isinstance(result.exception, SystemExit), (words, text, result.exception)
        failed += result.exit_code == 2
    assert failed > 20
    shutil.rmtree(other)
