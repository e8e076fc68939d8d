"""tools/across_tasks.py on records with known scores."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from bbo.errors import BBOError
from bbo.record import CellSpec, Record
from bbo.reporting.board.scores import board

PATH = Path(__file__).parents[2] / "tools" / "across_tasks.py"
spec = importlib.util.spec_from_file_location("across_tasks", PATH)
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)

TASKS = [f"task-{i}" for i in range(8)]


def cell(task, method, seed, high, middle, status="done"):
    made = CellSpec(task, "1", "h", method, "1", {}, seed, 128, 1)
    return Record(made, status, {"100": high, "80": high, "50": middle} if status == "done" else {})


def cells(seeds=4):
    levels = {"random": (0.2, 0.1), "good": (0.6, 0.55), "best": (0.6, 0.73)}
    return [cell(t, m, s, a, b) for t in TASKS for m, (a, b) in levels.items() for s in range(seeds)]


def rows_of(text):
    return [[part.strip() for part in line.strip("| ").split("|")] for line in text.splitlines() if line.startswith("| ")]


def test_ranks_and_scores_above_chance():
    head, *rows = rows_of(tool.report(board(cells()), 0, "command"))
    assert head[:3] == ["method", "tasks", "mean rank, 100th"]
    found = {row[0]: dict(zip([*head[2:5], "median rank", "median group", head[-1]], row[2:], strict=True)) for row in rows}
    assert [row[0] for row in rows] == ["best", "good", "random"]
    # Scores that do not vary with the seed have intervals of no width.
    assert found["best"]["mean rank, 100th"] == found["good"]["mean rank, 100th"] == "1.50 [1.50, 1.50]"
    assert found["best"]["median rank"] == "1.00 [1.00, 1.00]"
    assert found["best"]["above chance, 100th"] == "0.500 [0.500, 0.500]"
    assert found["best"]["above chance, 50th"] == "0.700 [0.700, 0.700]"
    assert found["random"]["above chance, 50th"] == "0.000 [0.000, 0.000]"
    assert not set(found["best"]["median group"]) & set(found["random"]["median group"])


def test_the_interval_is_that_of_the_seeds():
    records = cells() + [cell(t, "noisy", s, 0.5 + 0.2 * (-1) ** s, 0.5) for t in TASKS for s in range(4)]
    found = board(records)
    (number,) = (i for i, row in enumerate(found.rows) if row.method == "noisy")
    _, _, above = tool.measured(found, 100, 0)[number]
    # Per task a mean of four draws from 0.3 and 0.7: deviation 0.1, over 8 tasks 0.1 / sqrt 8; above chance, 1 / 0.8 times that. Widened
    # by sqrt(4 / 3), and 48 degrees of freedom.
    assert above.estimate.value == pytest.approx(0.375)
    half = 2.0106 * np.sqrt(4 / 3) * 0.1 / np.sqrt(8) / 0.8
    assert above.estimate.high - above.estimate.low == pytest.approx(2 * half, rel=0.15)


def test_one_seed_has_no_interval_and_a_failed_task_counts_last():
    records = [r for r in cells(1) if (r.spec.task, r.spec.method) != ("task-0", "best")]
    text = tool.report(board([*records, cell("task-0", "best", 0, 0, 0, "failed")]), 0, "command")
    rows = {row[0]: row for row in rows_of(text)}
    assert rows["best"][5] == "1.25"  # seven first places and one last of three
    assert "1 of them failed" in text and "[" not in rows["best"][5]
    assert float(rows["best"][-1]) == pytest.approx(7 / 8 * 0.7, abs=6e-4)  # and the lowest score, which is chance


def test_a_method_without_all_tasks_says_so():
    records = [*cells(), *(cell("task-3", "once", s, 0.9, 0.9) for s in range(4))]
    rows = {row[0]: row for row in rows_of(tool.report(board(records), 0, "command"))}
    assert rows["once"][1] == "1 of 8" and rows["once"][6] == ""
    assert np.isclose(float(rows["once"][2].split()[0]), 1)


def test_a_task_without_random_gives_no_score_above_chance():
    records = [r for r in cells() if (r.spec.task, r.spec.method) != ("task-0", "random")]
    rows = {row[0]: row for row in rows_of(tool.report(board(records), 0, "command"))}
    assert rows["best"][-1] == "0.700 [0.700, 0.700] (7/8)"


def test_one_method_is_an_error():
    with pytest.raises(BBOError, match="at least two methods"):
        tool.report(board([r for r in cells() if r.spec.method == "good"]), 0, "command")


def test_only_the_tasks_asked_for_count(tmp_path, monkeypatch):
    table = Path(__file__).parents[2] / "results" / "quick.csv"
    monkeypatch.setattr("sys.argv", ["across_tasks.py", str(table), "--tasks", "thin-*", "--out", str(tmp_path / "page.md")])
    tool.main()
    text = (tmp_path / "page.md").read_text()
    assert "1 tasks: thin-film; seeds" in text and "--tasks 'thin-*' --seed 0" in text
    monkeypatch.setattr("sys.argv", ["across_tasks.py", str(table), "--tasks", "rna-a"])
    with pytest.raises(SystemExit, match=r"no cell on a task of rna-a; the results hold tfbind8, thin-film"):
        tool.main()


def test_differences_to_one_method_over_tasks():
    records = [cell(t, "a", 0, 0.5 + 0.1 * i, 0.5) for i, t in enumerate(TASKS[:3])] + [
        cell(t, "b", 0, 0.5, 0.6) for t in TASKS[:4]
    ]
    head, row = rows_of(tool.against(board(records), "b", "command"))
    half = 4.302653 * 0.1 / np.sqrt(3)  # Student's t with two degrees of freedom
    assert head[:3] == ["method", "tasks", "difference, 100th"]
    assert row[:3] == ["a", "3", f"+0.100 [{0.1 - half:+.3f}, {0.1 + half:+.3f}]"]
    assert row[4:7] + row[8:] == ["2", "0", "-0.100 [-0.100, -0.100]", "0", "3"]
    # Differences 0, 0.1 and 0.2, of which the first two are of one family: means 0.05 and 0.2.
    values = np.array([0.0, 0.1, 0.2])
    half = 12.706205 * 0.15 / 2
    assert tool.cells_of(values, ["x", "x", "y"])[1] == f"+0.125 [{0.125 - half:+.3f}, {0.125 + half:+.3f}]"
    assert tool.cells_of(values, ["x", "x", "x"])[1] == "+0.100"
    with pytest.raises(BBOError, match="unknown method 'c': known: a, b"):
        tool.against(board(records), "c", "command")
