"""DDOM as a whole: guidance moves designs towards high scores; what it records."""

import pytest
import torch

from bbo.baselines.ddom import DDOM
from bbo.generative.diffusion import guided
from bbo.testing.methods import SPACES, make_problem

pytestmark = pytest.mark.numerics

SMALL = {"prior_hidden": 64, "prior_epochs": 150, "sampling_steps": 50}


def score(problem, designs):
    """The made-up score without its ripples."""
    low, high = (torch.tensor(bound) for bound in (problem.space.low, problem.space.high))
    return -((designs - low) / (high - low) - 0.6).square().sum(1)


def designs(**changes):
    problem = make_problem(SPACES["box"], 128)
    return problem, DDOM(**SMALL | changes).propose(problem)


def test_conditioned_designs_are_better_than_unconditional_ones():
    problem, asked = designs(guidance=2.0)
    _, free = designs(guidance=-1.0)
    assert score(problem, asked).mean() > score(problem, free).mean() + 0.05
    assert problem.privileged_used == []


def test_with_guidance_minus_1_the_condition_does_not_matter(monkeypatch):
    """The unconditional score: another best score gives the same designs."""
    found = []
    for factor in (1.0, 5.0):
        monkeypatch.setattr("bbo.baselines.ddom.guided", scaled(factor))
        found.append(designs(guidance=-1.0, prior_epochs=2)[1])
    assert torch.equal(*found)


def scaled(factor):
    return lambda network, y, strength: guided(network, factor * y, strength)


@pytest.mark.parametrize("sampler", ["heun", "euler", "released"])
def test_every_sampler_runs(sampler):
    problem, found = designs(sampler=sampler, prior_epochs=2, sampling_steps=5)
    problem.space.check(found.numpy())
    assert len(problem.notes["prior_loss"]) == 2


def test_published_settings():
    paper = DDOM(**DDOM.presets["paper"])
    assert (paper.prior_hidden, paper.prior_epochs, paper.prior_learning_rate, paper.hide) == (1024, 1000, 1e-3, 0.15)
    assert (paper.beta_min, paper.beta_max, paper.sampling_steps, paper.guidance) == (0.01, 2.0, 1000, 2.0)
    assert (paper.prior_batch, DDOM(**DDOM.presets["fast"]).prior_batch) == (256, 128)
