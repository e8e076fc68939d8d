"""The source critic, its weight by the dual problem against a calculation on the whole grid, and the regularised objective."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from bbo.search.source_critic import GRID, Critic, Weighed, dual_weight

pytestmark = pytest.mark.numerics


@pytest.fixture
def setting():
    generator = torch.Generator().manual_seed(0)
    critic = Critic(3, 0.5, 1e-2, generator)
    data, away = torch.randn(64, 3, generator=generator), torch.randn(64, 3, generator=generator) + 3
    critic.fit(data, away, 300)
    return critic, data, away, torch.randn(200, 3, generator=generator)


def value(z):
    return -(z - 1).square().sum(1)


def test_the_critic_prefers_the_data_and_its_weights_are_bounded(setting):
    critic, data, away, _ = setting
    assert critic(data).mean() > critic(away).mean() + 0.1
    assert all(p.abs().max() <= 0.5 for p in critic.network.parameters())
    assert critic.distance(data, away).mean() > 0.1 > critic.distance(data, data).mean().abs()


@pytest.mark.parametrize("threshold", [0.3, 1.0, 5.0])
def test_the_weight_is_that_of_the_whole_grid(setting, threshold):
    critic, data, _, prior = setting
    z = prior.clone().requires_grad_()
    g = torch.autograd.grad(value(z).sum(), z)[0]
    c = torch.autograd.grad(critic(z).sum(), z)[0]
    best, wanted = -torch.inf, 0.0
    for a in torch.linspace(0, 1, GRID):
        lengths = ((a - 1) * g - a * c).norm(dim=1)
        place = lengths.argmin()
        if lengths[place] < threshold:
            dual = (a - 1) * value(z)[place] + a * (critic(data).mean() - critic(z)[place])
            if dual > best:
                best, wanted = dual, a
    assert_close(dual_weight(value, critic, data, prior, threshold), torch.as_tensor(wanted))


def test_without_a_flat_code_the_weight_is_zero(setting):
    critic, data, _, prior = setting
    assert dual_weight(lambda z: 1e6 * z.sum(1), critic, data, prior, 1e-12) == 0


def test_the_objective_takes_off_only_what_is_liked_less_than_the_data(setting):
    critic, data, away, _ = setting
    z = torch.cat([data, away])
    found = Weighed(value, critic, data, torch.tensor(0.25))(z)
    assert_close(found, 0.75 * value(z) - 0.25 * F.relu(critic(data).mean() - critic(z)).detach())
