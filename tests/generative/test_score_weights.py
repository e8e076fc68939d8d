"""Weights by score: against a straightforward calculation in NumPy, and what they are for."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from bbo.generative.score_weights import distance_temperature, drawn, edge_weights, histogram_weights, rank_weights

pytestmark = pytest.mark.numerics


@pytest.fixture
def y():
    return torch.as_tensor(np.random.default_rng(0).gamma(2.0, size=3000), dtype=torch.float32)


def by_hand(y, temperature):
    """Model inversion networks' weights, row by row."""
    y = y.numpy().astype(np.float64)
    counts, edges = np.histogram(y, bins=20)
    share = counts / len(y)
    target = np.exp((edges[1:] - edges[-1]) / temperature)
    target = target / target.sum() * share / (share + 1e-3)
    target /= target.sum() + 1e-7
    found = []
    for value in y:
        bin = max(i for i in range(20) if value >= edges[i])
        found.append(min(target[bin] / (share[bin] + 1e-7), 5.0))
    return found


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_against_a_loop(y, temperature):
    assert_close(
        histogram_weights(y, temperature), torch.tensor(by_hand(y, temperature), dtype=torch.float32), rtol=1e-5, atol=1e-6
    )


def test_better_rows_weigh_more_and_none_more_than_the_limit(y):
    weight = histogram_weights(y, 0.5)
    assert weight[y > y.quantile(0.9)].mean() > 10 * weight[y < y.quantile(0.5)].mean()
    assert weight.max() == 5.0
    assert histogram_weights(y, 0.5, limit=50.0).max() > 5.0


def test_temperature_is_the_distance_from_the_quantile_to_the_best(y):
    assert_close(distance_temperature(y, 0.9), (y.max() - y.double().quantile(0.9)), check_dtype=False)
    assert distance_temperature(torch.ones(20), 0.9) == 1e-3


def test_edge_weights_are_linear_in_the_score(y):
    weight = edge_weights(y)
    assert weight.min() == pytest.approx(0.1)
    assert weight.max() == pytest.approx(1.1)
    assert np.corrcoef(weight, y)[0, 1] > 0.99


def test_equal_scores_give_equal_finite_weights():
    for weight in (histogram_weights(torch.ones(50), 0.1), edge_weights(torch.ones(50))):
        assert torch.isfinite(weight).all()
        assert weight.unique().numel() == 1


def test_the_best_row_weighs_most():
    weight = rank_weights(torch.tensor([1.0, 3.0, 2.0]), 0.1)
    torch.testing.assert_close(weight, 1 / torch.tensor([2.3, 0.3, 1.3]))


def test_rows_are_drawn_by_their_weights():
    weight = torch.tensor([1.0, 0.0, 3.0])
    rows = drawn(weight, 4000, torch.Generator().manual_seed(0))
    share = torch.bincount(rows, minlength=3) / len(rows)
    assert (share - weight / 4).abs().max() < 0.03
    assert share[1] == 0


def test_rows_without_any_weight_are_drawn_alike():
    share = torch.bincount(drawn(torch.zeros(4), 4000, torch.Generator().manual_seed(0)), minlength=4) / 4000
    assert (share - 0.25).abs().max() < 0.03
