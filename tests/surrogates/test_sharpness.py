"""Sharpness regularisers: the penalty's gradient, lambda, and what the classes do with it."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch.testing import assert_close

from bbo.errors import BBOError
from bbo.surrogates import losses, sharpness
from bbo.surrogates.networks import MLP, Ensemble
from bbo.surrogates.sharpness import SAM, Ignite, SharpnessSettings, Unregularised, norm
from bbo.surrogates.training import Batch, objective

pytestmark = pytest.mark.numerics


@pytest.fixture
def setting():
    """Three tanh networks in float64 (smooth, so differences converge), a batch, and its objective."""
    generators = [torch.Generator().manual_seed(seed) for seed in range(3)]
    ensemble = Ensemble.of([MLP(4, (8, 8), g, activation="tanh", gaussian=True).double() for g in generators])
    x, y = torch.randn(3, 32, 4, generator=generators[0]).double(), torch.randn(3, 32, generator=generators[0]).double()
    params = {name: p.clone().requires_grad_() for name, p in ensemble.params.items()}
    return objective(ensemble, params, Batch(x, y, torch.ones_like(y)), losses.nll), params


def slope_of(target, params):
    found = torch.autograd.grad(target.level(params).sum(), list(params.values()), materialize_grads=True)
    return dict(zip(params, found, strict=True))


def test_the_difference_tends_to_the_exact_form_linearly_in_r(setting):
    target, params = setting
    slope = slope_of(target, params)
    exact = sharpness.norm_gradient_exact(target.level, params, slope)
    errors = []
    for r in (1e-2, 1e-3, 1e-4):
        found = sharpness.norm_gradient_difference(target.level, params, slope, r)
        errors.append(norm({name: found[name] - exact[name] for name in params}))
    assert norm(exact).min() > 1e-2
    for coarse, fine in itertools.pairwise(errors):
        assert (fine < 0.2 * coarse).all()
    assert (errors[-1] < 1e-4 * norm(exact)).all()


def test_the_exact_form_is_the_gradient_of_the_norm(setting):
    target, params = setting
    exact = sharpness.norm_gradient_exact(target.level, params, slope_of(target, params))
    found = torch.autograd.grad(target.level(params).sum(), list(params.values()), create_graph=True, materialize_grads=True)
    size = norm(dict(zip(params, found, strict=True)))
    by_autograd = torch.autograd.grad(size.sum(), list(params.values()), materialize_grads=True)
    for name, wanted in zip(params, by_autograd, strict=True):
        assert_close(exact[name], wanted)


def test_r_of_zero_takes_the_exact_form(setting):
    target, params = setting
    weight = torch.full((3,), 0.5, dtype=torch.float64)
    _, exact = Ignite(weight, 0.0, 0.0, 0.2, 0.0).gradients(target, params)
    _, close = Ignite(weight, 0.0, 0.0, 0.2, 1e-6).gradients(target, params)
    _, plain = Unregularised().gradients(target, params)
    for name in params:
        assert_close(exact[name], close[name], rtol=1e-4, atol=1e-6)
    assert any((exact[name] - plain[name]).abs().max() > 1e-3 for name in params)


def test_lambda_follows_the_constraint_and_may_fall_below_zero(setting):
    target, params = setting
    size = norm(slope_of(target, params))
    loose = Ignite(torch.zeros(3, dtype=torch.float64), 0.1, epsilon=10.0, rho=0.05, r=0.05)
    loose.gradients(target, params)
    assert_close(loose.weight, 0.1 * (0.05 * size - 10.0))
    assert (loose.weight < 0).all()
    facts = loose.epoch()
    assert facts["lambda"] == [0.0, 0.0, 0.0]
    assert_close(torch.tensor(facts["slack"]), (10.0 - 0.05 * size).float())
    assert_close(torch.tensor(facts["grad_norm"]), size.float())


def test_ignite2_keeps_lambda(setting):
    target, params = setting
    fixed = SharpnessSettings("ignite2", sharpness_lambda=0.01, sharpness_eta=5.0, sharpness_rho=0.2, sharpness_r=0.2)
    regulariser = fixed.regulariser(3, torch.device("cpu"))
    regulariser.gradients(target, params)
    assert_close(regulariser.weight.float(), torch.full((3,), 0.01))
    assert "slack" not in regulariser.epoch()


def test_sam_takes_the_gradient_at_the_worst_weights_nearby(setting):
    target, params = setting
    loss, found = SAM(0.1).gradients(target, params)
    _, own = Unregularised().gradients(target, params)
    size = norm(own)
    moved = {n: (p.detach() + 0.1 * own[n] / size.view(-1, *[1] * (p.ndim - 1))).requires_grad_() for n, p in params.items()}
    worst, _ = target.loss_and_level(moved)
    assert (worst > loss).all()
    for name, wanted in zip(params, torch.autograd.grad(worst.sum(), list(moved.values())), strict=True):
        assert_close(found[name], wanted)


def test_a_flat_prediction_gives_no_nan():
    ensemble = Ensemble.of([MLP(2, (), torch.Generator().manual_seed(0))])
    params = {name: torch.zeros_like(p).requires_grad_() for name, p in ensemble.params.items()}

    def zero(weights):
        return sum((0 * w).flatten(1).sum(1) for w in weights.values())

    target = sharpness.Objective(lambda weights: (zero(weights), zero(weights)), zero)
    for r in (0.0, 0.1):
        _, found = Ignite(torch.ones(1), 0.1, 0.1, 0.1, r).gradients(target, params)
        assert all(torch.isfinite(g).all() for g in found.values())


def test_a_regulariser_without_a_radius_is_refused():
    with pytest.raises(BBOError, match=r"sharpness_rho above 0.*METHOD\+ignite"):
        SharpnessSettings("ignite")
