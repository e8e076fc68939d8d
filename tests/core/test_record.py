"""Records: whole or not at all, and never believed blindly."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbo import record
from bbo.errors import BBOError, DamagedCell
from bbo.record import CellSpec, Outcome, Record

ERROR = {"reason": "error", "type": "ValueError", "message": "no", "traceback": ""}


def spec(**changes):
    facts = {"task": "t", "task_version": "1", "data_hash": "ab", "method": "b", "method_version": "1"}
    return CellSpec(**{**facts, "config": {"steps": 3}, "seed": 0, "budget": 4, "protocol": 1, **changes})


def outcome():
    return Outcome(np.arange(8).reshape(4, 2), np.arange(4.0), np.arange(4.0) / 3)


def done(**changes):
    return Record(spec(**changes), "done", percentiles={"100": 1.0, "80": 1.0, "50": 0.7})


values = st.one_of(
    st.booleans(), st.integers(-(10**9), 10**9), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8)
)


@given(st.dictionaries(st.text(min_size=1, max_size=6), values, max_size=5), st.integers(0, 10**6))
def test_hash_depends_on_content_not_on_order(config, seed):
    first = spec(config=config, seed=seed)
    assert first.hash == spec(config=dict(reversed(config.items())), seed=seed).hash
    assert first.hash != spec(config=config, seed=seed + 1).hash
    assert first.hash != spec(config={**config, "another setting": 1}, seed=seed).hash
    assert Record.from_json(Record(first, "failed", error=ERROR).to_json()).spec == first


def test_round_trip(tmp_path):
    record.write(tmp_path, done(), outcome())
    (found,) = record.read_all(tmp_path)
    assert found == done()
    arrays = record.read_outcome(record.cell_folder(tmp_path, found.spec.hash))
    assert (arrays.designs == outcome().designs).all()
    assert (arrays.normalised == outcome().normalised).all()
    assert [p.name for p in (tmp_path / "cells").iterdir()] == [found.spec.hash]


def test_the_first_writer_of_a_cell_wins(tmp_path):
    record.write(tmp_path, done(), outcome())
    record.write(tmp_path, Record(spec(), "failed", error=ERROR), None)
    assert record.read_all(tmp_path)[0].done


def test_a_failed_cell_gives_way_to_a_done_one_and_to_a_failed_one_only_when_asked(tmp_path):
    def failed(message):
        return Record(spec(), "failed", error={**ERROR, "message": message})

    for message, replace_failed, kept in (("first", False, "first"), ("second", False, "first"), ("third", True, "third")):
        record.write(tmp_path, failed(message), None, replace_failed=replace_failed)
        assert record.read_all(tmp_path)[0].error["message"] == kept
    record.write(tmp_path, done(), outcome())
    assert record.read_all(tmp_path)[0].done
    record.write(tmp_path, failed("fourth"), None, replace_failed=True)
    assert record.read_all(tmp_path)[0].done


def test_done_wins_over_failed_across_folders(tmp_path):
    record.write(tmp_path / "a", Record(spec(), "failed", error=ERROR), None)
    record.write(tmp_path / "b", done(), outcome())
    assert [r.done for r in record.read_all(tmp_path / "a", tmp_path / "b")] == [True]


def _edit(folder, **changes):
    path = folder / "cell.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "designs.npz").unlink(), "designs.npz is missing"),
        (lambda f: (f / "cell.json").unlink(), "cell.json is missing"),
        (lambda f: (f / "cell.json").write_text("{"), "cannot be read"),
        (lambda f: _edit(f, hash="0" * 20), "its hash is"),
        (lambda f: _edit(f, schema=99), "schema 99"),
        (lambda f: f.rename(f.with_name("0" * 20)), "it holds cell"),
    ],
)
def test_damage_is_named_with_its_remedy(tmp_path, damage, message):
    record.write(tmp_path, done(), outcome())
    damage(record.cell_folder(tmp_path, spec().hash))
    with pytest.raises(DamagedCell, match=message) as caught:
        record.read_all(tmp_path)
    assert "run the same command again" in str(caught.value)


def test_a_truncated_archive_is_damage(tmp_path):
    record.write(tmp_path, done(), outcome())
    path = record.cell_folder(tmp_path, spec().hash) / "designs.npz"
    path.write_bytes(path.read_bytes()[:40])  # which its hash tells, too
    with pytest.raises(DamagedCell, match="cannot be read"):
        record.read_outcome(path.parent)


def test_no_results_is_an_error(tmp_path):
    with pytest.raises(BBOError, match="holds no results"):
        record.read_all(tmp_path / "nothing")
