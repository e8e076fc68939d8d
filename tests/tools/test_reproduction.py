"""tools/reproduction.py: verdicts on made-up scores, and the committed page."""

import importlib.util
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from at_preset import at_preset
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

THEIRS = Published("t", "m", "", "M", 100, 0.8, 0.02, 8, 128, 100, 0.5, "exact", "", "", "a paper")


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


def test_within_one_std_is_of_the_pooled_deviation():
    def said(mean, spread):
        return verdict(THEIRS, around(mean, spread)).within

    # The root of (0.02^2 + 0.04^2) / 2 is 0.0316.
    assert said(0.83, 0.04) == "yes" and said(0.77, 0.04) == "yes" and said(0.833, 0.04) == "no"
    assert verdict(replace(THEIRS, std=0.0), around(0.8001, 0)).within == "yes"  # the same digits
    assert verdict(replace(THEIRS, std=None), around(0.8, 0.02)).within == verdict(THEIRS, [0.8]).within == ""


def ram_cells(**overrides):
    """The cells of ROOT on tfbind8 as if `ram` had made them with changed settings."""
    found = [
        r
        for r in sources.load([ROOT / "results" / "root-paper.csv"]).records
        if (r.spec.method, r.spec.task) == ("root", "tfbind8")
    ]
    return [
        replace(r, spec=replace(r.spec, method="ram", config=overrides), method=r.method | {"overrides": overrides}) for r in found
    ]


def test_a_published_variant_is_compared_with_the_settings_it_names(tmp_path):
    (tmp_path / "a.csv").write_text(cell_table.to_csv([*ram_cells(), *ram_cells(loss="rankcosine")]))
    shown, _, not_run = tool.made([str(tmp_path / "a.csv")]).partition("## Not run")
    lines = {
        re.split(r" *\| *", line)[2]: line for line in shown.partition("## 50th")[0].splitlines() if line.startswith("| tfbind8")
    }
    assert "| 0.982 ± 0.012 (8) | arXiv 2410.11502 Table 2" in lines["ram [loss=rankcosine]"]
    assert "| 0.973 ± 0.000 (8) | arXiv 2509.16300 Table 1" in lines["ram"]
    (tfbind8,) = [line for line in not_run.splitlines() if line.startswith("| tfbind8 |")]
    assert " ram [loss=mse]," in tfbind8 and " ram," not in tfbind8 and "ram [loss=rankcosine]" not in tfbind8


def test_old_cells_do_not_say_what_was_changed_and_are_compared_with_the_preset():
    few = sources.load([ROOT / "results" / "root-few-shot.csv"]).records
    assert all("overrides" not in r.method for r in few)
    assert not at_preset(few, "paper")
    assert {tuple(r.method["overrides"].items()) for r in at_preset(few, "paper", changed=True)} == {(("labelled", 0.01),)}


def test_the_page_says_what_the_cells_ran_on():
    text = tool.OUT.read_text().partition("## What made the cells")[2]
    assert "- results/paper.csv: BLAS " in text and "numerics portable" in text and "torch 2." in text
    assert "- results/root-paper.csv: machine and numerics mode not recorded; Python 3." in text
    assert "- This page: `python tools/reproduction.py`." in text


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
    assert "1 reproduced, 1 not reproduced, 1 cannot be told, 1 of 2 within one pooled standard deviation." in text


def test_the_committed_page_is_what_the_tables_give():
    """If this fails: python tools/reproduction.py."""

    def stable(text):  # without the list of what was not run, which grows with the catalogue
        return re.sub(r"## Not run.*(?=## What made)", "", text, flags=re.DOTALL)

    assert stable(tool.OUT.read_text()) == stable(tool.made([]))
