"""COMs' loss and dual ascent against a straightforward calculation."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from bbo.baselines.coms import COMs, ConservativeLoss
from bbo.surrogates.networks import MLP, Ensemble
from bbo.surrogates.sharpness import Unregularised
from bbo.surrogates.training import Batch, objective
from bbo.testing.methods import SPACES, make_problem

pytestmark = pytest.mark.numerics


@pytest.fixture
def setting():
    generator = torch.Generator().manual_seed(0)
    network = MLP(3, (8,), generator, activation="relu")
    ensemble = Ensemble.of([network])
    batch = Batch(torch.randn(1, 16, 3, generator=generator), torch.randn(1, 16, generator=generator), torch.ones(1, 16))
    return network, ensemble, batch


def test_loss_and_its_gradient(setting):
    network, ensemble, batch = setting
    loss = ConservativeLoss(5, 0.3, 0.5, torch.full((1,), math.log(0.1)), 0.01)
    params = {name: p.clone().requires_grad_() for name, p in ensemble.params.items()}
    value, gradients = Unregularised().gradients(objective(ensemble, params, batch, loss), params)

    x = batch.x[0].clone()
    for _ in range(5):
        x.requires_grad_()
        x = (x + 0.3 * torch.autograd.grad(network(x).sum(), x)[0]).detach()
    here, there = network(batch.x[0])[:, 0], network(x)[:, 0]
    wanted = (here - batch.y[0]).square().mean() + 0.1 * (there - here).mean()
    assert there.mean() > here.mean()
    assert_close(value[0], wanted.detach())
    for (name, p), g in zip(network.named_parameters(), torch.autograd.grad(wanted, list(network.parameters())), strict=True):
        assert p.shape == gradients[name][0].shape
        assert_close(gradients[name][0], g)


@pytest.mark.parametrize(("limit", "rises"), [(-100.0, True), (100.0, False)])
def test_the_penalty_rises_only_while_the_network_overestimates(setting, limit, rises):
    _, ensemble, batch = setting
    loss = ConservativeLoss(5, 0.3, limit, torch.full((1,), math.log(0.1)), 0.01)
    loss(ensemble, batch)
    loss(ensemble, batch)
    (first, _), (second, _) = (entry[:, 0].tolist() for entry in loss.trace)
    assert first == pytest.approx(0.1)
    assert second == pytest.approx(0.1 * math.exp(0.01 if rises else -0.01), rel=1e-4)


def test_sequences_enter_as_raw_logits_and_boxes_as_z_scores():
    method = COMs(**COMs.presets["smoke"])
    for name, raw in (("sequence", True), ("box", False)):
        problem = make_problem(SPACES[name], 8)
        seen = method.view(problem)
        assert torch.equal(seen.x, problem.space.codec(problem.device).encode(problem.x) if raw else problem.encoded().x)
        assert torch.equal(seen.y, problem.encoded().y)


def test_its_surrogate_predicts_z_scored_sequences_as_the_network_sees_them(monkeypatch):
    """`bbo diagnose` asks with z-scored designs, the network reads logits."""
    problem = make_problem(SPACES["sequence"], 8)
    method = COMs(**COMs.presets["smoke"])
    fitted, _ = method.train(problem)
    monkeypatch.setattr(COMs, "train", lambda self, problem: (fitted, None))
    predicted, _ = method.surrogate(problem).predict(problem.encoded().x)
    assert_close(predicted, fitted.ensemble.mean(method.view(problem).x)[0], rtol=1e-4, atol=1e-5)


def test_training_holds_the_overestimation_near_its_limit():
    """With a quick dual step the penalty settles where the ascent gains about tau."""
    problem = make_problem(SPACES["box"], 8)
    settings = {"hidden": 32, "learning_rate": 3e-3, "epochs": 80, "batch_size": 256, "penalty_rate": 0.1, "steps": 10}
    _, loss = COMs(**settings, limit_box=0.5).train(problem)
    excess = torch.stack(loss.trace)[-30:, 1].mean()
    assert 0.2 < excess < 0.8
