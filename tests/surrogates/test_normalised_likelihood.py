"""NEMO's conditional normalised likelihood: Laplace's rule on two bins, what the data decide, the discretised logistic."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from bbo.surrogates.networks import Ensemble
from bbo.surrogates.normalised_likelihood import Bins, Models, expected

pytestmark = pytest.mark.numerics

TWO = Bins.between(torch.tensor(-1.0), torch.tensor(1.0), 2, 0.5)


class Constant(nn.Module):
    """Predicts one number for every design."""

    def __init__(self, slope=0.0):
        super().__init__()
        self.level = nn.Parameter(torch.zeros(1))
        self.register_buffer("slope", torch.tensor(slope))

    def forward(self, x):
        return self.level + self.slope * x[:, :1]


def test_bins_and_their_chances():
    bins = Bins.between(torch.tensor(0.0), torch.tensor(4.0), 4, 0.25)
    assert_close(bins.values, torch.tensor([0.5, 1.5, 2.5, 3.5]))
    assert bins.of(torch.tensor([-5.0, 0.5, 1.0, 2.7, 4.0, 9.0])).tolist() == [0, 0, 1, 2, 3, 3]
    mean = torch.tensor([[-3.0], [2.2], [40.0]]).expand(3, 4)
    chance = bins.log_chance(mean, torch.arange(4).expand(3, 4)).exp()
    assert_close(chance.sum(1), torch.ones(3))
    assert chance.argmax(1).tolist() == [0, 2, 3]
    cdf = torch.sigmoid((torch.tensor([1.0, 2.0, 3.0]) - 2.2) / 0.25)
    assert_close(chance[1], torch.diff(cdf, prepend=torch.zeros(1), append=torch.ones(1)))


def test_bins_of_equal_scores_have_chances():
    bins = Bins.between(torch.tensor(2.0), torch.tensor(2.0), 4, 0.5)
    chance = bins.log_chance(torch.full((4,), 2.0), torch.arange(4)).exp()
    assert chance.isfinite().all() and chance.sum() == pytest.approx(1)


def test_a_far_mean_still_has_a_slope():
    mean = torch.tensor([60.0]).requires_grad_()
    bins = Bins.between(torch.tensor(0.0), torch.tensor(4.0), 4, 0.25)
    (slope,) = torch.autograd.grad(bins.log_chance(mean, torch.tensor([0])).sum(), mean)
    assert_close(slope, torch.tensor([-4.0]))


@pytest.mark.parametrize("ones", [1, 3])
def test_two_bins_give_laplaces_rule(ones):
    """Of 4 rows some lie in the upper bin, and models cannot tell designs apart.

    The model that believes the query to be in bin k then gives it (n_k + 1) / (n + 1), and normalised (n_k + 1) / (n + 2).
    """
    y = torch.tensor([-1.0] * (4 - ones) + [1.0] * ones)
    models = Models(Ensemble.of([Constant()]), TWO, lr=0.02, follow=1.0, rows=1.0)
    for _ in range(500):
        models.step(torch.zeros(4, 1), y, torch.zeros(3, 1))
    chances, value = expected(TWO, models.network.mean(torch.zeros(3, 1)))
    assert_close(chances[:, 1], torch.full((3,), (ones + 1) / 6), atol=2e-3, rtol=0)
    assert_close(value, chances @ torch.tensor([-0.5, 0.5]))
    single = TWO.log_chance(models.network.mean(torch.zeros(1, 1))[1], torch.tensor([1])).exp()
    assert_close(single[0], torch.tensor((ones + 1) / 5), atol=2e-3, rtol=0)


def test_without_belief_the_models_stay_equal_and_chances_are_the_networks():
    models = Models(Ensemble.of([Constant()]), TWO, lr=0.02, follow=0.5, rows=0.0)
    for _ in range(300):
        models.step(torch.zeros(4, 1), torch.tensor([-1.0, -1.0, -1.0, 1.0]), torch.zeros(1, 1))
    chances, _ = expected(TWO, models.network.mean(torch.zeros(1, 1)))
    assert_close(models.params["level"][0], models.params["level"][1])
    assert_close(chances[0, 1], torch.tensor(0.25), atol=2e-3, rtol=0)


def test_averages_follow_slowly():
    models = Models(Ensemble.of([Constant()]), TWO, lr=0.1, follow=0.25, rows=1.0)
    models.step(torch.zeros(1, 1), torch.ones(1), torch.zeros(1, 1))
    assert_close(models.average["level"], 0.25 * models.params["level"].detach())
    assert models.params["level"].abs().max() > 0.05
