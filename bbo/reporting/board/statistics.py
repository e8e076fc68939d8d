"""Statistics of scores: aggregates with intervals, comparisons of methods, groups without significant difference.

`runs` is a method's scores, one array (..., n_t) a task with its n_t seeds; leading axes are bootstrap resamples. Aggregates,
intervals, probability of improvement and performance profiles are those of Agarwal et al., "Deep Reinforcement Learning at the
Edge of the Statistical Precipice" (NeurIPS 2021, and its library rliable); ranks, Friedman and Nemenyi tests those of Demšar,
"Statistical Comparisons of Classifiers over Multiple Data Sets" (JMLR 2006). Float64 throughout. All randomness comes from a
generator handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import stats

Runs = Sequence[np.ndarray]
LEVEL = 0.95
RESAMPLES = 2000
#: Seeds a side below which no statement is made about two methods: with two or three, a t test has almost no power.
FEWEST_SEEDS = 4
#: Tasks below which no bootstrap over tasks is made.
FEWEST_TASKS = 5


@dataclass(frozen=True)
class Estimate:
    """A value and its interval."""

    value: float
    low: float
    high: float


def mean(runs: Runs) -> np.ndarray:
    """Mean over tasks of the mean over seeds (...,)."""
    return np.mean([r.mean(axis=-1) for r in runs], axis=0)


def median(runs: Runs) -> np.ndarray:
    """Median over tasks of the mean over seeds (...,), as in rliable."""
    return np.median([r.mean(axis=-1) for r in runs], axis=0)


def interquartile_mean(runs: Runs) -> np.ndarray:
    """Mean of the middle half of all runs of all tasks together (...,)."""
    return np.asarray(stats.trim_mean(np.concatenate(runs, axis=-1), 0.25, axis=-1))


def deviation(runs: Runs) -> np.ndarray:
    """Mean over tasks of the standard deviation (ddof 0) over seeds (...,)."""
    return np.mean([r.std(axis=-1) for r in runs], axis=0)


def resample(runs: Runs, generator: np.random.Generator, resamples: int = RESAMPLES) -> list[np.ndarray]:
    """Stratified bootstrap: each task's seeds drawn with replacement on their own, (n_t,) to (resamples, n_t)."""
    return [r[generator.integers(0, len(r), (resamples, len(r)))] for r in runs]


def bootstrap(
    runs: Runs,
    statistic: Callable[[Runs], np.ndarray],
    generator: np.random.Generator,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> Estimate:
    """A statistic with its stratified bootstrap interval (percentile method); no interval (NaN) where no task has two seeds."""
    if max(len(r) for r in runs) < 2:
        return Estimate(float(statistic(runs)), np.nan, np.nan)
    drawn = statistic(resample(runs, generator, resamples))
    return _estimate(float(statistic(runs)), drawn, level)


def _estimate(value: float, drawn: np.ndarray, level: float) -> Estimate:
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, float(low), float(high))


def improvement(x: Runs, y: Runs) -> np.ndarray:
    """Probability that a run of `x` beats one of `y` on the same task, ties counted half, averaged over tasks (...,)."""
    shares = []
    for a, b in zip(x, y, strict=True):
        difference = np.sign(a[..., :, None] - b[..., None, :])
        shares.append(0.5 + difference.mean(axis=(-1, -2)) / 2)
    return np.mean(shares, axis=0)


def probability_of_improvement(
    x: Runs, y: Runs, generator: np.random.Generator, resamples: int = RESAMPLES, level: float = LEVEL
) -> Estimate:
    """`improvement` with its stratified bootstrap interval, both methods resampled; NaN where no task has two seeds."""
    if max(len(r) for r in (*x, *y)) < 2:
        return Estimate(float(improvement(x, y)), np.nan, np.nan)
    drawn = improvement(resample(x, generator, resamples), resample(y, generator, resamples))
    return _estimate(float(improvement(x, y)), drawn, level)


def performance_profile(runs: Runs, thresholds: np.ndarray) -> np.ndarray:
    """Share of runs with a score above each threshold (k,), averaged over tasks: (..., k)."""
    return np.mean([(r[..., :, None] > thresholds).mean(axis=-2) for r in runs], axis=0)


def profile_band(
    runs: Runs, thresholds: np.ndarray, generator: np.random.Generator, resamples: int = RESAMPLES, level: float = LEVEL
) -> tuple[np.ndarray, np.ndarray]:
    """Pointwise stratified bootstrap band (k,), (k,) of `performance_profile`.

    The profile is linear in how often each run was drawn, so a resample is a row of counts and no scores are copied.
    """
    drawn = np.zeros((resamples, len(thresholds)))
    for r in runs:
        counts = generator.multinomial(len(r), np.full(len(r), 1 / len(r)), resamples)
        drawn += counts @ (r[:, None] > thresholds).astype(np.float64) / (len(r) * len(runs))
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def paired_difference(
    x: Runs, y: Runs, generator: np.random.Generator, resamples: int = RESAMPLES, level: float = LEVEL
) -> Estimate:
    """Mean over tasks of the seed-wise differences x - y (same seeds in the same order), with its bootstrap interval."""
    return bootstrap([a - b for a, b in zip(x, y, strict=True)], mean, generator, resamples, level)


