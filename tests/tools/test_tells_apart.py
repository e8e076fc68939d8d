"""tools/tells_apart.py on records with known scores, and the column of results/tasks.md made from it."""

import importlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bbo import catalogue, protocol
from bbo.record import CellSpec, Record
from bbo.reporting.board.scores import board

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tool(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    found = importlib.import_module("tells_apart")
    monkeypatch.setattr(found, "OUT", tmp_path / "tells_apart.csv")
    yield found
    sys.modules.pop("tells_apart")
    sys.modules.pop("task_floors", None)


def cell(method, seed, high, middle):
    percentiles = {"100": high, "80": high, "50": middle}
    return Record(CellSpec("a", "1", "h", method, "1", {}, seed, 128, 1), "done", percentiles=percentiles)


def counted(tool, *cells):
    results = board(cells)
    (column,) = results.columns
    return tool.counted(results, column)


def test_pairs_are_counted_at_each_percentile(tool):
    noisy = [cell("noisy", seed, 0.5 + 0.3 * (-1) ** seed, 0.2) for seed in range(4)]
    good = [cell("good", seed, 0.8 + 0.01 * seed, 0.9) for seed in range(4)]
    fair = [cell("fair", seed, 0.7 + 0.01 * seed, 0.9) for seed in range(4)]
    # One with fewer than four seeds is not counted.
    few = [cell("few", seed, 0.1, 0.1) for seed in range(3)]
    found = counted(tool, *noisy, *good, *fair, *few)
    assert found == {"task": "a", "pairs": "3", "apart_100": "1", "apart_80": "1", "apart_50": "2"}


def test_equal_seeds_are_compared_with_each_other(tool):
    """A small step up on every seed is beyond noise by pairs, although the seeds differ by far more; with other seeds it is not."""
    low = [cell("low", seed, 0.2 * seed, 0.1) for seed in range(5)]
    high = [cell("high", seed, 0.2 * seed + 0.01 + 0.001 * seed, 0.1) for seed in range(5)]
    other = [cell("high", seed + 5, 0.2 * seed + 0.01 + 0.001 * seed, 0.1) for seed in range(5)]
    assert counted(tool, *low, *high)["apart_100"] == "1"
    assert counted(tool, *low, *other)["apart_100"] == "0"
    assert counted(tool, *low, *high)["apart_50"] == "0"


def test_the_table_of_tasks_shows_them(tool, tmp_path):
    floors = importlib.import_module("task_floors")
    assert floors.apart("a") == ""
    tool.OUT.write_text("task,pairs,apart_100,apart_80,apart_50\na,3,1,1,2\n")
    assert floors.apart("a") == "1/1/2 of 3"
    assert floors.apart("b") == ""


def test_the_random_floor_of_a_whole_table_is_exact(tool):
    floors = importlib.import_module("task_floors")
    task = catalogue.load_task("tfbind8")
    mean, std = floors.random_floor(task)
    assert mean == pytest.approx([0.938473, 0.441324], abs=1e-6)
    # The table and the task's own note tell the same floor.
    row = floors.stored()["tfbind8"]
    assert [row["random 100th"], row["random 50th"]] == [f"{m:.3f} ± {s:.3f}" for m, s in zip(mean, std, strict=True)]
    assert f"reach {mean[0]:.4f} on average" in task.spec.note
    # It is what draws come to, by the percentiles of the protocol.
    scores, rng = np.arange(40.0) ** 2, np.random.default_rng(0)
    drawn = [protocol.percentiles(rng.choice(scores, protocol.BUDGET)) for _ in range(4000)]
    drawn = np.array([[found["100"], found["50"]] for found in drawn])
    for exact, seen, error in zip(floors.exact_floor(scores), (drawn.mean(0), drawn.std(0)), drawn.std(0) / 4000**0.5, strict=True):
        assert np.all(np.abs(exact - seen) < 4 * error)


def test_one_seed_tells_nothing_apart(tool):
    """results/others.csv has one seed of every method."""
    with pytest.raises(SystemExit, match="4 seeds each"):
        tool.main([ROOT / "results" / "others.csv"])
    assert not tool.OUT.exists()


def test_committed_results_give_the_committed_table(tool):
    for name in ("own.csv", "core.csv"):  # all methods on the tasks of core.csv, thirteen on two others
        tool.main([ROOT / "results" / name])
    assert tool.OUT.read_text() == (ROOT / "results" / "tells_apart.csv").read_text()


def test_other_presets_and_older_versions_do_not_count(tool, monkeypatch):
    """The column says preset fast; results/root-paper.csv has eight seeds of the preset paper, and of methods without settings."""
    tool.main([ROOT / "results" / "root-paper.csv"])
    assert {row["pairs"] for row in tool.read().values()} == {"1"}  # random and offline-best

    def run(method, seed, high, version, **more):
        made = cell(method, seed, high + seed / 100, 0.5)
        day = {"finished": f"2026-11-0{version}"}
        return replace(made, spec=replace(made.spec, task_version=version, **more), method={"preset": "fast"}, provenance=day)

    both = [run(name, seed, high, version) for name, high in (("x", 0.2), ("y", 0.6)) for seed in range(4) for version in "12"]
    other = [run("x", seed, 0.1, "2", budget=64) for seed in range(4)]
    for order in ([*both, *other], [*other, *both[::-1]]):
        monkeypatch.setattr(tool.sources, "load", lambda paths, order=order: tool.sources.Results(tuple(order)))
        assert [row["pairs"] for row in tool.table([])] == ["1"]
