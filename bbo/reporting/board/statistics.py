"""Statistics of scores: aggregates with intervals, comparisons of methods, groups without significant difference.

`runs` is a method's scores, one array (..., n_t) a task with its n_t seeds; leading axes are bootstrap resamples. Aggregates,
intervals, probability of improvement and performance profiles are those of Agarwal et al., "Deep Reinforcement Learning at the
Edge of the Statistical Precipice" (NeurIPS 2021, and its library rliable); ranks, Friedman and Nemenyi tests those of Demšar,
"Statistical Comparisons of Classifiers over Multiple Data Sets" (JMLR 2006). Float64 throughout. All randomness comes from a
generator handed in.

Intervals of differences of means are Student's t. Those of other statistics come from a bootstrap of the seeds, which by itself is too
narrow: resamples of n seeds have (n - 1) / n of the variance of a mean, and their quantiles are the normal ones. `interval` widens it to
what Student's t gives for a mean, after the expanded percentile interval of Hesterberg, "What Teachers Should Know about the Bootstrap"
(The American Statistician 2015). Where a task has fewer than `FEWEST_SEEDS` seeds there is no interval (NaN).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import stats

Runs = Sequence[np.ndarray]
LEVEL = 0.95
RESAMPLES = 2000
#: Seeds a side below which no interval is given and nothing is said about two methods: two or three say almost nothing of the spread.
FEWEST_SEEDS = 4
#: Scores that differ by less are equal up to rounding.
ROUNDING = 1e-12
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
    """Mean of the middle half of all runs of all tasks together (...,).

    Each task counts once, whatever its number of seeds: every run has a whole weight, inverse to the number of runs of its task. With
    equal numbers this is rliable's figure.
    """
    scores, sizes = np.concatenate(runs, axis=-1), [r.shape[-1] for r in runs]
    order = np.argsort(scores, axis=-1)
    weights = np.repeat(math.lcm(*sizes) // np.array(sizes), sizes)[order]
    reached = weights.cumsum(axis=-1)
    total = math.lcm(*sizes) * len(sizes)
    cut = total // 4
    inside = np.clip(np.minimum(reached, total - cut) - np.maximum(reached - weights, cut), 0, None)
    return np.asarray((np.take_along_axis(scores, order, axis=-1) * inside).sum(axis=-1) / (total - 2 * cut))


def deviation(runs: Runs) -> np.ndarray:
    """Mean over tasks of the standard deviation (ddof 0) over seeds (...,)."""
    return np.mean([r.std(axis=-1) for r in runs], axis=0)


def resample(runs: Runs, generator: np.random.Generator, resamples: int = RESAMPLES) -> list[np.ndarray]:
    """Stratified bootstrap: each task's seeds drawn with replacement on their own, (n_t,) to (resamples, n_t)."""
    return [r[generator.integers(0, len(r), (resamples, len(r)))] for r in runs]


def interval(
    value: float, drawn: np.ndarray, sizes: Sequence[int], level: float = LEVEL, within: tuple[float, float] = (-np.inf, np.inf)
) -> Estimate:
    """A value with the interval of its resamples, widened about it to what Student's t gives for a mean.

    Args:
        value: the statistic of the seeds as they are.
        drawn: the statistic of the resamples (n,); those that are NaN are left out.
        sizes: the numbers of seeds that were resampled, of every task, and of every side if there are two.
        level: how often such intervals hold the true value.
        within: the smallest and the largest possible value.
    """
    if min(sizes) < FEWEST_SEEDS:
        return Estimate(value, np.nan, np.nan)
    ends = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    wider = np.clip(value + widening(sizes, level) * (ends - value), *within)
    # Resamples of ranks need not surround their value; the interval is never inside theirs.
    return Estimate(value, float(min(ends[0], wider[0])), float(max(ends[1], wider[1])))


def widening(sizes: Sequence[int], level: float = LEVEL) -> float:
    """By how much the interval of resamples of these numbers of seeds, at least 2 each, is too narrow; the fewest seeds decide."""
    n, freedom = min(sizes), sum(sizes) - len(sizes)
    return float(np.sqrt(n / (n - 1)) * stats.t.ppf((1 + level) / 2, freedom) / stats.norm.ppf((1 + level) / 2))


