"""How long planned cells will take, from the times of past ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import mean

from bbo.harness.plan import PlannedCell
from bbo.record import Record


@dataclass(frozen=True)
class Estimate:
    """Seconds for the cells whose time can be estimated from past cells, and how many cells cannot be estimated."""

    seconds: float
    unknown: int


def estimate(cells: Iterable[PlannedCell], past: Iterable[Record]) -> Estimate:
    """Add up wall times: the mean of past cells of the same task, method and preset, else of that method and preset on any task."""
    same: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for record in past:
        if record.done and "wall_seconds" in record.cost:
            seconds, spec, preset = record.cost["wall_seconds"], record.spec, record.method.get("preset", "")
            same[spec.method, preset, spec.task].append(seconds)
            same[spec.method, _family(preset)].append(seconds)
    means = {key: mean(times) for key, times in same.items()}
    total, unknown = 0.0, 0
    for cell in cells:
        exact = means.get((cell.spec.method, cell.preset, cell.spec.task))
        found = exact if exact is not None else means.get((cell.spec.method, _family(cell.preset)))
        total, unknown = (total + found, unknown) if found is not None else (total, unknown + 1)
    return Estimate(total, unknown)


def _family(preset: str) -> str:
    return preset.partition(":")[0]


def duration(seconds: float) -> str:
    """A duration in words: 40 s, 12 min, 3.5 h, 2.1 days."""
    for unit, size, below in (("s", 1, 100), ("min", 60, 100 * 60), ("h", 3600, 48 * 3600)):
        if seconds < below:
            return f"{seconds / size:.0f} {unit}" if unit != "h" else f"{seconds / size:.1f} h"
    return f"{seconds / 86400:.1f} days"
