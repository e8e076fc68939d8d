"""RGD's own parts: the refinement of the proxy, its density, its functional Adam."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy.stats import gaussian_kde
from torch.testing import assert_close

from bbo.baselines import rgd
from bbo.baselines.rgd import RGD, AdamState, Adversarial, disagreement, log_density
from bbo.generative.score_networks import EmbeddedScore
from bbo.testing.methods import SPACES, make_problem

pytestmark = pytest.mark.numerics

SMALL = RGD(**RGD.presets["smoke"])


def test_kernel_density_is_scipys():
    sample = np.random.default_rng(0).normal(size=500)
    at = np.linspace(-3, 3, 7)
    wanted = torch.tensor(np.log(gaussian_kde(sample).evaluate(at) + 1e-9))
    assert_close(log_density(torch.tensor(sample), torch.tensor(at)), wanted)
    large = torch.randn(20_000, generator=torch.Generator().manual_seed(0))
    assert_close(log_density(large, torch.zeros(1)), log_density(large, torch.zeros(1), most=20_000), rtol=1e-2, atol=1e-2)


def test_functional_adam_is_torchs():
    start = torch.randn(5, generator=torch.Generator().manual_seed(0))
    theirs = start.clone().requires_grad_()
    optimiser = torch.optim.Adam([theirs], lr=0.1)
    ours, state = {"w": start}, AdamState.of({"w": start}, 0.1)
    for _ in range(20):
        theirs.grad = 2 * theirs.detach()
        optimiser.step()
        ours, state = state.step(ours, [2 * ours["w"]])
    assert_close(ours["w"], theirs.detach())


def test_the_refinement_pulls_the_proxy_towards_the_diffusion():
    """Where the diffusion finds high labels impossible, descending the term lowers the predicted mean."""
    mean = torch.full((4,), 1.0, requires_grad=True)
    y = 1.0 + 0.15 * torch.randn(4, 200, generator=torch.Generator().manual_seed(0))
    target = torch.distributions.Normal(0.7, 0.15).log_prob(y)

    def term():
        return disagreement(torch.stack([mean, torch.full((4,), 0.15).log()], 1), Adversarial(torch.zeros(4, 1), y, target))

    slope = torch.autograd.grad(term(), mean)[0]
    assert (slope > 0).all()
    agreed = torch.distributions.Normal(1.0, 0.15).log_prob(y)
    weightless = torch.autograd.grad(
        disagreement(torch.stack([mean, torch.full((4,), 0.15).log()], 1), Adversarial(torch.zeros(4, 1), y, agreed)), mean
    )[0]
    assert weightless.abs().max() < 0.2 * slope.min()


def test_refinement_changes_the_proxy_and_alpha_stays_in_bounds():
    problem = make_problem(SPACES["box"], 8)
    method = dataclasses.replace(SMALL, refinement_updates=30, alpha_rate=0.1)
    fitted = method.train_proxy(problem)
    network = EmbeddedScore(4, 16, problem.generator)
    ensemble, alpha = method.refined(problem, fitted, method.adversaries(problem, fitted.ensemble, network))
    assert 0 <= alpha <= method.alpha_max
    x = problem.encoded().x
    assert not torch.allclose(ensemble.mean(x), fitted.ensemble.mean(x))
    assert not any(name.endswith("log_std") for name in fitted.ensemble.params)  # bounds are fixed


def test_the_ascent_ends_where_the_proxy_is_higher():
    problem = make_problem(SPACES["sequence"], 8)
    method = dataclasses.replace(SMALL, ascent_steps=30)
    fitted = method.train_proxy(problem)
    found = method.adversaries(problem, fitted.ensemble, EmbeddedScore(problem.encoded().dim, 16, problem.generator))
    start = problem.encoded().x[problem.best(method.adversarial)]
    assert (fitted.ensemble.mean(found.x) > fitted.ensemble.mean(start)).all()
    assert found.y.shape == found.log_p.shape == (8, 2)
    assert torch.isfinite(found.log_p).all()


@pytest.mark.parametrize("changes", [{"reversed_time": True}, {"strength_rate": 0.0}, {"shuffle": False}])
def test_released_behaviour_is_an_option(changes):
    plain, other = (make_problem(SPACES["box"], 8) for _ in range(2))
    a = SMALL.propose(plain)
    b = dataclasses.replace(SMALL, **changes).propose(other)
    SPACES["box"].check(b.numpy())
    assert not torch.equal(a, b)


@pytest.mark.parametrize("refine", [False, True])
def test_the_refined_proxy_sets_the_strengths(monkeypatch, refine):
    made, guides, refined, train = {}, [], RGD.refined, RGD.train_proxy

    def trained(self, problem):
        made[False] = train(self, problem)
        return made[False]

    def corrected(self, *arguments):
        made[True] = refined(self, *arguments)
        return made[True]

    def sampled(network, schedule, value, noise, y, strength, *more):
        guides.append(value)
        return noise, strength

    monkeypatch.setattr(RGD, "train_proxy", trained)
    monkeypatch.setattr(RGD, "refined", corrected)
    monkeypatch.setattr(rgd, "strengthened", sampled)
    problem = make_problem(SPACES["box"], 8)
    dataclasses.replace(SMALL, refine=refine, refinement_updates=20).propose(problem)
    (value,), x = guides, problem.encoded().x
    before = made[False].ensemble.mean(x)[0]
    assert torch.equal(value(x), made[True][0].mean(x)[0] if refine else before)
    assert torch.allclose(value(x), before, rtol=1e-3) is not refine
