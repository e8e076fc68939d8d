"""Families of tasks: what each method reaches over the tasks of a family, and over all families.

The rule for methods that cover fewer tasks: a value of a family is the mean over the tasks of it that the method was run on, and the
value over all families is the mean of those of the families it was run on, so that a family of many tasks counts as much as one of
few. A task on which every seed failed counts with the lowest score of that task. A value over fewer tasks than the family has is shown
with their number and is never marked as the best.

Intervals are of a stratified bootstrap: the seeds of every method on every task are drawn with replacement, those of the method whose
designs are uniform too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from bbo.reporting.board.scores import CHANCE, Board, Column
from bbo.reporting.board.statistics import LEVEL, RESAMPLES, Estimate

#: The measures of a family: 1 if larger is better, -1 if smaller.
MEASURES = {"above-chance": 1, "mean-rank": -1, "wins": 1}
#: Name of the mean over families.
ALL = "all"


@dataclass(frozen=True)
class Value:
    """One measure of one method in one family, over `tasks` of the family's `total` tasks."""

    estimate: Estimate
    tasks: int
    total: int

    @property
    def whole(self) -> bool:
        """Whether the method was run on every task of the family."""
        return self.tasks == self.total


def families(board: Board) -> dict[str, tuple[Column, ...]]:
    """The columns of each family, in the order of names; tasks without a family come last, as "other"."""
    names = sorted({column.family for column in board.columns}, key=lambda name: (name == "other", name))
    return {name: tuple(column for column in board.columns if column.family == name) for name in names}


def values(board: Board, percentile: int, generator: np.random.Generator) -> dict[tuple[str, str], list[Value | None]]:
    """For each measure and family, and each measure and `ALL`, the value of every row; None where it was not run or has no value."""
    parts = families(board)
    drawn = {column.label: _measures(board, column, percentile, generator) for column in board.columns}
    found = {}
    for measure in MEASURES:
        means = {name: _mean([drawn[column.label][measure] for column in columns]) for name, columns in parts.items()}
        found[measure, ALL] = _values(board, _mean(list(means.values())), board.columns)
        for name, columns in parts.items():
            found[measure, name] = _values(board, means[name], columns)
    return found


def resampled(
    board: Board, column: Column, percentile: int, generator: np.random.Generator, resamples: int = RESAMPLES
) -> np.ndarray:
    """Mean scores of one task (1 + resamples, rows): first as they are, then with the seeds of every method drawn with replacement.

    Minus infinity where every seed of a method failed, NaN where it was not run.
    """
    drawn = np.full((1 + resamples, len(board.rows)), np.nan)
    for i, row in enumerate(board.rows):
        entry = board.entry(row, column)
        scores = entry.scores(percentile)
        if len(scores):
            drawn[0, i] = scores.mean()
            drawn[1:, i] = scores[generator.integers(0, len(scores), (resamples, len(scores)))].mean(axis=1)
        elif entry.failed:
            drawn[:, i] = -np.inf
    return drawn


def ranked(means: np.ndarray) -> np.ndarray:
    """Ranks (n, rows) of `resampled` scores, 1 the best, ties share the mean of their ranks; NaN where a method was not run."""
    ranks = np.full_like(means, np.nan)
    run = ~np.isnan(means[0])
    if run.any():
        # Equal scores stay equal however many seeds they were averaged over.
        ranks[:, run] = rankdata(-means[:, run].round(12), axis=1)
    return ranks


def _measures(board: Board, column: Column, percentile: int, generator: np.random.Generator) -> dict[str, np.ndarray]:
    """Of one task, every measure (1 + resamples, rows)."""
    means = resampled(board, column, percentile, generator)
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


def _mean(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Mean over the parts that are numbers (1 + resamples, rows)."""
    stacked = np.stack(parts)
    counts = np.isfinite(stacked).sum(axis=0)
    return np.where(counts, np.nansum(stacked, axis=0) / np.maximum(counts, 1), np.nan)


def _values(board: Board, drawn: np.ndarray, columns: Sequence[Column]) -> list[Value | None]:
    found: list[Value | None] = []
    for i, row in enumerate(board.rows):
        entries = [board.entry(row, column) for column in columns]
        value = float(drawn[0, i])
        if not np.isfinite(value):
            found.append(None)
            continue
        low, high = np.nanquantile(drawn[1:, i], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        if max(len(entry.done) for entry in entries) < 2:
            low = high = np.nan
        tasks = sum(bool(entry.cells) for entry in entries)
        found.append(Value(Estimate(value, float(low), float(high)), tasks, len(entries)))
    return found
