"""`bbo rerun` over a committed table: equal, moved, not comparable, not run; and the command that makes a row."""

from __future__ import annotations

import json
import shlex
import shutil
from dataclasses import replace

import pytest
from click.testing import CliRunner

from bbo.cli import main
from bbo.record import Record, digest, read_all
from bbo.reporting.storage import cell_table, sources


def bbo(*words: object):
    return CliRunner().invoke(main, list(map(str, words)))


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Two cells of each of two methods, one of them with a changed setting, as a table without its folder."""
    folder = tmp_path_factory.mktemp("rerun")
    words = ["-t", "hartmann-6", "-b", "random", "-b", "gradient-ascent", "--preset", "smoke", "--set", "gradient-ascent.steps=3"]
    assert bbo("run", *words, "--seeds", "0-1", "--budget", 16, "--threads", 1, "--out", folder / "runs").exit_code == 0
    assert bbo("collect", folder / "runs", "--to", folder / "all.csv").exit_code == 0
    return folder / "all.csv"


def altered(table, tmp_path, change):
    """The table with each row as `change` gives it, as somebody would who also computes its sum again."""
    path = tmp_path / "altered.csv"
    path.write_text(cell_table.to_csv([change(record) for record in sources.load([table]).records]))
    return path


def shifted(record: Record) -> Record:
    return replace(record, percentiles={**record.percentiles, "50": record.percentiles["50"] + 1e-12})


def results(answer) -> list[str]:
    """The first word of each row of the printed table."""
    lines = answer.stdout.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("result\t"))
    return [line.partition("\t")[0] for line in lines[start + 1 : -1]]


def test_rows_of_a_table_are_run_again_and_equal(table) -> None:
    answer = bbo("rerun", table, "--sample", 3)
    assert answer.exit_code == 0, answer.output
    assert results(answer) == ["equal"] * 3
    assert "3 of 3 cells are equal, bit for bit" in answer.stdout


def test_other_scores_have_moved_though_the_designs_are_equal(table, tmp_path) -> None:
    answer = bbo("rerun", altered(table, tmp_path, shifted), "-b", "random", "--sample", 1)
    assert answer.exit_code == 1
    assert results(answer) == ["moved"]
    assert "the designs are equal, but not scores" in answer.stdout
    assert "fingerprint" not in answer.stdout


def test_other_designs_have_moved(table, tmp_path) -> None:
    answer = bbo("rerun", altered(table, tmp_path, lambda r: replace(r, design_hash="0" * 16)), "-b", "random", "--sample", 1)
    assert results(answer) == ["moved"]
    assert "the designs differ" in answer.stdout


def test_rows_without_a_hash_are_compared_by_their_figures(table, tmp_path) -> None:
    """As in tables of earlier schemas."""
    path = altered(table, tmp_path, lambda r: replace(r, design_hash=""))
    assert results(bbo("rerun", path, "-b", "random")) == ["equal"] * 2
    path = altered(table, tmp_path, lambda r: replace(r, design_hash="", designs={**r.designs, "diversity": 0.5}))
    answer = bbo("rerun", path, "-b", "random", "--sample", 1)
    assert results(answer) == ["moved"]
    assert "diversity differ" in answer.stdout


def test_another_fingerprint_makes_a_difference_not_comparable_but_not_equality(table, tmp_path) -> None:
    def elsewhere(record: Record) -> Record:
        return replace(record, provenance={**record.provenance, "fingerprint": "0123456789ab"})

    answer = bbo("rerun", altered(table, tmp_path, lambda r: elsewhere(shifted(r))), "-b", "random", "--sample", 1)
    assert answer.exit_code == 1
    assert results(answer) == ["not comparable"]
    assert "fingerprint 0123456789ab then" in answer.stdout
    assert bbo("rerun", altered(table, tmp_path, elsewhere), "-b", "random", "--sample", 1).exit_code == 0


def test_rows_of_other_versions_are_counted_and_not_run(table, tmp_path) -> None:
    def older(record: Record) -> Record:
        version = "0.5" if record.spec.method == "random" else record.spec.method_version
        return replace(record, spec=replace(record.spec, method_version=version))

    path = altered(table, tmp_path, older)
    answer = bbo("rerun", path, "--sample", 20)
    assert answer.exit_code == 0, answer.output
    assert results(answer) == ["equal"] * 2
    assert "2 of 4 cells are not run:" in answer.stdout
    assert "random: the version of the method is 1.1, the cell is of 0.5: 2 cells" in answer.stdout
    nothing = bbo("rerun", path, "-b", "random")
    assert nothing.exit_code == 1
    assert "none of these cells can be run here" in nothing.stdout


def test_a_record_of_a_mode_that_is_not_known_here_is_not_run_and_the_others_are(table, tmp_path) -> None:
    def newer(record: Record) -> Record:
        return replace(record, provenance={**record.provenance, "numerics": "exact"}) if record.spec.seed else record

    answer = bbo("rerun", altered(table, tmp_path, newer), "--sample", 4)
    assert answer.exit_code == 0, answer.output
    assert results(answer) == ["equal"] * 2
    assert "it cannot be run as it was: unknown numerics mode 'exact'" in answer.stdout


def test_cells_are_chosen_by_hash_or_by_name(table) -> None:
    record = next(r for r in sources.load([table]).records if r.spec.method == "random")
    answer = bbo("rerun", table, "--cell", record.spec.hash[:10])
    assert answer.exit_code == 0
    assert f"equal\t{record.spec.hash}\thartmann-6\trandom\t{record.spec.seed}" in answer.stdout
    for words in (["--cell", "zz"], ["-b", "coms"], ["-t", "tfbind8"], ["--cell", ""]):
        refused = bbo("rerun", table, *words)
        assert refused.exit_code == 2
        assert "--list" in refused.stderr


def test_the_listed_command_makes_the_very_cell(table, tmp_path) -> None:
    answer = bbo("rerun", table, "-b", "gradient-ascent", "--list")
    cell, *_, command = answer.stdout.splitlines()[1].split("\t")
    words = shlex.split(command)
    assert words[:2] == ["bbo", "run"] and words[-2:] == ["--out", "runs/again"]
    assert bbo(*words[1:-1], tmp_path / "again").exit_code == 0
    (made,) = read_all(tmp_path / "again")
    (row,) = (r for r in sources.load([table]).records if r.spec.hash == cell)
    assert made.spec == row.spec
    assert (made.percentiles, made.design_hash) == (row.percentiles, row.design_hash)


def test_collect_finds_the_hash_of_cells_that_hold_none(table, tmp_path) -> None:
    """As folders of earlier versions do."""
    folder = tmp_path / "runs"
    shutil.copytree(table.parent / "runs", folder)
    for path in folder.glob("cells/*/cell.json"):
        data = {name: value for name, value in json.loads(path.read_text()).items() if name != "design_hash"} | {"schema": 3}
        path.write_text(json.dumps({**data, "digest": digest(data)}))
    assert bbo("collect", folder, "--to", tmp_path / "all.csv").exit_code == 0
    hashes = [r.design_hash for r in sources.load([tmp_path / "all.csv"]).records]
    assert hashes == [r.design_hash for r in sources.load([table]).records]
    assert all(hashes)
