"""Synthetic stores: records with chosen scores, written through `bbo.record.write`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bbo.protocol import BUDGET, VERSION, percentiles
from bbo.record import CellSpec, Outcome, Record, write

TASK = {
    "title": "A made-up task", "kind": "sequence", "oracle": "exact", "y_min": 0.0, "y_max": 1.0,
    "best_visible": 0.4, "visible_rows": 1000, "optimum": None, "local": False,
}  # fmt: skip
PROVENANCE = {"packages": {"numpy": "2.0", "torch": "2.6"}, "commit": "abc", "python": "3.11.1"}


def cell(
    task: str = "t1",
    method: str = "m",
    seed: int = 0,
    top: float = 0.5,
    median: float | None = None,
    *,
    config: dict[str, Any] | None = None,
    preset: str = "fast",
    version: str = "1",
    task_version: str = "1",
    budget: int = BUDGET,
    facts: dict[str, Any] | None = None,
    method_facts: dict[str, Any] | None = None,
    error: dict[str, str] | None = None,
    **more: Any,
) -> tuple[Record, Outcome | None]:
    """A cell whose 100th percentile is `top` and whose 50th and 80th are `median` (top / 2 where not given)."""
    spec = CellSpec(task, task_version, "d" * 64, method, version, config or {}, seed, budget, VERSION)
    median = top / 2 if median is None else median
    normalised = np.full(budget, median)
    normalised[-1] = top
    outcome = None if error else Outcome(np.zeros((budget, 2), np.int64), normalised, normalised)
    record = Record(
        spec,
        "failed" if error else "done",
        percentiles(normalised) if outcome else {},
        {**TASK, **(facts or {})},
        {"summary": f"Method {method}.", "kind": "", "preset": preset, "privileged": [], "local": False, **(method_facts or {})},
        error=error,
        provenance=PROVENANCE,
        **more,
    )
    return record, outcome


@pytest.fixture(scope="session")
def make() -> Any:
    """`cell`, as a fixture: test files cannot import this one."""
    return cell


@pytest.fixture
def store(tmp_path: Path) -> Any:
    """A function that writes cells into a results folder and returns it."""

    def fill(*cells: tuple[Record, Outcome | None], name: str = "results") -> Path:
        for record, outcome in cells:
            write(tmp_path / name, record, outcome)
        return tmp_path / name

    return fill
