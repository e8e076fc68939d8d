"""The standing of each method across a board's tasks: ranks, groups without significant difference, aggregates with intervals."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from scipy import stats

from bbo.reporting.board import families, statistics
from bbo.reporting.board.families import ranked, resampled
from bbo.reporting.board.scores import CHANCE, Board, Column, Row
from bbo.reporting.board.statistics import Estimate

TESTS = ("nemenyi", "holm")


@dataclass(frozen=True)
class Standing:
    """One method across tasks at one percentile.

    Args:
        rank: mean rank over the tasks it was run on; NaN if it was run on none.
        tasks: how many those are.
        group: letters of its groups: two methods that share one are not significantly different; empty for a method that was not
            run on every task of the board, and where no test was possible.
        above_chance: mean over those tasks that give a number, by the rule of `families`: a task on which every seed failed counts with
            its lowest score; NaN without `random`.
        tasks_above_chance: how many those are.
        mean, median, deviation: over tasks of the mean over seeds (deviation: of the standard deviation over seeds; NaN where a
            task has one seed).
        iqm: interquartile mean of all runs, each task counting once, with its stratified bootstrap interval.
        improvement: probability that a run beats one of `random`, with its interval.

    The last five are over the tasks the method fits and need a done seed on each of them; else they are NaN or None.
    """

    rank: float
    tasks: int
    group: str
    above_chance: float
    tasks_above_chance: int
    mean: float = np.nan
    median: float = np.nan
    deviation: float = np.nan
    iqm: Estimate | None = None
    improvement: Estimate | None = None


@dataclass(frozen=True)
class Grouping:
    """The test that made the groups: of the methods that were run on every task of the board, among each other.

    Args:
        p: Friedman's.
        tasks: their number.
        methods: their row numbers.
        ranks: their mean ranks among each other, in the order of `methods`.
        critical_difference: Nemenyi's.
        groups: row numbers of methods that are not significantly different.
    """

    test: str
    p: float
    tasks: int
    methods: tuple[int, ...]
    ranks: tuple[float, ...]
    critical_difference: float
    groups: tuple[tuple[int, ...], ...]

    def __str__(self) -> str:
        names = {"nemenyi": "Nemenyi's test", "holm": "Wilcoxon's signed-rank test with Holm's correction"}
        told = self.p < 1 - statistics.LEVEL
        outcome = f"and then {names[self.test]} at 95%" if told else "which finds no significant difference"
        return (
            f"Groups: Friedman's test of {len(self.methods)} methods, each run on all {self.tasks} tasks (p = {self.p:.3g}), {outcome}; "
            "methods that share a letter are not significantly different."
        )


def runs(board: Board, row: Row, percentile: int, columns: Sequence[Column] | None = None) -> list[np.ndarray] | None:
    """The seeds' scores of every task (of `columns`, or of the board), or None where a task has none."""
    found = [board.entry(row, column).scores(percentile) for column in (board.columns if columns is None else columns)]
    return found if found and all(len(r) for r in found) else None


def grouping(board: Board, percentile: int, test: str = "nemenyi") -> Grouping | None:
    """Groups of the methods that were run on all tasks; None with fewer than two such methods or two tasks.

    The methods are ranked again, only among each other: a rank that counts methods which are not in the test would spread them further
    apart than Nemenyi's critical difference allows for. A method that failed on a task is ranked last there, so that failing does
    not take it out of the test.
    """
    methods = np.flatnonzero(board.was_run.all(axis=1))
    if len(methods) < 2 or len(board.columns) < 2:
        return None
    table = stats.rankdata(board.ranks(percentile)[methods].T, axis=1)
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
        tuple(float(r) for r in table.mean(axis=0)),
        statistics.critical_difference(len(methods), len(board.columns)),
        tuple(tuple(int(methods[i]) for i in group) for group in found),
    )


def second_opinion(board: Board, percentile: int, found: Grouping, generator: np.random.Generator) -> str:
    """How far a bootstrap of the mean ranks agrees with the test that made the groups, in one sentence; empty with too few tasks."""
    if found.tasks < statistics.FEWEST_TASKS:
        return ""
    drawn = [resampled(board, column, percentile, generator)[1:, list(found.methods)] for column in board.columns]
    p = statistics.bootstrap_of_ranks(np.stack([ranked(means) for means in drawn]), generator)
    tally: Counter[tuple[bool, bool]] = Counter()
    for i, j in combinations(range(len(found.methods)), 2):
        together = any(found.methods[i] in group and found.methods[j] in group for group in found.groups)
        tally[not together, bool(p[i, j] < 1 - statistics.LEVEL)] += 1
    return (
        f" Second opinion, a bootstrap of the mean ranks over tasks and seeds (not corrected for the number of pairs): of {tally.total()} "
        f"pairs of methods both distinguish {tally[True, True]}, neither {tally[False, False]}, only the bootstrap {tally[False, True]}, "
        f"only the test {tally[True, False]}."
    )


def _scores(board: Board, percentile: int, methods: np.ndarray) -> np.ndarray:
    """Mean scores (tasks, methods); a failed entry takes its task's lowest mean, 0 where all failed."""
    means = board.means(percentile)[methods].T
    lowest = np.where(np.isfinite(means), means, np.inf).min(axis=1, keepdims=True)
    return np.where(np.isfinite(means), means, np.where(np.isfinite(lowest), lowest, 0.0))


def standings(
    board: Board, percentile: int, generator: np.random.Generator, test: str = "nemenyi", aggregates: bool = True
) -> list[Standing]:
    """The standing of every row, in the board's order; without the `aggregates` of all runs, which take most of the time, on request."""
    found = grouping(board, percentile, test)
    letters = {i: "" for i in range(len(board.rows))}
    for number, group in enumerate(found.groups if found else ()):
        for i in group:
            letters[i] += _letter(number)
    ranks, above = board.mean_ranks(percentile), families.above_chance(board, percentile)
    places = []
    for i, row in enumerate(board.rows):
        counted = above[np.isfinite(above[:, i]), i]
        place = Standing(
            float(ranks[i]),
            sum(bool(board.entry(row, column).cells) for column in board.columns),
            letters[i],
            float(counted.mean()) if len(counted) else np.nan,
            len(counted),
        )
        places.append(_aggregated(place, board, row, percentile, generator) if aggregates else place)
    return places


def _aggregated(place: Standing, board: Board, row: Row, percentile: int, generator: np.random.Generator) -> Standing:
    """The standing with the aggregates of all runs, of a row with a done seed on every task it fits."""
    fitting = [column for column in board.columns if not board.entry(row, column).unsuitable]
    own = runs(board, row, percentile, fitting)
    if own is None:
        return place
    chance = [board.chance(column).scores(percentile) for column in fitting]
    beats = all(len(scores) for scores in chance) and row.method != CHANCE
    return replace(
        place,
        mean=float(statistics.mean(own)),
        median=float(statistics.median(own)),
        deviation=float(statistics.deviation(own)) if all(len(scores) > 1 for scores in own) else np.nan,
        iqm=statistics.bootstrap(own, statistics.interquartile_mean, generator),
        improvement=statistics.probability_of_improvement(own, chance, generator) if beats else None,
    )


def _letter(number: int) -> str:
    return string.ascii_uppercase[number] if number < 26 else f"({number + 1})"
