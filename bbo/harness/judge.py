"""Turns a method's answer into a cell's record: checks the designs, scores them with the true function, collects the facts."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from bbo import protocol
from bbo.designs import describe
from bbo.errors import DesignError
from bbo.harness import provenance
from bbo.harness.plan import PlannedCell
from bbo.record import Outcome, Record, Trace
from bbo.text import bounded_list, clean, clean_json

#: Share of repeated designs from which a record warns.
MANY_DUPLICATES = 0.5
#: Processors for each thread from which a record warns, and seconds of wall time below which they say little.
MANY_PROCESSORS, SHORT = 1.5, 1.0


class OracleError(Exception):
    """The true function failed on valid designs."""


@dataclass
class Answer:
    """The answer of a method process.

    Args:
        designs: (budget, *shape) if valid, or whatever else the method returned; None if it failed.
        error: reason, type, message and traceback if it failed.
        points: intermediate designs by step, where a trace was asked for; None for those that were too large to keep.
        output: the end of what the method printed.
    """

    designs: np.ndarray | None = None
    error: dict[str, str] | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    privileged: list[str] = field(default_factory=list)
    stack: dict[str, Any] = field(default_factory=dict)
    cost: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    points: list[tuple[int, np.ndarray | None]] = field(default_factory=list)
    output: str = ""


def judge(cell: PlannedCell, answer: Answer) -> tuple[Record, Outcome | None, Trace | None]:
    """Check and score an answer.

    A trace that cannot be scored costs a warning, not the cell; an oracle that fails costs the cell, not the run.
    """
    task, spec, error = cell.task.task, cell.task.task.spec, answer.error
    outcome, told = None, list[str]()
    if error is None:
        try:
            outcome = _score(cell, np.asarray(answer.designs), told.append)
            facts = describe(outcome.designs, cell.task.dataset.x, spec.space)
        except DesignError as problem:
            error = {"reason": "invalid designs", "type": "DesignError", "message": str(problem), "traceback": ""}
        except OracleError as problem:
            cause = problem.__cause__
            trace_text = "".join(traceback.format_exception(cause)) if cause else ""
            error = {"reason": "oracle", "type": type(cause or problem).__name__, "message": str(problem), "traceback": trace_text}
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
            "visible_quantiles": _quantiles(task.normalise(cell.task.dataset.y)),
            "optimum": spec.optimum,
            "saturated": spec.saturated,
            "note": spec.note,
            "family": spec.family,
            "local": cell.task.local,
        },
        method={
            "summary": cell.method.summary,
            "kind": cell.method.spec.kind,
            "title": cell.method.spec.title,
            "paper": cell.method.spec.paper,
            "year": cell.method.spec.year,
            "preset": cell.preset,
            "overrides": cell.overrides,
            "regulariser": cell.method.regulariser,
            "privileged": answer.privileged,
            "local": cell.method.local,
        },
        notes=clean_json(answer.notes),
        error={key: clean(text) for key, text in error.items()} if error else None,
        provenance=provenance.host()
        | {"packages": provenance.packages(cell), "finished": datetime.now(UTC).isoformat(timespec="seconds")}
        | answer.stack,
        cost=answer.cost,
        designs=facts if outcome else {},
        warnings=bounded_list([*told, *answer.warnings, *complaints, *_busy(answer), *(_absurd(facts) if outcome else [])]),
        output=clean(answer.output),
    )
    return result, outcome, trace


def _quantiles(y: np.ndarray) -> list[float]:
    """17 evenly spaced quantiles of normalised scores (n,), from the lowest to the highest, for figures."""
    return [float(f"{value:.6g}") for value in np.quantile(y, np.linspace(0, 1, 17))] if len(y) else []


def _absurd(facts: dict[str, float]) -> list[str]:
    """Warnings about a set of designs that has collapsed."""
    share = facts["duplicates"]
    if facts["diversity"] == 0 and share > 0:
        return ["all designs are equal"]
    if share > MANY_DUPLICATES:
        return [f"{share:.0%} of the designs repeat an earlier one"]
    return []


def _busy(answer: Answer) -> list[str]:
    """A warning if a method used more processors than it was given threads: its wall time does not compare with others'."""
    wall, cpu, threads = answer.cost.get("wall_seconds", 0.0), answer.cost.get("cpu_seconds", 0.0), answer.stack.get("threads", 0)
    if not threads or wall < SHORT or cpu < MANY_PROCESSORS * threads * wall:
        return []
    given = "1 thread" if threads == 1 else f"{threads} threads"
    return [f"the method and what it started used {cpu / wall:.1f} processors on average and was given {given}"]


def _score(cell: PlannedCell, designs: np.ndarray, warn: Callable[[str], None]) -> Outcome:
    if designs.ndim == 0 or len(designs) != cell.spec.budget:
        came = len(designs) if designs.ndim else 0
        raise DesignError(f"{cell.method.id} must return exactly {cell.spec.budget} designs (the budget); got {came}")
    task = cell.task.task
    designs = task.spec.space.check(designs)
    try:
        scores = task.score(designs.copy(), warn)
        outcome = Outcome(designs, scores, task.normalise(scores))
        if not np.isfinite(outcome.normalised).all():
            raise ValueError("normalised scores that are not finite")
    except (Exception, SystemExit) as error:
        raise OracleError(f"the oracle of {task.spec.id} failed: {type(error).__name__}: {error}") from error
    return outcome


def _trace(cell: PlannedCell, points: list[tuple[int, np.ndarray | None]]) -> tuple[Trace | None, list[str]]:
    steps, scores, complaints = [], [], list[str]()
    for step, designs in points:
        try:
            if designs is None:
                raise DesignError(f"it is larger than {cell.spec.budget} designs (the budget)")
            scores.append(_score(cell, designs, complaints.append).normalised)
            steps.append(step)
        except (DesignError, OracleError) as problem:
            complaints.append(f"trace: step {step} left out: {problem}")
    return (Trace(np.asarray(steps), np.stack(scores)) if scores else None), complaints[:1]
