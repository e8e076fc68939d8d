"""Actions between visible designs, densities, split layers, the critics' loss, and that a policy learns which coordinates to move."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch.distributions import Normal, TanhTransform, TransformedDistribution
from torch.nn import functional as F
from torch.testing import assert_close

from bbo.search.step_policy import ActorCritic, Stack, StepPolicy, Transitions, trajectories

pytestmark = pytest.mark.numerics


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def test_an_action_leads_from_one_design_to_the_next_along_the_gradient():
    x = torch.tensor([[0.0, 0.0, 0.0, 0.0], [1.0, -3.0, 100.0, 2.0]])
    slope = torch.tensor([[0.5, -1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
    data = Transitions(x, torch.tensor([0.0, 2.0]), slope, torch.tensor([[0, 1]]))
    action = data.actions(torch.tensor([0]), torch.tensor([1]))
    assert_close(action, torch.tensor([[0.2, 0.3, 0.0, 0.0]]))
    assert_close(x[:1, :2] + Transitions.REACH * action[:, :2] * slope[:1, :2], x[1:, :2])


def test_transitions_follow_trajectories_and_end_with_them(generator):
    x = torch.arange(30.0)[:, None]
    rows = trajectories(30, 7, 5, generator, torch.device("cpu"))
    assert rows.shape == (7, 6)
    assert all(len(set(row)) == 6 for row in rows.tolist())
    data = Transitions(x, x[:, 0] ** 2, torch.ones(30, 1), rows)
    state, _, reward, after, end = data.batch(500, generator)
    assert_close(reward, after[:, 0] ** 2 - state[:, 0] ** 2)
    steps = {(a, b): place == 4 for row in rows.tolist() for place, (a, b) in enumerate(itertools.pairwise(row))}
    assert all(
        steps[int(a), int(b)] == bool(e) for a, b, e in zip(state[:, 0].tolist(), after[:, 0].tolist(), end.tolist(), strict=True)
    )
    assert 0.1 < end.mean() < 0.3
    assert trajectories(4, 2, 50, generator, torch.device("cpu")).shape == (2, 4)


def test_the_states_share_of_the_first_layer_serves_all_its_actions(generator):
    stack = Stack(2, 3, 2, 8, 1, generator)
    state, action = torch.randn(5, 3, generator=generator), torch.randn(5, 4, 2, generator=generator)
    for member in range(2):
        for a in range(4):
            both = torch.cat([state, action[:, a]], dim=1)
            first = torch.cat([stack.of_state[member], stack.of_action[member]])
            hidden = F.relu(both @ first + stack.shift[member])
            hidden = F.relu(hidden @ stack.middle[member] + stack.middle_shift[member])
            assert_close(stack(state, action)[member, :, a], hidden @ stack.out[member] + stack.out_shift[member])


def test_densities_are_those_of_a_squashed_gaussian(generator):
    policy = StepPolicy(3, 8, generator)
    state = torch.randn(6, 3, generator=generator)
    action, density = policy.draw(state, 5, generator)
    mean, log_std = policy(state)
    wanted = TransformedDistribution(Normal(mean[:, None], log_std[:, None].exp()), TanhTransform(cache_size=1))
    assert_close(density, wanted.log_prob(action).sum(-1), rtol=1e-3, atol=1e-3)
    assert (policy.best(state).abs() < 1).all()


def test_the_critics_loss_against_the_published_order(generator):
    policy, critics, targets = StepPolicy(2, 8, generator), Stack(2, 2, 2, 8, 1, generator), Stack(2, 2, 2, 8, 1, generator)
    state, after, action = (torch.randn(6, 2, generator=generator) for _ in range(3))
    reward, end = torch.randn(6, generator=generator), torch.tensor([0, 1, 0, 0, 1, 0.0])
    settings = ActorCritic(discount=0.9, caution=5.0, draws=3)
    before = generator.get_state()
    found = settings.critic_loss(policy, critics, targets, (state, action, reward, after, end), generator)
    generator.set_state(before)
    following, _ = policy.draw(after, 1, generator)
    random = 2 * torch.rand(6, 3, 2, generator=generator) - 1
    here, log_here = policy.draw(state, 3, generator)
    there, log_there = policy.draw(after, 3, generator)
    target = reward + (1 - end) * 0.9 * targets(after, following).amin(0)[:, 0, 0]
    wanted = 0
    for member in range(2):
        known = critics(state, action[:, None])[member, :, 0, 0]
        parts = [
            critics(state, random)[member, ..., 0] - math.log(0.5**2),
            critics(state, there)[member, ..., 0] - log_there,
            critics(state, here)[member, ..., 0] - log_here,
        ]
        wanted += F.mse_loss(known, target) + 5.0 * (torch.cat(parts, dim=1).logsumexp(1) - known).mean()
    assert_close(found, wanted)


def test_a_policy_learns_which_coordinate_pays(generator):
    """The score is the first coordinate and the gradient 1 everywhere: long steps in it gain, steps in the other do not matter."""
    x = torch.rand(200, 2, generator=generator) * 8
    data = Transitions(x, x[:, 0], torch.ones_like(x), trajectories(200, 50, 20, generator, torch.device("cpu")))
    learnt = []
    settings = ActorCritic(hidden=32, batch_size=128, learning_rate=5e-3, discount=0.0, caution=0.1, draws=2)
    settings.train(data, 250, generator, lambda _, policy: learnt.append(policy))
    step = learnt[-1].best(x).mean(0)
    assert step[0] > 0.3
    assert step[0] > 2 * step[1].abs()
