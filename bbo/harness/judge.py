"""From a method's answer to a cell's record: checks the designs, scores them with the true function, collects the facts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from bbo import designs as how_designs_lie
from bbo import protocol
from bbo.errors import DesignError
from bbo.harness import provenance
from bbo.harness.plan import PlannedCell
from bbo.record import Outcome, Record, Trace


@dataclass
class Answer:
    """What came back from a method process.

    Args:
        designs: (budget, *shape) if all is well, or anything else a method returned; None if it failed.
        error: reason, type, message and traceback if it failed.
        points: intermediate designs by step, where a trace was asked for.
        output: the end of what the method printed.
    """

    designs: np.ndarray | None = None
    error: dict[str, str] | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    privileged: list[str] = field(default_factory=list)
    stack: dict[str, Any] = field(default_factory=dict)
    cost: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    points: list[tuple[int, np.ndarray]] = field(default_factory=list)
    output: str = ""


def judge(cell: PlannedCell, answer: Answer) -> tuple[Record, Outcome | None, Trace | None]:
    """Check and score an answer; a trace that cannot be scored costs a warning, not the cell."""
    task, spec, error = cell.task.task, cell.task.task.spec, answer.error
    outcome = None
    if error is None:
        try:
            outcome = _score(cell, np.asarray(answer.designs))
        except DesignError as problem:
            error = {"reason": "invalid designs", "type": "DesignError", "message": str(problem), "traceback": ""}
    trace, complaints = _trace(cell, answer.points) if outcome else (None, [])
    result = Record(
        spec=cell.spec,
        status="failed" if error else "done",
        percentiles=protocol.percentiles(outcome.normalised) if outcome else {},
        task={
            "title": spec.title,
            "kind": spec.space.kind,
            "oracle": spec.oracle,
            "y_min": spec.y_min,
            "y_max": spec.y_max,
            "best_visible": float(task.normalise(np.asarray(spec.best_visible))),
            "visible_rows": len(cell.task.dataset.y),
            "optimum": spec.optimum,
            "saturated": spec.saturated,
            "note": spec.note,
            "local": cell.task.local,
        },
        method={
            "summary": cell.method.summary,
            "kind": cell.method.spec.kind,
            "title": cell.method.spec.title,
            "preset": cell.preset,
            "overrides": cell.overrides,
            "regulariser": cell.method.regulariser,
            "privileged": answer.privileged,
            "local": cell.method.local,
        },
        notes=answer.notes,
        error=error,
        provenance=provenance.host()
        | {"packages": provenance.packages(cell), "finished": datetime.now(UTC).isoformat(timespec="seconds")}
        | answer.stack,
        cost=answer.cost,
        designs=how_designs_lie.describe(outcome.designs, cell.task.dataset.x, spec.space) if outcome else {},
        warnings=[*answer.warnings, *complaints],
        output=answer.output,
    )
    return result, outcome, trace


def _score(cell: PlannedCell, designs: np.ndarray) -> Outcome:
    if designs.ndim == 0 or len(designs) != cell.spec.budget:
        came = len(designs) if designs.ndim else 0
        raise DesignError(f"{cell.method.id} must return exactly {cell.spec.budget} designs (the budget); got {came}")
    designs = cell.task.task.spec.space.check(designs)
    scores = cell.task.task.score(designs)
    return Outcome(designs, scores, cell.task.task.normalise(scores))


def _trace(cell: PlannedCell, points: list[tuple[int, np.ndarray]]) -> tuple[Trace | None, list[str]]:
    steps, scores, complaints = [], [], []
    for step, designs in points:
        try:
            scores.append(_score(cell, designs).normalised)
            steps.append(step)
        except DesignError as problem:
            complaints.append(f"trace: step {step} left out: {problem}")
    return (Trace(np.asarray(steps), np.stack(scores)) if scores else None), complaints[:1]
