"""tools/sensitivity.py on records with known scores, and its moved tables beside the registered ones."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bbo import catalogue
from bbo.errors import BBOError
from bbo.harness.loaded import load
from bbo.record import CellSpec, Record

TOOLS = Path(__file__).parents[2] / "tools"
spec = importlib.util.spec_from_file_location("sensitivity", TOOLS / "sensitivity.py")
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)


def cell(method, seed, high, middle, status="done", fingerprint="f"):
    percentiles = {"100": high, "80": middle, "50": middle} if status == "done" else {}
    provenance = {"cpu": "a CPU", "numerics": "portable", "fingerprint": fingerprint, "packages": {"torch": "2"}}
    cost = {"wall_seconds": 9.0, "cpu_seconds": 3.0}
    return Record(
        CellSpec("tfbind8", "1", "h", method, "1", {}, seed, 128, 1), status, percentiles, cost=cost, provenance=provenance
    )


@pytest.mark.parametrize("task", sorted(tool.MOVED))
def test_every_score_moves_up_by_one_step_and_order_and_ties_stay(task):
    given, moved = catalogue.load_task(task), load(f"{TOOLS / 'moved_tables.py'}:{tool.MOVED[task]}")
    a, b = given.visible(), moved.dataset
    assert np.array_equal(a.x, b.x) and b.y.dtype == np.float32
    # Neighbours in the order of float32: nothing lies between the two, and the way back is the same step.
    assert (b.y > a.y).all() and np.array_equal(np.nextafter(b.y, np.float32(-np.inf)), a.y)
    assert np.array_equal(np.argsort(-a.y, kind="stable"), np.argsort(-b.y, kind="stable"))
    assert len(np.unique(a.y)) == len(np.unique(b.y))
    assert moved.task.spec == given.spec  # the same id, and so the same random numbers
    assert moved.data_hash != load(task).data_hash


def test_the_largest_and_the_mean_difference_are_shown_and_the_most_sensitive_comes_first():
    given = [cell("calm", 0, 0.5, 0.4), cell("calm", 1, 0.7, 0.4), cell("wild", 0, 0.5, 0.4), cell("alone", 0, 0.5, 0.4)]
    moved = [cell("calm", 0, 0.5, 0.41), cell("calm", 1, 0.66, 0.4), cell("wild", 0, 0.25, 0.4)]
    rows = tool.pairs(given, moved)
    assert [(r["method"], r["seed"], r["cpu_seconds"]) for r in rows] == [
        ("calm", "0", "6.00"), ("calm", "1", "6.00"), ("wild", "0", "6.00"),
    ]  # fmt: skip
    absent = [
        dict.fromkeys(tool.FIELDS, "") | {"task": "tfbind8", "method": name, "status": "missing", "reason": reason}
        for name, reason in (("alone", "not measured"), ("b", "does not fit: no"), ("other", "not measured"))
    ]
    text = tool.page([*rows, *absent])
    shown = [line for line in text.splitlines() if line.startswith(("| calm", "| wild"))]
    assert shown == [
        "| wild | 0.2500 | 0.2500 | 0.000 | 0.0000 | 0.0000 | 0.000 | 1 |",
        "| calm | 0.0400 | 0.0200 | 0.100 | 0.0100 | 0.0050 | 0.000 | 2 |",
    ]
    assert "Without a row: alone, other (not measured)." in text
    assert "Without a row: b (does not fit: no)." in text


def test_of_two_versions_the_newest_is_measured_and_other_presets_are_left_out():
    def run(version, day, high, preset="fast"):
        made = cell("calm", 0, high, 0.4)
        spec = replace(made.spec, method_version=version, config={"preset": preset})
        return replace(made, spec=spec, method={"preset": preset}, provenance=made.provenance | {"finished": f"2026-11-0{day}"})

    given = [run("1", 1, 0.5), run("2", 2, 0.6), run("2", 3, 0.9, "paper")]
    rows = tool.pairs(given, given)
    assert [(r["method_version"], r["score_100"], r["preset"]) for r in rows] == [("2", "0.6", "fast")]


def test_a_failed_cell_is_counted_and_not_averaged():
    given = [cell("calm", 0, 0.5, 0.4), cell("calm", 1, 0, 0, status="failed")]
    text = tool.page(tool.pairs(given, [cell("calm", 0, 0.5, 0.4), cell("calm", 1, 0.6, 0.4)]))
    assert "| calm | 0.0000 | 0.0000 | 0.000 | 0.0000 | 0.0000 | 0.000 | 1 (1 failed) |" in text


def test_every_method_is_in_the_table_or_named_as_missing():
    missing = tool.missing(tool.pairs([cell("root", 0, 0.5, 0.4)], [cell("root", 0, 0.5, 0.4)]))
    assert all(r["status"] == "missing" and r["reason"] for r in missing)
    reasons = {(r["task"], r["method"]): r["reason"] for r in missing}
    expected = {(task, method) for task in tool.MOVED for method in catalogue.method_ids()}
    assert set(reasons) == expected - {("tfbind8", "root")}
    assert reasons["thin-film", "adalead"].startswith("does not fit: ")


def test_the_committed_page_is_what_its_table_gives():
    """If this fails: python tools/sensitivity.py FOLDER --report."""
    assert tool.OUT.with_suffix(".md").read_text() == tool.page(tool.read(tool.OUT))


def test_two_machines_are_not_compared():
    with pytest.raises(BBOError, match="different numerics fingerprints"):
        tool.pairs([cell("calm", 0, 0.5, 0.4)], [cell("calm", 0, 0.5, 0.4, fingerprint="g")])
    with pytest.raises(BBOError, match="no cell in both runs"):
        tool.pairs([cell("calm", 0, 0.5, 0.4)], [])
