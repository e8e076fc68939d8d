"""Statistics against rliable's figures, scipy, scikit-posthocs, exact enumeration and hand-made cases; identities by hypothesis."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import scikit_posthocs
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from bbo.reporting.board import statistics as s

#: Runs x tasks, and what rliable 1.2.0 says of them (`metrics.aggregate_*`, `metrics.probability_of_improvement`).
X = [[0.6, 0.66, 0.545, 0.422], [0.509, 0.402, 0.612, 0.868], [0.502, 0.476, 0.698, 0.671], [0.621, 0.414, 0.594, 0.739],
     [0.331, 0.508, 0.22, 0.342]]  # fmt: skip
Y = [[0.6, 0.66, 0.545, 0.422], [0.531, 0.463, -0.003, 0.392], [0.49, 0.523, 0.194, 0.404], [0.304, 0.338, 0.712, 0.338],
     [0.493, 0.677, 0.383, 0.478], [0.522, 0.513, 0.255, 0.515]]  # fmt: skip


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def runs_of(table) -> list[np.ndarray]:
    return list(np.array(table).T)


# Quarters: sums and differences of them are exact, so that ties stay ties under the maps of the identities below.
quarters = st.integers(-8, 8).map(lambda n: n / 4)
score_tables = st.tuples(st.integers(2, 8), st.integers(3, 5)).flatmap(lambda shape: arrays(np.float64, shape, elements=quarters))


def test_aggregates_are_rliables() -> None:
    x, y = runs_of(X), runs_of(Y)
    assert s.interquartile_mean(x) == pytest.approx(0.5389)
    assert s.median(x) == pytest.approx(0.5232)
    assert s.mean(x) == pytest.approx(0.5367)
    assert s.improvement(x, y) == pytest.approx(0.6083333333333334)


def test_profile_counts_runs_above_each_threshold() -> None:
    x = runs_of(X)
    thresholds = np.array([0.2, 0.5, 0.6, 0.9])
    # Counted in X by eye; 0.6 itself is not above 0.6.
    np.testing.assert_allclose(s.performance_profile(x, thresholds), [1.0, 13 / 20, 7 / 20, 0.0])


@pytest.mark.parametrize(("tasks", "seeds"), [(1, 4), (2, 4), (8, 4), (8, 8)])
def test_intervals_hold_the_true_value_as_often_as_they_say(tasks, seeds) -> None:
    """Of normal scores with the same mean: 95% in the long run, here 1000 paired differences and 300 bootstraps of each kind."""
    generator = rng()
    draws = [([generator.normal(size=seeds) for _ in range(tasks)], [np.zeros(seeds)] * tasks) for _ in range(1000)]

    def share(found) -> float:
        return np.mean([e.low <= 0 <= e.high for e in found])

    assert 0.93 <= share(s.paired_difference(x, y) for x, y in draws) <= 0.97
    assert 0.91 <= share(s.bootstrap(x, s.mean, generator, resamples=300) for x, _ in draws[:300]) <= 0.99


def test_three_seeds_have_no_interval() -> None:
    few, enough = [np.arange(3.0)], [np.arange(4.0)]
    for found in (
        s.bootstrap(few, s.mean, rng()),
        s.probability_of_improvement(enough, few, rng()),
        s.paired_difference(few, few),
        s.difference(enough[0], few[0], paired=False),
    ):
        assert np.isfinite(found.value) and np.isnan([found.low, found.high]).all()
    assert np.isnan(s.profile_band(few, np.array([0.5]), rng())).all()


def test_bootstrap_interval_is_the_exact_one_widened_to_students() -> None:
    """All 4^4 x 4^4 resamples of two tasks enumerated, against many drawn ones."""
    runs = [np.array([0.1, 0.5, 0.6, 0.8]), np.array([0.2, 0.3, 0.7, 0.9])]
    sums = [np.array([sum(draw) for draw in product(r, repeat=4)]) / 4 for r in runs]
    found = s.bootstrap(runs, s.mean, rng(), resamples=200_000)
    assert found.value == pytest.approx((0.5 + 0.525) / 2)
    ends = np.quantile(np.add.outer(*sums) / 2, [0.025, 0.975])
    # The variance of resamples is 3 / 4 of the unbiased one; 4 - 1 + 4 - 1 degrees of freedom.
    wider = np.sqrt(4 / 3) * stats.t.ppf(0.975, 6) / stats.norm.ppf(0.975)
    low, high = found.value + wider * (ends - found.value)
    assert (found.low, found.high) == (pytest.approx(low, abs=0.01), pytest.approx(high, abs=0.01))


def test_the_interval_of_improvement_is_that_of_drawn_seeds_widened() -> None:
    """Two methods with two seeds at 0 and two at 1 on six tasks: a task's share is 1/2 + (k_x - k_y) / 8, k the draws of a 1 of four."""
    runs = [np.array([0.0, 0.0, 1.0, 1.0])] * 6
    found = s.probability_of_improvement(runs, runs, rng())
    # k has variance 1, a share 1/32, the mean of six 1/192.
    half = 1.96 / 192**0.5 * s.widening([4] * 12)
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.5 - half, 0.5 + half), abs=0.02)