def bootstrap(
    runs: Runs,
    statistic: Callable[[Runs], np.ndarray],
    generator: np.random.Generator,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> Estimate:
    """A statistic with the `interval` of its stratified bootstrap."""
    value, sizes = float(statistic(runs)), [len(r) for r in runs]
    return interval(value, statistic(resample(runs, generator, resamples)), sizes, level)


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
    """`improvement` with the `interval` of its stratified bootstrap, both methods resampled."""
    value, sizes = float(improvement(x, y)), [len(r) for r in (*x, *y)]
    drawn = improvement(resample(x, generator, resamples), resample(y, generator, resamples))
    return interval(value, drawn, sizes, level, within=(0, 1))


def performance_profile(runs: Runs, thresholds: np.ndarray) -> np.ndarray:
    """Share of runs with a score above each threshold (k,), averaged over tasks: (..., k)."""
    return np.mean([(r[..., :, None] > thresholds).mean(axis=-2) for r in runs], axis=0)


def profile_band(
    runs: Runs, thresholds: np.ndarray, generator: np.random.Generator, resamples: int = RESAMPLES, level: float = LEVEL
) -> tuple[np.ndarray, np.ndarray]:
    """Pointwise stratified bootstrap band (k,), (k,) of `performance_profile`, widened as an `interval` is.

    The profile is linear in how often each run was drawn, so a resample is a row of counts and no scores are copied.
    """
    sizes, profile = [len(r) for r in runs], performance_profile(runs, thresholds)
    if min(sizes) < FEWEST_SEEDS:
        return np.full_like(profile, np.nan), np.full_like(profile, np.nan)
    drawn = np.zeros((resamples, len(thresholds)))
    for r in runs:
        counts = generator.multinomial(len(r), np.full(len(r), 1 / len(r)), resamples)
        drawn += counts @ (r[:, None] > thresholds).astype(np.float64) / (len(r) * len(runs))
    ends = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    low, high = np.clip(profile + widening(sizes, level) * (ends - profile), 0, 1)
    return low, high


def paired_difference(x: Runs, y: Runs, level: float = LEVEL) -> Estimate:
    """Mean over tasks of the mean seed-wise differences x - y (same seeds in the same order), with its t interval.

    The freedom of the sum over tasks is Satterthwaite's. The interval is NaN where a task has fewer than `FEWEST_SEEDS` seeds.
    """
    differences = [a - b for a, b in zip(x, y, strict=True)]
    return _student(float(mean(differences)), [d / len(differences) for d in differences], level)


def difference(x: np.ndarray, y: np.ndarray, paired: bool, level: float = LEVEL) -> Estimate:
    """Difference of means x - y with its interval: Student's t of the pairs (same seeds in the same order), else Welch's.

    The interval is NaN with fewer than `FEWEST_SEEDS` seeds on a side; without any spread it is the difference itself.
    """
    return _student(float(x.mean() - y.mean()), [x - y] if paired else [x, y], level)


def _student(value: float, samples: Runs, level: float) -> Estimate:
    """A value that is a sum or difference of the samples' means, with its t interval, the freedom by Welch and Satterthwaite."""
    if min(len(s) for s in samples) < FEWEST_SEEDS:
        return Estimate(value, np.nan, np.nan)
    parts = [s.var(ddof=1) / len(s) for s in samples]
    variance = sum(parts)
    if variance < ROUNDING**2:
        value = value if abs(value) >= ROUNDING else 0.0
        return Estimate(value, value, value)
    freedom = variance**2 / sum(v**2 / (len(s) - 1) for v, s in zip(parts, samples, strict=True))
    half = float(stats.t.ppf((1 + level) / 2, freedom) * np.sqrt(variance))
    return Estimate(value, value - half, value + half)


def told_apart(x: np.ndarray, y: np.ndarray, level: float = LEVEL) -> bool:
    """Whether zero lies outside Welch's interval of the difference of means of two sets of seeds (n,), (m,).

    With fewer than `FEWEST_SEEDS` seeds on a side no statement is made, and the answer is no.
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
