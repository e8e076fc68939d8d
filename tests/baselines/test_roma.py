"""RoMA: the adaptation makes the surrogate flatter where it is asked; adversarial weights raise the loss; both by plain loops."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from bbo.baselines import roma
from bbo.baselines.roma import Adaptation, AdversarialWeights, NoisyLikelihood, RoMA
from bbo.surrogates import losses
from bbo.surrogates.networks import MLP, Ensemble
from bbo.surrogates.sharpness import Unregularised
from bbo.surrogates.training import Batch, objective
from bbo.testing.methods import SPACES, make_problem

pytestmark = pytest.mark.numerics


def network(seed=0):
    return MLP(3, (16, 16), torch.Generator().manual_seed(seed), activation="softplus", gaussian=True)


def designs(n=20):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(n, 3, generator=generator), torch.randn(n, generator=generator)


def test_the_adaptation_makes_the_surrogate_smoother_and_keeps_its_values():
    problem = make_problem(SPACES["box"], 16)
    method = RoMA(hidden=32, epochs=30, learning_rate=1e-2, perturb_steps=0)
    data, rows = problem.encoded(), problem.starts()
    adaptation = Adaptation(method.train(problem).ensemble, data.x[rows], data.y[rows], 5e-2, 100, 1.0, 4.0)
    before = adaptation.first
    adaptation.y = before
    adapted = adaptation.adapt(data.x[rows])
    first, last = adaptation.smoothness[0]
    assert last < first
    assert (adaptation.predict(adapted, data.x[rows])[:, 0] - before).abs().mean() < 0.2


def test_the_adaptation_by_a_plain_loop():
    """Weights after three steps, and the gradient of the search, as the authors' loop over variables gives them."""
    x, y = designs()
    model, origin = network(), network()
    start = x + 0.1
    adaptation = Adaptation(Ensemble.of([network()]), start, y, 0.1, 3, 0.5, 4.0)
    found = adaptation(x)
    for _ in range(3):
        at = x.clone().requires_grad_()
        outputs = model(at)
        slope = torch.autograd.grad(outputs[:, 0].sum(), at, create_graph=True)[0]
        normal = torch.distributions.Normal(outputs[:, 0], outputs[:, 1].exp())
        loss = slope.norm(dim=1).mean() - 0.5 * normal.log_prob(y).mean()
        weights = list(model.parameters())
        for w, w0, g in zip(weights, origin.parameters(), torch.autograd.grad(loss, weights, materialize_grads=True), strict=True):
            if len(w) > 1:
                w.data -= 0.1 / 3 * w0.detach().norm() / (g.norm() + 1e-6) * g
    for name, w in model.named_parameters():
        assert_close(adaptation.adapted[name], w.detach(), rtol=1e-4, atol=1e-6)
    at = x.clone().requires_grad_()
    value = model(at)[:, 0]
    height = value - (value - origin(start)[:, 0].detach()).square() / 8
    assert_close(found, torch.autograd.grad(height.sum(), at)[0], rtol=1e-4, atol=1e-6)


def test_the_next_adaptation_holds_on_to_the_value_predicted_last():
    x, y = designs()
    adaptation = Adaptation(Ensemble.of([network()]), x, y, 0.1, 2, 1.0, 4.0)
    adaptation(x)
    weights = adaptation.adapted
    adaptation(x + 1)
    assert_close(adaptation.y, adaptation.predict(weights, x + 1)[:, 0].detach())


