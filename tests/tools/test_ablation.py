"""tools/ablation.py on records with known differences."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from bbo.errors import BBOError
from bbo.record import CellSpec, Record

PATH = Path(__file__).parents[2] / "tools" / "ablation.py"
spec = importlib.util.spec_from_file_location("ablation", PATH)
ablation = importlib.util.module_from_spec(spec)
spec.loader.exec_module(ablation)


def cell(method, seed, score, task="t", status="done", **notes):
    made = CellSpec(task, "1", "h", method, "1", {}, seed, 128, 1)
    return Record(made, status, {"100": score, "80": 0.0, "50": 0.5}, method={"preset": "fast"}, notes=notes)


def report(*records):
    return ablation.report(list(records), 20, np.random.default_rng(0), "--seed 0")


def test_pairs_by_seed_and_marks_what_leaves_out_zero():
    steady = [cell("m", s, (s + 1) / 10) for s in range(4)] + [cell("m+ignite", s, (s + 1) / 10 + 0.02) for s in range(4)]
    unpaired = [cell("m+ignite", 9, 100.0), cell("m+sam", 9, 1.0), cell("m+sam", 0, 0.2), cell("m+sam", 1, 0.0, status="failed")]
    text = report(*steady, *unpaired)
    assert "| m+ignite | **+0.020 [+0.020, +0.020]** (n=4) | **+0.020 [+0.020, +0.020]**, +8.0% |" in text
    assert "| m+sam | +0.100 (n=1) | +0.100, +100.0% |" in text
    assert "11 of 20 planned cells done, 1 failed (the rest" in text
    assert "; 5 pairs; preset fast; seeds 0, 1, 2, 3, 9." in text
    assert "| m+ignite | +0.000 [+0.000, +0.000] (n=4) |" in text.partition("## 50th")[2]


def test_every_task_counts_the_same():
    records = [cell("m", s, 0.5, task) for task in "ab" for s in range(8)]
    records += [cell("m+sam", s, 0.6, "a") for s in range(8)] + [cell("m+sam", s, 0.3, "b") for s in range(2)]
    assert "**+0.100 [+0.100, +0.100]** (n=8) | **-0.200 [-0.200, -0.200]** (n=2) | **-0.050 [-0.050, -0.050]**, -10.0%" in report(
        *records
    )


def test_what_the_constraint_came_to_is_averaged_over_members_and_seeds():
    def notes(weight):
        rows = {"sharpness_lambda": [[0.0, 0.0], [weight, 3 * weight]], "sharpness_grad_norm": [[1, 1], [2, 4]]}
        return {**rows, "sharpness_slack": [[0, 0], [-0.1, -0.3]]}

    text = report(cell("m", 0, 0.1), cell("m+ignite", 0, 0.1, **notes(0.01)), cell("m+ignite", 1, 0.1, **notes(0.02)))
    assert "| m+ignite | t | 0.0300 | 3.00 | -0.200 |" in text


def test_nothing_to_compare_is_an_error():
    with pytest.raises(BBOError, match=r"no METHOD\+REGULARISER"):
        report(cell("m", 0, 0.1), cell("m+ignite", 1, 0.1))
