"""tools/root_ablation.py on records with known differences."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from bbo import catalogue
from bbo.errors import BBOError
from bbo.record import CellSpec, Record

PATH = Path(__file__).parents[2] / "tools" / "root_ablation.py"
spec = importlib.util.spec_from_file_location("root_ablation", PATH)
tool = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = tool  # dataclasses look their module up
spec.loader.exec_module(tool)


def cell(seed, score, method="root", task="t", status="done", **changes):
    config = {**catalogue.load_method(method).config("fast", task, {}).config, **changes}
    made = CellSpec(task, "1", "h", method, "9", config, seed, 128, 1)
    return Record(made, status, {"100": score, "80": 0.0, "50": 0.5}, method={"preset": "fast"})


def test_a_variant_stands_in_its_table_beside_the_unchanged_method():
    usual = [cell(s, 0.5 + s / 10) for s in range(4)]
    steps = [cell(s, 0.6 + s / 10, steps=25) for s in range(4)]
    text = tool.report([*usual, *steps, cell(7, 1.0, steps=25), cell(0, 1.0, steps=25, status="failed")], 20, 0)
    (section,) = (part for part in text.split("## ") if part.startswith("Gradient steps M"))
    assert "| root | 0.650 ± 0.112 | 0.650 |  |" in section
    assert "| root steps=25 | 0.800 ± 0.141 | 0.800 | **+0.100 [+0.100, +0.100]** |" in section
    assert "| root steps=25 | 0.500 ± 0.000 | 0.500 | +0.000 [+0.000, +0.000] |" in section.partition("50th")[2]
    assert "## Start points" not in text
    assert "9 of 20 planned cells done, 1 failed; preset fast; seeds 0, 1, 2, 3, 7; root 9." in text


def test_corrections_are_shown_one_by_one_and_together():
    cells = [
        cell(0, 0.5),
        cell(0, 0.4, guidance=0.5),
        cell(0, 0.7, "root-corrected"),
        cell(0, 0.1, "root-corrected", time_scale=1.0),
    ]
    text = tool.report([*cells, cell(0, 0.9, guidance=0.5, steps=25)], 5, 0)
    rows = [line for line in text.partition("50th")[0].splitlines() if line.startswith("| root")]
    assert [row.split(" | ")[0] for row in rows] == [
        "| root",
        "| root guidance=0.5",
        "| root-corrected",
        "| root-corrected time_scale=1.0",
    ]
    assert "0.900" not in text  # a cell that changes more than a section's settings stands in none


def test_no_cell_of_root_is_an_error():
    with pytest.raises(BBOError, match="no finished cell of root"):
        tool.report([cell(0, 0.1, status="failed")], 1, 0)
