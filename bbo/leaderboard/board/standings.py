"""Where each method stands across the tasks of a board: ranks, groups that cannot be told apart, aggregates with intervals."""

from __future__ import annotations

import string
from dataclasses import dataclass

import numpy as np

from bbo.leaderboard.board import statistics
from bbo.leaderboard.board.metrics import above_chance
from bbo.leaderboard.board.scores import CHANCE, Board, Row
from bbo.leaderboard.board.statistics import Estimate

TESTS = ("nemenyi", "holm")


@dataclass(frozen=True)
class Standing:
    """One method across tasks at one percentile.

    Args:
        rank: mean rank; NaN if nothing was run.
        group: letters of its groups: two methods that share one cannot be told apart; empty where no test was possible.
        above_chance: mean over tasks; NaN without `random`.
        mean, median, deviation: over tasks of the mean over seeds (deviation: of the standard deviation over seeds).
        iqm: interquartile mean of all runs, with its stratified bootstrap interval.
        improvement: probability that a run beats one of `random`, with its interval.

    The last five need a done seed on every task and are NaN or None without.
    """

    rank: float
    group: str
    above_chance: float
    mean: float
    median: float
    deviation: float
    iqm: Estimate | None
    improvement: Estimate | None


@dataclass(frozen=True)
class Grouping:
    """The test that made the groups: Friedman's p, number of tasks, methods and groups as row numbers, Nemenyi's difference."""

    test: str
    p: float
    tasks: int
    methods: tuple[int, ...]
    critical_difference: float
    groups: tuple[tuple[int, ...], ...]

    def __str__(self) -> str:
        names = {"nemenyi": "Nemenyi's test", "holm": "Wilcoxon's signed-rank test with Holm's correction"}
        outcome = "does not tell the methods apart" if self.p >= 1 - statistics.LEVEL else f"then {names[self.test]} at 95%"
        return (
            f"Groups: Friedman's test over {self.tasks} tasks (p = {self.p:.3g}), {outcome}; "
            "methods that share a letter cannot be told apart."
        )


def runs(board: Board, row: Row, percentile: int) -> list[np.ndarray] | None:
    """The seeds' scores of every task, or None where a task has none."""
    found = [board.entry(row, column).scores(percentile) for column in board.columns]
    return found if all(len(r) for r in found) else None


def grouping(board: Board, percentile: int, test: str = "nemenyi") -> Grouping | None:
    """Groups of the methods that were run on all tasks; None with fewer than two such methods or two tasks.

    A method that failed on a task is ranked last there, so that failing does not take it out of the test.
    """
    ranks = board.ranks(percentile)
    methods = np.flatnonzero(np.isfinite(ranks).all(axis=1))
    if len(methods) < 2 or len(board.columns) < 2:
        return None
    table = ranks[methods].T
    p = statistics.friedman(table)
    if p >= 1 - statistics.LEVEL:
        apart = np.ones((len(methods), len(methods)))
    else:
        apart = statistics.nemenyi(table) if test == "nemenyi" else statistics.holm_wilcoxon(_scores(board, percentile, methods))
    found = statistics.groups(table.mean(axis=0), apart)
    return Grouping(
        test,
        p,
        len(board.columns),
        tuple(int(i) for i in methods),
        statistics.critical_difference(len(methods), len(board.columns)),
        tuple(tuple(int(methods[i]) for i in group) for group in found),
    )


def _scores(board: Board, percentile: int, methods: np.ndarray) -> np.ndarray:
    """Mean scores (tasks, methods) that the ranks are made of; a failed entry takes its task's lowest mean, 0 where all failed."""
    means = board.ranked_means(percentile)[methods].T
    lowest = np.where(np.isfinite(means), means, np.inf).min(axis=1, keepdims=True)
    return np.where(np.isfinite(means), means, np.where(np.isfinite(lowest), lowest, 0.0))


def standings(board: Board, percentile: int, generator: np.random.Generator, test: str = "nemenyi") -> list[Standing]:
    """The standing of every row, in the board's order."""
    found = grouping(board, percentile, test)
    letters = {i: "" for i in range(len(board.rows))}
    for number, group in enumerate(found.groups if found else ()):
        for i in group:
            letters[i] += _letter(number)
    chance = next((r for r in (runs(board, row, percentile) for row in board.rows if row.method == CHANCE) if r), None)
    ranks = board.mean_ranks(percentile)
    return [_standing(board, row, percentile, generator, float(ranks[i]), letters[i], chance) for i, row in enumerate(board.rows)]


def _standing(
    board: Board,
    row: Row,
    percentile: int,
    generator: np.random.Generator,
    rank: float,
    group: str,
    chance: list[np.ndarray] | None,
) -> Standing:
    own = runs(board, row, percentile)
    above = [above_chance(board, column, board.entry(row, column), percentile) for column in board.columns]
    means = [a.mean() for a in above if len(a)]
    lifted = float(np.mean(means)) if means else np.nan
    if own is None:
        return Standing(rank, group, lifted, np.nan, np.nan, np.nan, None, None)
    return Standing(
        rank,
        group,
        lifted,
        float(statistics.mean(own)),
        float(statistics.median(own)),
        float(statistics.deviation(own)),
        statistics.bootstrap(own, statistics.interquartile_mean, generator),
        statistics.probability_of_improvement(own, chance, generator) if chance and row.method != CHANCE else None,
    )


def _letter(number: int) -> str:
    return string.ascii_uppercase[number] if number < 26 else f"({number + 1})"