def test_adversarial_weights_by_a_plain_loop():
    x, y = designs(32)
    model = network()
    # Biases start at zero and would not move.
    for p in model.parameters():
        p.data += 0.1
    ensemble = Ensemble.of([copy.deepcopy(model)])
    params = {name: p.clone().requires_grad_() for name, p in ensemble.params.items()}
    batch = Batch(x[None], y[None], torch.ones(1, 32))
    rule = AdversarialWeights(Unregularised(), 0.5, 4)
    loss, gradients = rule.gradients(objective(ensemble, params, batch, losses.nll), params)

    def nll():
        outputs = model(x)
        return -torch.distributions.Normal(outputs[:, 0], outputs[:, 1].exp()).log_prob(y).mean()

    before, weights = nll(), list(model.parameters())
    origin = [w.detach().clone() for w in weights]
    for _ in range(4):
        for w, w0, g in zip(weights, origin, torch.autograd.grad(nll(), weights), strict=True):
            if len(w) > 1:
                w.data += 0.5 / 4 * w0.norm() / g.norm() * g
    worst = nll()
    assert worst > before
    assert_close(loss[0], worst.detach(), rtol=1e-4, atol=1e-4)
    for (name, _), g in zip(model.named_parameters(), torch.autograd.grad(worst, weights), strict=True):
        assert_close(gradients[name][0], g * min(1, 1 / g.norm().item()), rtol=1e-3, atol=1e-5)


def test_noise_is_drawn_once_a_batch():
    x, y = designs()
    ensemble = Ensemble.of([network()])
    batch = Batch(x[None], y[None], torch.ones(1, 20))
    loss = NoisyLikelihood(0.2, torch.Generator().manual_seed(0))
    first, second = loss(ensemble, batch), loss(ensemble, batch)
    assert torch.equal(first(ensemble(batch.x), ensemble), first(ensemble(batch.x), ensemble))
    assert not torch.equal(first(ensemble(batch.x), ensemble), second(ensemble(batch.x), ensemble))


def test_the_method_trains_at_adversarial_weights_on_noisy_designs_and_adapts_before_every_step(monkeypatch):
    trainings, searches, fit, climb = [], [], roma.fit, roma.adam_from

    def trained(network, x, y, plan, loss, generators, regulariser, **more):
        trainings.append((loss, regulariser))
        return fit(network, x, y, plan, loss, generators, regulariser, **more)

    def watched(problem, gradient, x, *more):
        searches.append((gradient, x))
        return climb(problem, gradient, x, *more)

    monkeypatch.setattr(roma, "fit", trained)
    monkeypatch.setattr(roma, "adam_from", watched)
    settings = {"noise": 0.3, "adapt_rate": 0.02, "perturb_steps": 3, "adapt_steps": 4, "alpha": 0.7, "region": 2.0, "steps": 2}
    problem = make_problem(SPACES["box"], 8)
    RoMA(**RoMA.presets["smoke"] | settings).propose(problem)
    ((loss, regulariser),), ((adaptation, x),) = trainings, searches
    assert isinstance(loss, NoisyLikelihood) and loss.noise == 0.3
    assert isinstance(regulariser, AdversarialWeights) and (regulariser.rate, regulariser.steps) == (0.02, 3)
    assert isinstance(adaptation, Adaptation) and torch.equal(adaptation.start, x)
    assert (adaptation.rate, adaptation.steps, adaptation.alpha, adaptation.region) == (0.02, 4, 0.7, 2.0)
    assert len(adaptation.smoothness) == 2  # once for each step of the search
    assert not torch.equal(adaptation.adapted["layers.0.weight"], adaptation.origin["layers.0.weight"])


def test_a_narrow_trust_region_keeps_values_near_the_start():
    """The search climbs, and the less the narrower the region."""
    gains = []
    for region in (0.05, 100.0):
        problem = make_problem(SPACES["box"], 16)
        method = replace(RoMA(**RoMA.presets["smoke"]), max_updates=100, region=region, steps=40, step_size=0.05)
        data, rows = problem.encoded(), problem.starts()
        found = method.propose(problem)
        ensemble = method.train(make_problem(SPACES["box"], 16)).ensemble
        gains.append((ensemble.mean(data.encode(found)) - ensemble.mean(data.x[rows])).mean())
    assert gains[1] > gains[0]


def test_published_settings():
    paper = {task: RoMA(**RoMA.presets[task]) for task in ("paper", "paper:superconductor", "paper:dkitty", "paper:hopper")}
    assert [(m.epochs, m.adapt_rate, m.step_size) for m in paper.values()] == [
        (100, 5e-3, 3e-3),
        (50, 5e-4, 3e-3),
        (50, 5e-3, 3e-3),
        (200, 5e-3, 2e-3),
    ]