def test_bootstrap_of_one_task_is_scipys_widened() -> None:
    data = np.array(X).ravel()
    ours = s.bootstrap([data], s.interquartile_mean, rng(), resamples=20_000)
    theirs = stats.bootstrap(
        (data,), lambda z, axis: stats.trim_mean(z, 0.25, axis=axis), method="percentile", n_resamples=20_000, rng=rng()
    ).confidence_interval
    low, high = ours.value + s.widening([20]) * (np.array(theirs) - ours.value)
    assert (ours.low, ours.high) == (pytest.approx(low, abs=0.005), pytest.approx(high, abs=0.005))


def test_the_generator_decides() -> None:
    x = runs_of(X)
    assert s.bootstrap(x, s.mean, rng()) == s.bootstrap(x, s.mean, rng())
    assert s.bootstrap(x, s.mean, rng()) != s.bootstrap(x, s.mean, np.random.default_rng(1))


def test_profile_band_is_that_of_resampled_runs() -> None:
    x, thresholds = runs_of(X), np.linspace(0, 1, 7)
    low, high = s.profile_band(x, thresholds, rng(), resamples=20_000)
    drawn = s.performance_profile(s.resample(x, rng(), 20_000), thresholds)
    profile = s.performance_profile(x, thresholds)
    wider = profile + s.widening([5] * 4) * (np.quantile(drawn, [0.025, 0.975], axis=0) - profile)
    np.testing.assert_allclose([low, high], np.clip(wider, 0, 1), atol=0.051 * s.widening([5] * 4))
    assert (low <= profile).all()


def test_seeds_may_differ_in_number_between_tasks() -> None:
    runs = [np.array([0.0, 0.0, 1.0, 1.0]), np.full(5, 0.5)]
    assert s.mean(runs) == 0.5
    found = s.bootstrap(runs, s.mean, rng())
    # A resample of the first task is 0 or 1 with a chance of 1 / 16 each.
    half = 0.25 * s.widening([4, 5])
    assert found == s.Estimate(0.5, pytest.approx(0.5 - half), pytest.approx(0.5 + half))
    assert np.isnan(s.bootstrap([*runs, np.array([0.5])], s.mean, rng()).low)


def test_the_interquartile_mean_counts_each_task_once() -> None:
    """Eight seeds at 0.9 and one at 0.1: of the middle half a half is each."""
    assert s.interquartile_mean([np.full(8, 0.9), np.array([0.1])]) == pytest.approx(0.5)
    # Weights 1, 1, 1 and 3: a quarter of their sum, rounded down to 1, is left out at both ends.
    assert s.interquartile_mean([np.array([0.1, 0.2, 0.3]), np.array([0.9])]) == pytest.approx((0.2 + 0.3 + 2 * 0.9) / 4)


def test_paired_difference_sees_what_unpaired_spread_hides() -> None:
    seeds = np.linspace(0, 1, 8)
    found = s.paired_difference([seeds + 0.01], [seeds])
    assert found == s.Estimate(pytest.approx(0.01), pytest.approx(0.01), pytest.approx(0.01))


def test_friedman_is_scipys_with_ties() -> None:
    scores = np.array(Y)[:, :4].round(1)
    assert s.friedman(scores) == pytest.approx(stats.friedmanchisquare(*scores.T).pvalue)


def test_friedman_of_two_methods_is_the_sign_test() -> None:
    # 6 wins of 8: chi square (6 - 2)^2 / 8 = 2.
    scores = np.array([[1, 0]] * 6 + [[0, 1]] * 2 + [[1, 1]] * 3)
    assert s.friedman(scores) == pytest.approx(stats.chi2.sf(2, 1))


def test_nemenyi_and_holm_are_those_of_scikit_posthocs() -> None:
    scores = np.array(X + Y)
    ours = s.nemenyi(stats.rankdata(-scores, axis=1))
    np.testing.assert_allclose(ours, scikit_posthocs.posthoc_nemenyi_friedman(scores).to_numpy(), atol=1e-8)
    long = scores.T
    np.testing.assert_allclose(s.holm_wilcoxon(scores), scikit_posthocs.posthoc_wilcoxon(list(long), p_adjust="holm"), atol=1e-12)


def test_critical_difference_is_demsars() -> None:
    """Section 3.2.2 of the paper: 4 methods, 14 data sets, q 2.569, CD 1.25."""
    assert s.critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)


