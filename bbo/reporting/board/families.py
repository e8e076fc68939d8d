"""Families of tasks: what each method reaches over the tasks of a family, and over all families.

The rule for methods that cover fewer tasks: a value of a family is the mean over the tasks of it that give a number, and the value over
all families is the mean of those of the families, so that a family of many tasks counts as much as one of few. A task gives none where
the method was not run; scores above chance also need a mean score of random designs below 1. A task on which every seed failed counts
with the lowest score of that task. A value over fewer tasks than the family has is shown with their number and is never marked as the
best.

Intervals are of a stratified bootstrap, widened by `statistics.interval`: the seeds of every method on every task are drawn with
replacement, those of the method whose designs are uniform too. There is none where a task of the value has too few seeds of the method,
or, of scores above chance, of random designs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from bbo.reporting.board import statistics
from bbo.reporting.board.scores import CHANCE, Board, Column
from bbo.reporting.board.statistics import RESAMPLES, Estimate

#: The measures of a family: 1 if larger is better, -1 if smaller.
MEASURES = {"above-chance": 1, "mean-rank": -1, "wins": 1}
#: Name of the mean over families.
ALL = "all"


@dataclass(frozen=True)
class Value:
    """One measure of one method in one family: the mean over those `tasks` of the family's `total` that give a number."""

    estimate: Estimate
    tasks: int
    total: int

    @property
    def whole(self) -> bool:
        """Whether every task of the family gives a number."""
        return self.tasks == self.total


def families(board: Board) -> dict[str, tuple[Column, ...]]:
    """The columns of each family, in the order of names; tasks without a family come last, as "other"."""
    names = sorted({column.family for column in board.columns}, key=lambda name: (name == "other", name))
    return {name: tuple(column for column in board.columns if column.family == name) for name in names}


def values(board: Board, percentile: int, generator: np.random.Generator) -> dict[tuple[str, str], list[Value | None]]:
    """For each measure and family, and each measure and `ALL`, the value of every row; None where no task gives a number."""
    parts = families(board)
    drawn = {c.label: measures(board, c, resampled(board, c, percentile, generator)) for c in board.columns}
    found = {}
    for measure in MEASURES:
        own = {label: of_task[measure] for label, of_task in drawn.items()}
        means = {name: mean([own[column.label] for column in columns]) for name, columns in parts.items()}
        for name, columns in [(ALL, board.columns), *parts.items()]:
            whole = mean(list(means.values())) if name == ALL else means[name]
            found[measure, name] = rows(board, measure, columns, own, whole)
    return found


def above_chance(board: Board, percentile: int) -> np.ndarray:
    """Scores above chance of every row on every task (tasks, rows), as the tables of families count them; NaN where there is none."""
    return np.stack(
        [measures(board, column, reached(board, column, percentile)[None])["above-chance"][0] for column in board.columns]
    )


def reached(board: Board, column: Column, percentile: int) -> np.ndarray:
    """Mean scores (rows,) of one task; minus infinity where every seed of a method failed, NaN where it was not run."""
    entries = [board.entry(row, column) for row in board.rows]
    return np.array([e.scores(percentile).mean() if e.done else -np.inf if e.failed else np.nan for e in entries])


def resampled(
    board: Board, column: Column, percentile: int, generator: np.random.Generator, resamples: int = RESAMPLES
) -> np.ndarray:
    """`reached` (1 + resamples, rows): first as it is, then with the seeds of every method drawn with replacement."""
    drawn = np.tile(reached(board, column, percentile), (1 + resamples, 1))
    for i, row in enumerate(board.rows):
        scores = board.entry(row, column).scores(percentile)
        if len(scores):
            drawn[1:, i] = scores[generator.integers(0, len(scores), (resamples, len(scores)))].mean(axis=1)
    return drawn


def ranked(means: np.ndarray) -> np.ndarray:
    """Ranks (n, rows) of `resampled` scores, 1 the best, ties share the mean of their ranks; NaN where a method was not run."""
    ranks = np.full_like(means, np.nan)
    run = ~np.isnan(means[0])
    if run.any():
        # Equal scores stay equal however many seeds they were averaged over.
        ranks[:, run] = rankdata(-means[:, run].round(12), axis=1)
    return ranks


def measures(board: Board, column: Column, means: np.ndarray) -> dict[str, np.ndarray]:
    """Of one task, every measure (n, rows) of its scores (n, rows), which are those of `reached` or `resampled`."""
    ranks, chance = ranked(means), np.full((len(means), 1), np.nan)
    others = (~np.isnan(means[0])).sum() - 1
    means = np.where(np.isneginf(means), np.where(np.isfinite(means), means, np.inf).min(axis=1, keepdims=True), means)
    means[~np.isfinite(means)] = np.nan  # every method failed
    for i, row in enumerate(board.rows):
        if row.method == CHANCE and board.entry(row, column).done:
            chance = means[:, i : i + 1]
            break
    room = np.where(chance < 1, 1 - chance, np.nan)
    beaten = (others + 1 - ranks) / others if others else np.full_like(ranks, np.nan)
    return {"above-chance": (means - chance) / room, "mean-rank": ranks, "wins": beaten}


def mean(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Mean over the parts that are numbers (n, rows)."""
    stacked = np.stack(parts)
    counts = np.isfinite(stacked).sum(axis=0)
    return np.where(counts, np.nansum(stacked, axis=0) / np.maximum(counts, 1), np.nan)


def rows(
    board: Board, measure: str, columns: Sequence[Column], own: Mapping[str, np.ndarray], means: np.ndarray
) -> list[Value | None]:
    """The value of every row over some tasks; None where none of them gives a number.

    Args:
        board: the board.
        measure: one of `MEASURES`.
        columns: the tasks.
        own: the measure of each task, by label: first as it is, then of each resample (1 + resamples, rows).
        means: the means of these over the tasks (1 + resamples, rows).
    """
    within = {"above-chance": (-np.inf, np.inf), "mean-rank": (1, len(board.rows)), "wins": (0, 1)}[measure]
    found: list[Value | None] = []
    for i, row in enumerate(board.rows):
        counted = [column for column in columns if np.isfinite(own[column.label][0, i])]
        sides = [board.entry(row, column) for column in counted]
        sides += [board.chance(column) for column in counted] if measure == "above-chance" else []
        # A task on which every seed failed has a fixed place, and no seeds to draw.
        sizes = [len(side.done) for side in sides if side.done] or [0]
        estimate = statistics.interval(float(means[0, i]), means[1:, i], sizes, within=within)
        found.append(Value(estimate, len(counted), len(columns)) if counted else None)
    return found
