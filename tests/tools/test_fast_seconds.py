"""tools/fast_seconds.py on records with known costs."""

import importlib.util
import re
from dataclasses import replace
from pathlib import Path

import pytest

from bbo import catalogue
from bbo.errors import BBOError
from bbo.record import CellSpec, Record

PATH = Path(__file__).parents[2] / "tools" / "fast_seconds.py"
spec = importlib.util.spec_from_file_location("fast_seconds", PATH)
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)


def cell(task, method, seconds, status="done"):
    cost = {"wall_seconds": 2 * seconds, "cpu_seconds": seconds, "peak_memory_mb": 400.0}
    provenance = {"cpu": "a CPU", "threads": 1}
    return Record(CellSpec(task, "1", "h", method, "1", {}, 0, 128, 1), status, cost=cost, provenance=provenance)


def test_the_slowest_come_first_and_what_is_over_a_minute_is_listed():
    text = tool.report(
        [cell("a", "slow", 70.0), cell("b", "slow", 10.0), cell("a", "quick", 1.0), cell("b", "quick", 3.0, "failed")],
        {"new": ["a", "b"]},
    )
    assert "4 cells, 1 failed, 1 over 60 s." in text
    assert "Machine: a CPU, 1 thread." in text
    assert "\nNot measured: new (a, b).\n" in text
    head, over, cells = text.split("## ")
    assert head.index("| slow | 40.0 | 70.0 | a |") < head.index("| quick | 2.0 | 3.0 | b |")
    assert [line for line in over.splitlines() if line.startswith("| a")] == ["| a | slow | 70.0 | 400 |"]
    assert "| b | quick (failed) | 3.0 | 400 |" in cells
    assert "Over 60 s" not in tool.report([cell("a", "quick", 1.0)], {})


def test_an_empty_folder_is_said():
    with pytest.raises(BBOError, match="no cell"):
        tool.report([], {})


def test_cells_of_other_results_fill_what_the_folder_lacks(tmp_path, monkeypatch):
    table = PATH.parents[1] / "results" / "core.csv"
    monkeypatch.setattr(tool.record, "read_all", lambda folder: [cell("tfbind8", "root", 5.0), cell("mine", "root", 2.0)])
    both = tool.gathered(tmp_path, [table])
    assert len(both) == sum(r.spec.seed == 0 for r in tool.sources.load([table]).records) + 1
    assert {r.spec.task: tool.seconds(r) for r in both if r.spec.method == "root"}["tfbind8"] == 5.0


def test_only_what_the_title_names_is_gathered(tmp_path, monkeypatch):
    fast = {"preset": "fast", "overrides": {}}

    def run(spent, at=fast, version="1", day=1, **more):
        made = cell("a", "m", spent)
        times = made.provenance | {"finished": f"2026-11-0{day}"}
        return replace(made, spec=replace(made.spec, method_version=version, **more), method=at, provenance=times)

    others = [
        run(9.0, fast | {"preset": "paper"}, config={"steps": 9}),
        run(8.0, fast | {"overrides": {"steps": 8}}, config={"steps": 8}),
        run(7.0, seed=1),
        run(6.0, budget=64),
        run(5.0, version="2", day=2),
    ]
    for order in ([run(1.0), *others], [*others[::-1], run(1.0)]):
        monkeypatch.setattr(tool.record, "read_all", lambda folder, order=order: order)
        assert [tool.seconds(r) for r in tool.gathered(tmp_path, [])] == [5.0]


def test_pairs_without_a_cell_are_named_where_they_fit():
    measured = [cell(task, "adalead", 1.0) for task in catalogue.task_ids()]
    found = tool.unmeasured(measured)
    assert found["adalead"] == ["large-grid", "large-long"]
    assert set(found["random"]) == {*catalogue.task_ids(), "large-grid", "large-long"}
    measured = [cell("rna-a", "adalead", 1.0)]
    assert "thin-film" not in tool.unmeasured(measured)["adalead"]  # takes letters only


def test_every_method_takes_under_a_minute_a_cell_at_fast():
    """The promise of `fast`, by the committed measurement of it; a method or task that came since is not on the page yet."""
    head, _, cells = (PATH.parents[1] / "results" / "fast.md").read_text().partition("## All cells")
    assert ", 0 failed, " in head
    rows = [line.strip("| ").split(" | ") for line in cells.splitlines() if line.startswith("| ") and "| method |" not in line]
    seconds = {(task, method): float(spent) for task, method, spent, _ in rows}
    assert not {pair for pair, spent in seconds.items() if spent > tool.MOST}
    named = {name: tasks.split(", ") for name, tasks in re.findall(r"^Not measured: (\S+) \((.*)\)\.$", head, re.MULTILINE)}
    tasks, methods = ({pair[place] for pair in seconds} for place in (0, 1))
    missing = {
        name: [task for task in own if task in tasks]
        for name, own in tool.unmeasured([cell(*pair, 1.0) for pair in seconds]).items()
    }
    assert {name: own for name, own in missing.items() if own and name in methods} == named
