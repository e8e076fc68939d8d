"""The committed table of floors speaks of the tasks as they are."""

import re
from pathlib import Path

import pytest

from bbo import catalogue

LINES = (Path(__file__).parents[2] / "results" / "tasks.md").read_text().splitlines()
QUALITY = (Path(__file__).parents[2] / "results" / "task_quality.md").read_text()
ROWS = {
    cells[0]: cells for cells in ([cell.strip() for cell in line.strip("| ").split("|")] for line in LINES if line.startswith("| "))
}


def test_every_task_is_in_the_table():
    assert set(catalogue.task_ids()) <= set(ROWS)


@pytest.mark.parametrize("name", [name for name in ROWS if name != "task"])
def test_row_agrees_with_the_spec(name):
    head, row = ROWS["task"], ROWS[name]
    spec = catalogue.load_task(name).spec
    facts = dict(zip(head, row, strict=True))
    assert facts["visible"] == str(spec.visible_rows)
    assert facts["oracle"] == spec.oracle
    assert facts["designs"] == spec.space.describe()
    best = (spec.best_visible - spec.y_min) / (spec.y_max - spec.y_min)
    assert float(facts["visible best"]) == pytest.approx(best, abs=0.0006)
    assert bool(facts["optimum"]) == (spec.optimum is not None)
    # Saturated at the 100th percentile: to be read by the median.
    assert ("median" in facts["read by"]) == spec.saturated
    assert (float(facts["random 100th"].split()[0]) >= 0.9) == spec.saturated


@pytest.mark.parametrize("name", ["ant", "dkitty"])
def test_a_robots_note_cites_the_step_that_the_page_prints(name):
    ((step, _),) = re.findall(rf"^\| {name} \| ([\d.]+)%( \[[\d., ]+\])? \|", QUALITY, re.MULTILINE)
    assert f"moves the score by {step} %" in " ".join(catalogue.load_task(name).spec.note.split())