def difference(x: np.ndarray, y: np.ndarray, paired: bool, level: float = LEVEL) -> Estimate:
    """Difference of means x - y with its interval: Student's t of the pairs (same seeds in the same order), else Welch's.

    The interval is NaN with fewer than two seeds on a side; without any spread it is the difference itself.
    """
    value = float(x.mean() - y.mean())
    if min(len(x), len(y)) < 2:
        return Estimate(value, np.nan, np.nan)
    parts = [(x - y).var(ddof=1) / len(x)] if paired else [x.var(ddof=1) / len(x), y.var(ddof=1) / len(y)]
    sizes = [len(x)] if paired else [len(x), len(y)]
    variance = sum(parts)
    if variance == 0:
        return Estimate(value, value, value)
    freedom = variance**2 / sum(v**2 / (n - 1) for v, n in zip(parts, sizes, strict=True))
    half = float(stats.t.ppf((1 + level) / 2, freedom) * np.sqrt(variance))
    return Estimate(value, value - half, value + half)


def told_apart(x: np.ndarray, y: np.ndarray, level: float = LEVEL) -> bool:
    """Whether zero lies outside Welch's interval of the difference of means of two sets of seeds (n,), (m,).

    With fewer than two seeds on a side no test is possible, and the answer is no.
    """
    found = difference(x, y, paired=False, level=level)
    return bool(found.low > 0 or found.high < 0)


def above_chance(scores: np.ndarray, chance: float) -> np.ndarray:
    """(score - chance) / (1 - chance): 0 at the level of random designs, 1 at the normaliser; NaN where chance is at 1."""
    return (scores - chance) / (1 - chance) if chance < 1 else np.full_like(scores, np.nan)


def friedman(ranks: np.ndarray) -> float:
    """P value of the Friedman test that all methods are alike; `ranks` (tasks, methods), or scores, at least 2 tasks.

    With two methods this is its normal form, the sign test's chi square; 1 if all methods tie on every task.
    """
    tasks, methods = ranks.shape
    ranked = stats.rankdata(ranks, axis=1)
    if methods < 2 or np.ptp(ranked, axis=1).max() == 0:
        return 1.0
    if methods > 2:
        return float(stats.friedmanchisquare(*ranked.T).pvalue)
    sums = ranked.sum(axis=0)
    ties = sum(float(np.ptp(row) == 0) for row in ranked)
    statistic = (12 / (tasks * 6) * (sums**2).sum() - 3 * tasks * 3) / (1 - ties * 6 / (tasks * 6))
    return float(stats.chi2.sf(statistic, 1))


def critical_difference(methods: int, tasks: int, level: float = LEVEL) -> float:
    """Nemenyi's critical difference of mean ranks."""
    q = stats.studentized_range.ppf(level, methods, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(methods * (methods + 1) / (6 * tasks)))


def nemenyi(ranks: np.ndarray) -> np.ndarray:
    """Pairwise p values (methods, methods) of Nemenyi's test on ranks (tasks, methods)."""
    tasks, methods = ranks.shape
    means = ranks.mean(axis=0)
    scale = np.sqrt(methods * (methods + 1) / (6 * tasks))
    q = np.abs(means[:, None] - means) / scale * np.sqrt(2)
    p = stats.studentized_range.sf(q, methods, np.inf)
    np.fill_diagonal(p, 1.0)
    return np.asarray(p)


def holm_wilcoxon(scores: np.ndarray) -> np.ndarray:
    """Pairwise p values (methods, methods) of Wilcoxon's signed-rank test on scores (tasks, methods), corrected by Holm."""
    methods = scores.shape[1]
    pairs = list(combinations(range(methods), 2))
    raw = [1.0 if (scores[:, i] == scores[:, j]).all() else stats.wilcoxon(scores[:, i], scores[:, j]).pvalue for i, j in pairs]
    p = np.ones((methods, methods))
    for (i, j), value in zip(pairs, holm(np.array(raw)), strict=True):
        p[i, j] = p[j, i] = value
    return p


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's step-down correction of p values (k,)."""
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def bootstrap_of_ranks(ranks: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Pairwise p values (methods, methods) of the mean ranks, from a bootstrap of tasks and seeds; not corrected for their number.

    `ranks` (tasks, n, methods) are those of n resamples of the seeds. For each of the n the tasks are drawn with replacement too, and
    p is twice the smaller share of draws in which one method of a pair has the better mean rank, ties counted half.
    """
    tasks, n, methods = ranks.shape
    weights = generator.multinomial(tasks, np.full(tasks, 1 / tasks), n) / tasks
    means = np.einsum("nt,tnm->nm", weights, ranks).round(12)
    p = np.ones((methods, methods))
    for i in range(methods):
        better = (0.5 + np.sign(means - means[:, i : i + 1]) / 2).mean(axis=0)
        p[i] = np.minimum(1.0, 2 * np.minimum(better, 1 - better))
    return p


def groups(mean_ranks: np.ndarray, p: np.ndarray, level: float = LEVEL) -> list[list[int]]:
    """Largest runs of methods, in order of their mean rank, within which no two differ significantly; they may overlap."""
    order = np.argsort(mean_ranks, kind="stable")
    alike = p[np.ix_(order, order)] >= 1 - level
    found: list[list[int]] = []
    reached = 0
    for start in range(len(order)):
        end = start + 1
        while end < len(order) and alike[start : end + 1, end].all():
            end += 1
        if end > reached:
            found.append([int(i) for i in order[start:end]])
            reached = end
    return found
