"""tools/reproduction.py: verdicts on made-up scores, and the committed page."""

import importlib.util
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from bbo.errors import BBOError
from bbo.record import CellSpec, Record
from bbo.reporting.board.scores import board
from bbo.reporting.documents.published import Published
from bbo.reporting.storage import cell_table, sources

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("reproduction", ROOT / "tools" / "reproduction.py")
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)

THEIRS = Published("t", "m", "M", 100, 0.8, 0.02, 8, 128, 100, 0.5, "exact", "", "", "a paper")


def results(scores, random=(), preset="paper", **facts):
    task = {"oracle": "exact", "visible_rows": 100, "best_visible": 0.5} | facts
    found = []
    for method, values, kind in (("m", scores, "surrogate"), ("random", random, "floor")):
        for seed, value in enumerate(values):
            status = "done" if value is not None else "failed"
            percentiles = {"100": value, "80": value, "50": value} if value is not None else {}
            error = {} if value is not None else {"reason": "error", "type": "E", "message": "no"}
            cell = CellSpec("t", "1", "h", method, "1", {}, seed, 128, 1)
            found.append(Record(cell, status, percentiles, task, {"preset": preset, "kind": kind, "overrides": {}}, error=error))
    return board(found, [])


def verdict(theirs, *args, **more):
    made = results(*args, **more)
    row = next(r for r in made.rows if r.method == "m")
    return tool.judge(theirs, made.entry(row, made.columns[0]), row, made.columns[0], made.chance(made.columns[0]))


def around(mean, spread, n=8):
    return [mean + spread * (-1) ** i for i in range(n)]


def test_the_interval_is_welchs():
    theirs, ours = np.random.default_rng(0).normal(0.8, 0.03, 6), np.random.default_rng(1).normal(0.7, 0.01, 9)
    said = replace(THEIRS, mean=theirs.mean(), std=theirs.std(), n_seeds=6)
    found = tool.welch(ours, said)
    expected = stats.ttest_ind(ours, theirs, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_what_is_said_follows_from_the_interval():
    near = verdict(THEIRS, around(0.805, 0.02), around(0.6, 0.02))
    assert (near.verdict, near.reason) == ("reproduced", "0 is inside the interval")
    far = verdict(THEIRS, around(0.7, 0.02), around(0.6, 0.02))
    assert (far.verdict, far.reason) == ("not reproduced", "ours is lower")
    assert verdict(THEIRS, around(0.9, 0.02), around(0.6, 0.02)).reason == "ours is higher"
    wide = verdict(THEIRS, around(0.805, 0.2), around(0.2, 0.02))
    assert wide.verdict == "cannot be told" and "more seeds are needed" in wide.reason


def test_a_test_that_random_designs_pass_says_nothing():
    said = verdict(THEIRS, around(0.805, 0.02), around(0.79, 0.02))
    assert said.verdict == "cannot be told" and "random designs reach 0.790, and would pass too" in said.reason
    # Against what random designs fail, a difference is still a difference.
    assert verdict(THEIRS, around(0.7, 0.02), around(0.79, 0.02)).verdict == "not reproduced"


def test_what_cannot_be_compared_says_why():
    for more, theirs, why in (
        ({"preset": "fast"}, THEIRS, "not paper"),
        ({"oracle": "learned"}, THEIRS, "other oracle"),
        ({"visible_rows": 99}, THEIRS, "other subset"),
        ({}, replace(THEIRS, std=None), "no spread published"),
    ):
        said = verdict(theirs, around(0.805, 0.02), **more)
        assert said.verdict == "cannot be told" and why in said.reason
    assert "one seed of ours" in verdict(THEIRS, [0.8]).reason
    noted = verdict(THEIRS, around(0.7, 0.02), note="its labels are wrong")
    assert noted.reason == "ours is lower; its labels are wrong"
    failed = verdict(THEIRS, [*around(0.7, 0.02), None])
    assert failed.reason == "ours is lower; 1 seeds failed"
    assert verdict(THEIRS, [None, None]).reason == "all our seeds failed"


def test_the_source_that_is_compared_is_the_first_in_the_order():
    known = [replace(THEIRS, source=name) for name in ("a note", "arXiv 2410.11502 Table 2", "arXiv 2509.16300 Table 1")]
    assert tool.chosen(known) is known[2]
    assert tool.chosen(known[:2]) is known[1]
    assert tool.chosen(known[:1]) is known[0]


def test_results_without_the_papers_settings_are_refused():
    with pytest.raises(BBOError, match="no cell at the preset paper in"):
        tool.made([str(ROOT / "results" / "quick.csv")])


def test_changed_settings_are_no_reproduction(tmp_path):
    """A method whose cells all have them is not run; it vanished from the page, since its row was left out and its name was not listed."""
    root = [r for r in sources.load([ROOT / "results" / "root-paper.csv"]).records if r.spec.method == "root"]
    changed = [replace(r, spec=replace(r.spec, method="coms"), method=r.method | {"overrides": {"steps": 1}}) for r in root]
    (tmp_path / "a.csv").write_text(cell_table.to_csv([*root, *changed]))
    shown, _, not_run = tool.made([str(tmp_path / "a.csv")]).partition("## Not run")
    assert "| coms |" not in shown
    assert re.search(r"^\| tfbind8 \|.* coms,", not_run, re.MULTILINE)
    # Published scores of hopper are those of another oracle, though ours is exact.
    assert "| hopper | exact: none of the published ones, so nothing can be told |" in not_run
    (tmp_path / "b.csv").write_text(cell_table.to_csv(changed))
    with pytest.raises(BBOError, match="without changed settings; make some"):
        tool.made([str(tmp_path / "b.csv")])


def test_versions_are_those_of_the_cells_and_a_floor_has_one_row_that_is_not_counted(tmp_path):
    table = [
        r
        for r in sources.load([ROOT / "results" / "root-paper.csv"]).records
        if r.spec.method in ("root", "offline-best", "random")
    ]
    newer = [
        replace(r, spec=replace(r.spec, method_version="9"), provenance=r.provenance | {"finished": "2099"})
        for r in table
        if (r.spec.method, r.spec.task, r.spec.seed) in (("offline-best", "tfbind8", 0), ("root", "tfbind10", 0))
    ]
    (tmp_path / "a.csv").write_text(cell_table.to_csv([*table, *newer]))
    text = tool.made([str(tmp_path / "a.csv")]).partition("## Not run")[0]
    rows = [tuple(re.split(r" *\| *", line)[1:5]) for line in text.splitlines() if line.startswith("| tfbind")]
    assert [(task, label, version, ours[-3:]) for task, label, version, ours in rows] == [
        ("tfbind10", "offline-best", "1", "(8)"),
        ("tfbind10", "root [version=2]", "2", "(8)"),
        ("tfbind10", "root [version=9]", "9", "(1)"),
        ("tfbind8", "offline-best", "1, 9", "(8)"),
        ("tfbind8", "root [version=1]", "1", "(8)"),
    ]
    assert "1 reproduced, 1 not reproduced, 1 cannot be told." in text


def test_the_committed_page_is_what_the_tables_give():
    """If this fails: python tools/reproduction.py."""

    def tables(text):  # without the list of what was not run, which grows with the catalogue
        return text.partition("## Not run")[0]

    assert tables(tool.OUT.read_text()) == tables(tool.made([]))