def test_groups_overlap_and_hold_only_methods_that_cannot_be_told_apart() -> None:
    apart = np.ones((4, 4))
    apart[0, 2] = apart[2, 0] = apart[0, 3] = apart[3, 0] = apart[1, 3] = apart[3, 1] = 0.01
    assert s.groups(np.array([1.0, 2.0, 3.0, 4.0]), apart) == [[0, 1], [1, 2], [2, 3]]
    # The same methods in another order of the arrays.
    order = np.array([2, 0, 3, 1])
    assert s.groups(np.array([3.0, 1.0, 4.0, 2.0]), apart[np.ix_(order, order)]) == [[1, 3], [3, 0], [0, 2]]
    assert s.groups(np.array([1.0, 2.0]), np.zeros((2, 2))) == [[0], [1]]


@pytest.mark.parametrize(
    ("x", "y", "apart"),
    [
        ([0.9, 0.91, 0.9, 0.92], [0.5, 0.51, 0.52, 0.5], True),
        ([0.9, 0.5, 0.7, 0.6], [0.5, 0.8, 0.7, 0.6], False),
        ([0.4] * 4, [0.4] * 4, False),
        ([0.4] * 4, [0.5] * 4, True),
        # Equal scores, whose means differ by rounding alone.
        ([0.1] * 4, [0.1] * 6, False),
        ([0.9, 0.91, 0.9], [0.5, 0.51, 0.52, 0.5], False),
        ([0.9], [0.1], False),
    ],
)
def test_told_apart(x, y, apart) -> None:
    assert s.told_apart(np.array(x), np.array(y)) is apart
    assert s.told_apart(np.array(y), np.array(x)) is apart


def test_above_chance() -> None:
    np.testing.assert_allclose(s.above_chance(np.array([0.8, 0.9, 1.0, 0.6]), 0.8), [0, 0.5, 1, -1])
    assert np.isnan(s.above_chance(np.array([1.0]), 1.0)).all()


@given(score_tables, st.integers(0, 2**32 - 1))
def test_methods_in_another_order_get_the_same_answers(table, seed) -> None:
    order = np.random.default_rng(seed).permutation(table.shape[1])
    ranks = stats.rankdata(-table, axis=1)
    assert s.friedman(ranks[:, order]) == pytest.approx(s.friedman(ranks))
    np.testing.assert_allclose(s.nemenyi(ranks[:, order]), s.nemenyi(ranks)[np.ix_(order, order)], atol=1e-12)


@given(score_tables, st.sampled_from([0.5, 2.0, 4.0]), quarters)
def test_affine_maps_of_scores(table, scale, shift) -> None:
    """Tests and probabilities do not see them; aggregates follow them."""
    runs, mapped = list(table.T), list(scale * table.T + shift)
    for statistic in (s.mean, s.median, s.interquartile_mean):
        assert statistic(mapped) == pytest.approx(scale * statistic(runs) + shift)
    assert s.improvement(mapped[:1], mapped[1:2]) == s.improvement(runs[:1], runs[1:2])
    assert s.friedman(scale * table + shift) == pytest.approx(s.friedman(table))
    assert s.told_apart(mapped[0], mapped[1]) == s.told_apart(runs[0], runs[1])
    thresholds = np.array([-1.0, 0.0, 0.5])
    np.testing.assert_array_equal(
        s.performance_profile(mapped, scale * thresholds + shift), s.performance_profile(runs, thresholds)
    )


@given(score_tables)
def test_improvement_of_two_methods_sums_to_one(table) -> None:
    x, y = list(table.T[:1]), list(table.T[1:2])
    assert s.improvement(x, y) + s.improvement(y, x) == pytest.approx(1)
    assert s.improvement(x, x) == pytest.approx(0.5)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_lowers_and_keeps_the_order(p) -> None:
    raw = np.array(p)
    corrected = s.holm(raw)
    assert (corrected >= raw).all()
    assert (np.diff(corrected[np.argsort(raw, kind="stable")]) >= 0).all()
    assert corrected.min() == pytest.approx(min(1, raw.min() * len(p)))


def test_bootstrap_of_ranks_counts_how_often_each_is_ahead() -> None:
    """Of three tasks one method wins two: it is behind in the draws that hold the third task at least twice, 7 of 27."""
    ranks = np.array([[1.0, 2.0], [1.0, 2.0], [2.0, 1.0]])
    found = s.bootstrap_of_ranks(np.repeat(ranks[:, None], 20_000, axis=1), rng())
    assert found[0, 1] == pytest.approx(2 * 7 / 27, abs=0.02)
    assert found[1, 0] == pytest.approx(found[0, 1])
    assert np.diag(found).tolist() == [1.0, 1.0]
    always = s.bootstrap_of_ranks(np.repeat(ranks[:2, None], 100, axis=1), rng())
    assert always[0, 1] == 0
    tied = s.bootstrap_of_ranks(np.full((2, 100, 2), 1.5), rng())
    assert tied[0, 1] == 1
