"""Validation by extrapolation: what is fitted, what is ranked, and which models are chosen."""

from __future__ import annotations

import torch

from bbo.surrogates.extrapolation import choose, gain, kernel_gains, splits
from bbo.surrogates.quadratic_kernel import QuadraticScales
from bbo.surrogates.transforms import normal_ranks, z_scores


def test_no_row_that_is_fitted_is_ranked_and_the_upper_part_is_never_fitted():
    y = torch.rand(500, generator=torch.Generator().manual_seed(0))
    for quantile, part in zip((0.5, 0.8), splits(y, (0.5, 0.8), 1000, torch.Generator().manual_seed(1)), strict=True):
        assert not set(part.train.tolist()) & set(part.test.tolist())
        assert y[part.train].max() <= y.quantile(quantile)
        assert (y[part.test] > y.quantile(quantile)).sum() == round(500 * (1 - quantile))


def test_a_table_of_equal_scores_can_be_split():
    (part,) = splits(torch.zeros(20), (0.5,), 100, torch.Generator().manual_seed(0))
    assert len(part.train) == 8
    assert len(part.test) == 12


def test_gain_is_one_for_the_truth_and_zero_for_a_choice_as_good_as_the_mean():
    y = torch.arange(100.0)
    assert gain(y, y) == 1
    assert gain(y.remainder(10), y).abs() < 0.2
    assert gain(-y, y) == -1


def test_models_beyond_noise_of_the_plain_one_are_averaged():
    noise = 0.01 * torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    gains = torch.tensor([0.5, 0.9, 0.1, 0.7]) + noise
    assert choose(gains, 2).tolist() == [1, 3]
    assert choose(gains, 1).tolist() == [1]
    assert choose(gains, 3, plain=1).tolist() == [1]


def test_a_model_that_is_better_only_by_chance_does_not_replace_the_plain_one():
    gains = torch.tensor([[0.5, 0.9], [0.5, 0.2], [0.5, 0.5]])
    assert choose(gains, 1).tolist() == [0]


def test_equally_good_models_seldom_replace_the_plain_one():
    """Twelve models that differ by noise alone: at a level of 5% the plain one is replaced in 5% of the tables or fewer."""
    generator = torch.Generator().manual_seed(0)
    tables = torch.randn(1000, 8, 12, generator=generator, dtype=torch.float64)
    assert 0.01 < sum(choose(gains, 3, level=0.05).tolist() != [0] for gains in tables) / len(tables) < 0.06
    assert choose(tables[0, :1], 3, level=0.05).tolist() == [0], "one split cannot tell"


def test_validation_prefers_a_trend_on_an_additive_bowl_in_many_dimensions():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(600, 30, generator=generator)
    y = -(x - 1).square().sum(1)
    kernels = [QuadraticScales(15.0, 4.0, 0.5, 0.03, trend) for trend in (0.0, 0.5)]
    found = kernel_gains(x, y, kernels, [z_scores], splits(y, (0.5, 0.7), 300, generator)).mean(0)[:, 0]
    assert found[1] > found[0] + 0.02


def test_validation_prefers_ranks_where_few_scores_are_huge():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(600, 3, generator=generator)
    y = (6 * x[:, 0] + x[:, 1]).exp()
    kernel = QuadraticScales(5.0, 2.0, 0.8, 0.03)
    plain, ranks = kernel_gains(x, y, [kernel], [z_scores, normal_ranks], splits(y, (0.5, 0.7), 300, generator)).mean(0)[0]
    assert ranks > plain


def test_a_kernel_that_cannot_be_factorised_is_last():
    x = torch.zeros(50, 2)
    broken, sound = QuadraticScales(1.0, 1.0, 0.5, -5.0), QuadraticScales(1.0, 1.0, 0.5, 0.1)
    y = torch.arange(50.0)
    found = kernel_gains(x, y, [broken, sound], [z_scores], splits(y, (0.5,), 30, torch.Generator().manual_seed(0)))
    assert found[0, 0] == -1
    assert found[0, 1] > -1
