"""BOSS: the sensitivity of a linear model by hand, its gradient by autograd, and perturbations that go where they hurt."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from bbo.errors import BBOError
from bbo.surrogates import losses
from bbo.surrogates.networks import MLP, Ensemble
from bbo.surrogates.sharpness import PUBLISHED, Boss, Objective, SharpnessSettings, Unregularised
from bbo.surrogates.training import Batch, objective

pytestmark = pytest.mark.numerics


def linear(x, weights):
    """A linear model's objective without a loss of its own: G = mean of x w + c."""

    def level(params):
        return (x @ params["w"][..., None]).mean((1, 2)) + params["c"][:, 0]

    return Objective(lambda params: (0 * level(params), level(params)), level), {
        name: value.clone().requires_grad_() for name, value in weights.items()
    }


def test_sensitivity_of_a_linear_model():
    """grad G = (mean x, 1) and H = 0, so S = sum of mean x + 1; R and its gradient -2 R grad G / G follow by hand."""
    x = torch.tensor([[[1.0, 2.0], [3.0, 0.0]]], dtype=torch.float64)
    target, params = linear(x, {"w": torch.tensor([[1.0, -0.5]]).double(), "c": torch.tensor([[0.3]]).double()})
    level, total = 2.0 - 0.5 + 0.3, 2.0 + 1.0 + 1.0
    boss = Boss(torch.full((1,), 1e-3, dtype=torch.float64), 1.0, 0.1, 0.0)
    gamma = 1e-3 * boss.normal
    wanted = ((gamma * total / (0.1 * level)) ** 2).mean()
    assert (gamma * total).abs().max() < 0.1 * level
    loss, gradient = boss.gradients(target, params)
    assert_close(loss[0], wanted)
    assert_close(gradient["w"][0], -2 * wanted / level * torch.tensor([2.0, 1.0]).double())
    assert_close(gradient["c"][0, 0], -2 * wanted / level)
    assert boss.epoch()["sensitivity"] == pytest.approx([wanted.item()])


def test_what_moves_the_prediction_too_far_counts_as_one_and_has_no_gradient():
    x = torch.tensor([[[1.0, 2.0]]], dtype=torch.float64)
    target, params = linear(x, {"w": torch.tensor([[1.0, -0.5]]).double(), "c": torch.zeros(1, 1).double()})
    assert target.level(params).item() == 0
    loss, gradient = Boss(torch.full((1,), 1e-3, dtype=torch.float64), 0.7, 0.1, 0.0).gradients(target, params)
    assert_close(loss, torch.tensor([0.7], dtype=torch.float64))
    assert all((g == 0).all() for g in gradient.values())


@pytest.fixture
def setting():
    """Two tanh networks in float64 with a batch, and its objective."""
    generators = [torch.Generator().manual_seed(seed) for seed in range(2)]
    ensemble = Ensemble.of([MLP(4, (8, 8), g, activation="tanh", gaussian=True).double() for g in generators])
    x, y = torch.randn(2, 32, 4, generator=generators[0]).double(), torch.randn(2, 32, generator=generators[0]).double()
    params = {name: p.clone().requires_grad_() for name, p in ensemble.params.items()}
    return objective(ensemble, params, Batch(x, y, torch.ones_like(y)), losses.nll), params


def test_the_gradient_is_that_of_the_loss_with_the_penalty(setting):
    target, params = setting
    boss = Boss(torch.full((2,), 3e-3, dtype=torch.float64), 0.5, 0.1, 0.0)
    loss, gradient = boss.gradients(target, params)
    own, level = target.loss_and_level(params)
    slope = torch.autograd.grad(level.sum(), list(params.values()), create_graph=True, materialize_grads=True)
    total = torch.stack([s.flatten(1).sum(1) for s in slope]).sum(0)
    moves = (3e-3 * boss.normal * total[:, None] / (0.1 * level[:, None])).square()
    assert 0 < (moves < 1).sum() < moves.numel()
    wanted = own + 0.5 * moves.clamp(max=1).mean(1)
    assert_close(loss, wanted.detach())
    by_autograd = torch.autograd.grad(wanted.sum(), list(params.values()), materialize_grads=True)
    for name, g in zip(params, by_autograd, strict=True):
        assert_close(gradient[name], g)


def test_without_weight_it_trains_as_usual(setting):
    target, params = setting
    _, plain = Unregularised().gradients(target, params)
    _, found = Boss(torch.full((2,), 1e-3, dtype=torch.float64), 0.0, 0.1, 0.01).gradients(target, params)
    for name in params:
        assert_close(found[name], plain[name])


def test_perturbations_grow_towards_what_hurts_and_stay_within_their_bounds(setting):
    target, params = setting
    boss = Boss(torch.full((2,), 1e-3, dtype=torch.float64), 1.0, 0.1, 0.01)
    boss.gradients(target, params)
    boss.epoch()
    boss.gradients(target, params)
    assert all(std > 1e-3 for std in boss.epoch()["gamma_std"])
    for _ in range(10):
        boss.gradients(target, params)
    assert (boss.deviation <= 10e-3).all()
    assert (boss.mean.abs() < 1e-9).all(), "a perturbation and its opposite hurt alike, so the mean stays"


@pytest.mark.parametrize(("rate", "reached"), [(1e-2, (1e-5, 1e-3)), (1e3, (1e-3, 1e-3))])
def test_the_mean_moves_to_the_side_that_hurts_and_stays_within_its_bound(rate, reached):
    rho = 1e-3
    boss = Boss(torch.full((2,), rho, dtype=torch.float64), 1.0, 0.1, rate)
    gamma = rho * boss.normal.expand(2, -1)
    boss._worsen(gamma, torch.stack([gamma[0] > rho / 2, gamma[1] < -rho / 2]))
    up, down = boss.mean.tolist()
    assert reached[0] <= up <= reached[1]
    assert down == pytest.approx(-up)


def test_a_share_of_zero_is_refused():
    with pytest.raises(BBOError, match="boss needs sharpness_epsilon above 0"):
        SharpnessSettings("boss", sharpness_rho=0.1)
    assert isinstance(SharpnessSettings("boss", **PUBLISHED["boss"]).regulariser(2, torch.device("cpu")), Boss)
