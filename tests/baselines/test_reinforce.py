"""REINFORCE's gradient on known cases, and the policies' starts."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from bbo.baselines.reinforce import Reinforce, first_logits
from bbo.search.policy import GaussianPolicy, LetterPolicy, standardised
from bbo.space import Sequence
from bbo.surrogates.gaussian_ensemble import mean_of
from bbo.testing.methods import SPACES, make_problem

pytestmark = pytest.mark.numerics


def test_gradient_of_letters_is_that_of_the_log_probability():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 4, generator=generator)
    logits[1, 3] = -torch.inf
    policy = LetterPolicy()
    designs = policy.sample(logits, 50, generator)
    assert designs[:, 1].max() < 3
    weight = torch.randn(50, generator=generator)
    leaf = logits.clone().requires_grad_()
    log = leaf.log_softmax(1).expand(50, -1, -1).gather(2, designs[:, :, None])[..., 0].sum(1)
    wanted = torch.autograd.grad((weight * log).mean(), leaf)[0]
    assert_close(policy.gradient(logits, designs, weight), wanted)


def test_gradient_of_a_normal_policy_is_that_of_the_log_density():
    generator = torch.Generator().manual_seed(0)
    mean, policy = torch.randn(3, generator=generator), GaussianPolicy(0.1)
    designs = policy.sample(mean, 50, generator)
    weight = torch.randn(50, generator=generator)
    leaf = mean.clone().requires_grad_()
    log = torch.distributions.Normal(leaf, 0.1).log_prob(designs).sum(1)
    assert_close(policy.gradient(mean, designs, weight), torch.autograd.grad((weight * log).mean(), leaf)[0], rtol=1e-4, atol=1e-4)


def test_the_sampled_gradient_of_a_linear_reward_is_its_slope():
    generator = torch.Generator().manual_seed(0)
    slope, mean, policy = torch.tensor([1.0, -2.0, 0.5]), torch.zeros(3), GaussianPolicy(0.1)
    designs = policy.sample(mean, 200_000, generator)
    assert_close(policy.gradient(mean, designs, designs @ slope), slope, rtol=0, atol=0.03)


def test_rewards_are_standardised_and_equal_ones_move_nothing():
    assert_close(standardised(torch.tensor([1.0, 3.0])), torch.tensor([-1.0, 1.0]))
    assert standardised(torch.full((4,), 2.0)).abs().max() == 0


def test_the_policy_starts_at_the_letters_of_the_best_designs():
    logits = first_logits(Sequence((3, 2)), torch.tensor([[0, 1], [0, 1], [1, 1], [0, 1]]))
    assert_close(logits.exp(), torch.tensor([[0.75, 0.25, 0.001], [0.001, 1.0, 0.0]]))
    assert logits[1, 2] == -math.inf


@pytest.mark.parametrize("space", ["box", "sequence"])
def test_training_raises_what_the_networks_predict(space):
    ensemble = Reinforce(**Reinforce.presets["smoke"]).train(make_problem(SPACES[space], 64), letters=True).ensemble
    predicted = {}
    for steps in (0, 60):
        problem = make_problem(SPACES[space], 64)
        designs = Reinforce(**Reinforce.presets["smoke"] | {"iterations": steps, "rate": 0.1}).propose(problem)
        seen = designs if space == "sequence" else problem.encoded().encode(designs)
        predicted[steps] = mean_of(ensemble, seen).mean()
    assert predicted[60] > predicted[0]


def test_published_settings():
    paper, on_hopper = (Reinforce(**Reinforce.presets[name]) for name in ("paper", "paper:hopper"))
    assert (paper.iterations, paper.batch_box, paper.batch_sequence, paper.deviation) == (200, 2048, 256, 0.1)
    assert (paper.rate, on_hopper.rate) == (0.01, 0.1)
