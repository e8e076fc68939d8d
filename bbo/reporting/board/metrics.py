"""What tables can show of a cell: scores, scores above chance, how the designs are spread, and their cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bbo.reporting.board import statistics
from bbo.reporting.board.scores import Board, Column, Entry

Values = Callable[[Board, Column, Entry, int], np.ndarray]


@dataclass(frozen=True)
class Metric:
    """One number a seed.

    Args:
        title: the title of its table; `{percentile}` is replaced by the percentile if it depends on one.
        short: the head of its column.
        digits: decimals shown.
        better: 1 if larger is better, -1 if smaller, 0 if neither (no best is marked).
        values: the seeds' numbers (n,), of the seeds that have one.
    """

    title: str
    short: str
    digits: int
    better: int
    values: Values

    @property
    def by_percentile(self) -> bool:
        """Whether the metric depends on a percentile."""
        return "{percentile}" in self.title


def _score(board: Board, column: Column, entry: Entry, percentile: int) -> np.ndarray:
    return entry.scores(percentile)


def above_chance(board: Board, column: Column, entry: Entry, percentile: int) -> np.ndarray:
    """(score - random's mean) / (1 - random's mean) at the same percentile and budget (n,); empty where random was not run."""
    chance = board.chance(column).scores(percentile)
    return statistics.above_chance(entry.scores(percentile), float(chance.mean())) if len(chance) else np.empty(0)


def _recorded(group: str, name: str) -> Values:
    return lambda board, column, entry, percentile: entry.values(group, name)


METRICS = {
    "score": Metric("Normalised score, {percentile}th percentile of the designs", "score", 3, 1, _score),
    "above-chance": Metric("Score above chance, {percentile}th percentile of the designs", "above chance", 3, 1, above_chance),
    "diversity": Metric("Diversity: mean distance between two designs", "diversity", 3, 0, _recorded("designs", "diversity")),
    "duplicates": Metric("Share of designs that repeat another", "duplicates", 3, 0, _recorded("designs", "duplicates")),
    "nearest-offline": Metric(
        "Distance to the nearest visible design", "nearest offline", 3, 0, _recorded("designs", "nearest_offline")
    ),
    "novel-share": Metric("Share of designs not in the visible table", "novel", 3, 0, _recorded("designs", "novel_share")),
    "wall-time": Metric("Wall time, seconds", "wall time (s)", 1, -1, _recorded("cost", "wall_seconds")),
    "peak-memory": Metric("Peak memory, MB", "peak memory (MB)", 0, -1, _recorded("cost", "peak_memory_mb")),
}
#: Metrics of how a method's designs are spread and what they cost; shown per method below the scores.
DESIGNS_AND_COST = ("diversity", "duplicates", "nearest-offline", "novel-share", "wall-time", "peak-memory")
