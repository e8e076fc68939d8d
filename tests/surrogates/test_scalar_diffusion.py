"""SPADE's surrogate: the split network and its chain against the plain ones, neighbours, the support term, the loss."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from bbo.surrogates.networks import Ensemble
from bbo.surrogates.scalar_diffusion import BETA, STEPS, Clipped, Neighbourhood, ScalarDiffusion, SpadeLoss, Support
from bbo.surrogates.sharpness import Objective, Unregularised
from bbo.surrogates.training import Batch, objective

pytestmark = pytest.mark.numerics


@pytest.fixture
def network():
    made = ScalarDiffusion(3, 8, torch.Generator().manual_seed(0), samples=4, chain_steps=5)
    for bias in (made.score.bias, made.fusion.bias, made.middle.bias, made.out.bias, made.time[1].bias):
        torch.nn.init.normal_(bias, generator=torch.Generator().manual_seed(1))  # they start at zero, which would hide them
    return made


def plainly(network, x, y, step):
    """The noise (n,), with everything concatenated: design, score, time."""
    h = F.silu(network.encoder[1](F.silu(network.encoder[0](x))))
    angles = ((step + 0.5) / STEPS)[:, None] * torch.exp(torch.linspace(0, math.log(10_000), 64))
    e = network.time[1](F.silu(network.time[0](torch.cat([angles.sin(), angles.cos()], dim=1))))
    h = F.silu(network.fusion(torch.cat([h, network.score(y[:, None]), e], dim=1)))
    return network.out(F.silu(network.middle(h)))[:, 0]


def test_the_split_network_is_the_plain_one(network):
    generator = torch.Generator().manual_seed(2)
    x, y = torch.randn(6, 3, generator=generator), torch.randn(6, generator=generator)
    step = torch.tensor([0.0, 1, 40, 50, 98, 99])
    rows = torch.cat([x, y[:, None], step[:, None]], dim=1)
    assert_close(network(rows)[:, 0], plainly(network, x, y, step))


def test_samples_are_ddims_from_the_starts(network):
    x = torch.randn(6, 3, generator=torch.Generator().manual_seed(2))
    bars = torch.cumsum(torch.log(1 - torch.linspace(*BETA, STEPS)), 0).exp()
    wanted = []
    for start in network.starts:
        y = start.expand(6)
        steps = torch.linspace(STEPS - 1, 0, 5).long().tolist()
        for now, after in zip(steps, [*steps[1:], None], strict=True):
            noise = plainly(network, x, y, torch.full((6,), float(now)))
            clean = (y - (1 - bars[now]).sqrt() * noise) / (bars[now].sqrt() + 1e-8)
            y = clean if after is None else bars[after].sqrt() * clean + (1 - bars[after]).sqrt() * noise
        wanted.append(y)
    wanted = torch.stack(wanted, dim=1)
    assert_close(network.samples(x), wanted, rtol=1e-4, atol=1e-5)
    assert_close(network(x), torch.stack([wanted.mean(1), wanted.std(1, correction=0)], 1), rtol=1e-4, atol=1e-4)


def test_a_row_is_its_own_first_neighbour():
    x, y = torch.tensor([[0.0], [1.0], [3.0], [10.0]]), torch.tensor([1.0, 2.0, 6.0, 8.0])
    mean, log_r = Neighbourhood(x, y, 2).of(x)
    assert_close(mean, torch.tensor([1.5, 1.5, 4.0, 7.0]))
    assert_close(log_r.exp(), torch.tensor([1.0, 1.0, 2.0, 7.0]))
    mean, _ = Neighbourhood(x, y, 10).of(x[:1])
    assert_close(mean, y.mean()[None])


def test_the_support_term_by_hand():
    """Two units off the data, tau = 0.02 log 2 and the least deviation 0.02 + 0.005 log 2."""
    log_r = torch.tensor(2.0).log()
    support, tau, least = Support(), 0.02 * math.log(2), 0.02 + 0.005 * math.log(2)
    penalty = support.penalty(torch.tensor([1.0, 0.0, 1.0]), torch.tensor([0.5, 0.01, 0.01]), torch.tensor([0.6, 0.6, 0.6]), log_r)
    assert_close(penalty, torch.tensor([0.4 - tau, least - 0.01, 0.4 - tau + least - 0.01]))
    mean, std = support.corrected(torch.tensor([1.0, 1.0]), torch.tensor([0.5, 0.01]), log_r)
    assert_close(mean, torch.tensor([1 - tau, 1 - tau]))
    assert_close(std, torch.tensor([0.5, least]))


def test_the_loss_is_the_sum_of_its_terms(network):
    generator = torch.Generator().manual_seed(3)
    x, y = torch.randn(1, 12, 3, generator=generator), torch.randn(1, 12, 3, generator=generator)
    ensemble = Ensemble.of([network])
    before = generator.get_state()
    loss = SpadeLoss(network, generator, 0.7, 0.3, 20, Support())
    target = objective(ensemble, ensemble.params, Batch(x, y, torch.ones_like(y)), loss)
    found, level = target.loss_and_level(ensemble.params)
    generator.set_state(before)
    starts = torch.randn(4, generator=generator)
    assert torch.equal(starts, network.starts)
    step, noise = torch.randint(STEPS, (1, 12), generator=generator)[0], torch.randn(1, 12, generator=generator)[0]
    first, second = torch.randint(12, (2, 20), generator=generator)
    score, near, log_r = y[0].unbind(1)
    noisy = network.bar[step].sqrt() * score + (1 - network.bar[step]).sqrt() * noise
    mean, std = network(x[0]).unbind(1)
    keep = score[first] > score[second]
    wanted = (
        F.mse_loss(plainly(network, x[0], noisy, step.float()), noise)
        + 0.7 * (F.mse_loss(mean, score) + F.softplus(-(mean[first[keep]] - mean[second[keep]])).mean())
        + 0.3 * (F.relu(mean - near - 0.02 * log_r) + F.relu(0.02 + 0.005 * log_r - std)).mean()
    )
    assert_close(found[0], wanted.detach(), rtol=1e-4, atol=1e-5)
    assert_close(level[0], mean.mean().detach(), rtol=1e-4, atol=1e-5)


def test_gradients_are_cut_to_their_length():
    params = {"w": torch.tensor([[3.0, 4.0], [0.3, 0.4]]).requires_grad_()}

    def level(params):
        return 0.5 * params["w"].square().sum(1)

    target = Objective(lambda p: (level(p), level(p)), level)
    _, gradient = Clipped(Unregularised(), 1.0).gradients(target, params)
    assert_close(gradient["w"], torch.tensor([[0.6, 0.8], [0.3, 0.4]]), rtol=1e-5, atol=1e-6)
