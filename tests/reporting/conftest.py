"""Synthetic stores: records with chosen scores, written through `bbo.record.write`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bbo.protocol import BUDGET, VERSION, percentiles
from bbo.record import CellSpec, Outcome, Record, Trace, write
from bbo.reporting.board.scores import Board, board
from bbo.reporting.storage.sources import Results
from bbo.reporting.storage.unsuitable import Unsuitable

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


@dataclass(frozen=True)
class InMemory(Results):
    """Results whose arrays were never written."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def outcome(self, record: Record) -> Outcome | None:
        return self.outcomes.get(record.spec.hash)

    def trace(self, record: Record) -> Trace | None:
        return None


FAMILIES = ("architectures", "learned", "materials", "robots", "sequences", "synthetic")
NAMED = ("random", "offline-best", "coms", "coms+ignite", "gradient-ascent", "root")
KINDS = ("floor", "floor", "surrogate", "surrogate", "surrogate", "generative")


@cache
def made_up(methods: int, tasks: int, seeds: int) -> tuple[Board, InMemory]:
    """A board of made-up methods of several kinds and years on tasks of six families; some do not fit, fail, or warn.

    `root` uses y_max, is best everywhere and warns on the second task; the last method fits no task of the first family, and the one
    before it fails on the second task.
    """
    rng = np.random.default_rng(0)
    names = [*NAMED, *(f"method-{i:02}" for i in range(40))][:methods]
    kinds = [*KINDS, *("surrogate", "search", "generative", "trajectory") * 10]
    records, outcomes, unfit = [], {}, []
    for t in range(tasks):
        task, best = f"task-{t:02}", 0.3 + 0.01 * (t % 7)
        facts = {"family": FAMILIES[t % 6], "best_visible": best, "visible_quantiles": list(np.linspace(0, best, 17).round(4))}
        for m, name in enumerate(names):
            if m == methods - 1 and m > 5 and t % 6 == 0:
                unfit.append(Unsuitable(task, name, "needs letters"))
                continue
            level = {"random": 0.4, "offline-best": best, "root": 0.9}.get(name, 0.4 + 0.4 * rng.random())
            for seed in range(seeds):
                error = {"reason": "memory", "type": "", "message": "killed"} if (m, t) == (methods - 2, 1) and m > 5 else None
                record, outcome = cell(
                    task, name, seed, 0.5, facts=facts, error=error, config={"steps": 100 * m, "rate": 0.01},
                    method_facts={"kind": kinds[m], "year": 2015 + m % 10 if m > 1 else 0, "privileged": ["y_max"] * (name == "root")},
                    cost={"wall_seconds": float(10 ** (m / 10)), "peak_memory_mb": 200.0 + m},
                    designs={"diversity": 0.4, "duplicates": 0.0},
                    warnings=["the target lies beyond the data"] * (name == "root" and t == 1),
                )  # fmt: skip
                if outcome:
                    scores = rng.normal(level, 0.05, BUDGET)
                    outcome = Outcome(rng.integers(0, 4, (BUDGET, 8)), scores, scores)
                    outcomes[record.spec.hash] = outcome
                    record = replace(record, percentiles=percentiles(scores))
                records.append(record)
    results = InMemory(tuple(records), tuple(unfit), outcomes=outcomes)
    return board(results.records, results.unsuitable), results


@pytest.fixture(scope="session")
def make_up() -> Any:
    """`made_up`, as a fixture."""
    return made_up
