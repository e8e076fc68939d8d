"""Strength updates of guidance: they raise the proxy, act on each design alone, and use the right time."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from bbo.generative.diffusion import VariancePreserving, flow_step, guided
from bbo.generative.strength import estimate, strengthened

pytestmark = pytest.mark.numerics

SCHEDULE = VariancePreserving(0.01, 2.0)


class Pull(nn.Module):
    """Pulls towards y in every coordinate: a(x, t, y) = y - x, with a parameter, so that gradients could leak."""

    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.ones(()))

    def forward(self, x, t, y):
        return self.factor * (y[:, None] - x)


def noise(n=6):
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(0))


def walk(proxy, rate, x=None, start=2.0, steps=50, **options):
    x = noise() if x is None else x
    return strengthened(Pull(), SCHEDULE, proxy, x, torch.ones(len(x)), torch.full((len(x),), start), steps, rate, **options)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_update_moves_strength_where_the_proxy_rises(sign):
    """More strength pulls further towards y = 1, so a proxy that likes large x asks for more, its opposite for less."""

    def proxy(x):
        return sign * x.sum(1)

    plain, fixed = walk(proxy, 0.0)
    better, strength = walk(proxy, 0.05)
    assert torch.equal(fixed, torch.full((6,), 2.0))
    assert (sign * (strength - 2.0) > 0).all()
    assert (proxy(better) > proxy(plain)).all()


def test_one_small_step_on_strength_raises_the_proxy_at_the_estimate():
    x, y, strength = noise(), torch.ones(6), torch.full((6,), 2.0, requires_grad=True)

    def value(strength):
        return -(estimate(Pull(), SCHEDULE, x, y, strength, 0.8, 0.7, 0.7) - 3.0).square().sum(1)

    before = value(strength)
    slope = torch.autograd.grad(before.sum(), strength)[0]
    assert (value(strength.detach() + 1e-3 * slope) > before).all()


def test_strength_never_falls_below_zero():
    _, strength = walk(lambda x: -x.sum(1), 0.5)
    assert strength.min() == 0


def test_without_updates_it_is_the_guided_flow():
    x = noise()
    found, _ = walk(lambda x: x.sum(1), 0.0, x, steps=10)
    score = guided(Pull(), torch.ones(6), 2.0)
    for i in range(10):
        x = flow_step(SCHEDULE, score, x, 1 - i / 10, 1 - (i + 1) / 10)
    assert_close(found, x.detach())


def test_designs_of_a_batch_are_the_designs_alone():
    def proxy(x):
        return -(x - 0.5).square().sum(1)

    together, strengths = walk(proxy, 0.05)
    for i in range(6):
        alone, strength = walk(proxy, 0.05, noise()[i : i + 1])
        assert_close(alone[0], together[i], rtol=1e-4, atol=1e-5)
        assert_close(strength[0], strengths[i], rtol=1e-4, atol=1e-5)


def test_the_time_decides_what_the_proxy_sees():
    """At the start the right time divides by the small weight at 1, the released one by the weight at 0, which is 1."""
    seen = {}
    for reversed_time in (False, True):
        values = []
        walk(lambda x, values=values: values.append(x.detach()) or x.sum(1), 0.05, steps=4, reversed_time=reversed_time)
        seen[reversed_time] = values
    assert not torch.allclose(seen[True][0], seen[False][0])
    first = flow_step(SCHEDULE, guided(Pull(), torch.ones(6), 2.0), noise(), 1.0, 0.75)
    assert_close(seen[True][0], first.detach())  # raw noisy designs


def test_the_network_is_left_as_it_was():
    network = Pull()
    strengthened(network, SCHEDULE, lambda x: x.sum(1), noise(), torch.ones(6), torch.ones(6), 3, 0.1)
    assert network.factor.requires_grad
    assert network.factor.grad is None
