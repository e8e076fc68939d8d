"""The diffusion against Gaussian data, for which every quantity has a closed form."""

import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from bbo.generative.diffusion import VariancePreserving, edit, flow_step, guided, log_likelihood, matching_loss, sample

pytestmark = pytest.mark.numerics

#: Fast rates, so that N(0, I) is the density at time 1 to four digits.
SCHEDULE = VariancePreserving(0.1, 30.0)
CENTRE, SPREAD = torch.tensor([2.0, -1.0]), 0.5


def exact(x, t):
    """The score of the noisy density of N(CENTRE, SPREAD^2)."""
    time = torch.tensor(t)
    m, variance = SCHEDULE.mean_weight(time), SCHEDULE.variance(time)
    return (m * CENTRE - x) / (m**2 * SPREAD**2 + variance)


def normal(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return lambda: torch.randn(n, 2, generator=generator)


class Linear(nn.Module):
    """a(x, t, y) = y - x."""

    def forward(self, x, t, y):
        return y[:, None] - x


def test_noise_and_design_share_one_unit_of_variance():
    t = torch.linspace(0, 1, 11, dtype=torch.float64)
    schedule = VariancePreserving(0.01, 2.0)
    assert_close(schedule.mean_weight(t).square() + schedule.variance(t), torch.ones_like(t))
    assert_close(schedule.mean_weight(t[-1]), torch.tensor(math.exp(-0.25 * 1.99 - 0.005), dtype=torch.float64))
    assert schedule.variance(t[0]) == 0


@pytest.mark.parametrize("sampler", ["heun", "euler", "released"])
def test_samples_have_the_density_of_the_data(sampler):
    noise = normal(4000)
    x = sample(SCHEDULE, exact, noise(), 400, noise, sampler)
    assert_close(x.mean(0), CENTRE, atol=0.04, rtol=0)
    assert_close(x.std(0), torch.full((2,), SPREAD), atol=0.03, rtol=0)


def test_heun_is_closer_than_euler_with_few_steps():
    """From one start without noise to speak of, where the steps' error shows."""

    def end(sampler, steps):
        x = torch.zeros(1, 2)
        return sample(SCHEDULE, exact, x, steps, lambda: torch.zeros(1, 2), sampler)

    fine = end("euler", 5000)
    assert (end("heun", 50) - fine).norm() < 0.5 * (end("euler", 50) - fine).norm()


def test_the_flow_reaches_the_same_density_without_noise():
    x = normal(4000)()
    for i in range(200):
        x = flow_step(SCHEDULE, exact, x, 1 - i / 200, 1 - (i + 1) / 200)
    assert_close(x.mean(0), CENTRE, atol=0.04, rtol=0)
    assert_close(x.std(0), torch.full((2,), SPREAD), atol=0.03, rtol=0)


def test_denoised_is_the_expected_design():
    """For Gaussian data the posterior mean of the design is known."""
    x, t = normal(5)(), torch.full((5,), 0.3)
    m, variance = SCHEDULE.mean_weight(t[0]), SCHEDULE.variance(t[0])
    gain = m * SPREAD**2 / (m**2 * SPREAD**2 + variance)
    assert_close(SCHEDULE.denoised(x, t, exact(x, 0.3)), CENTRE + gain * (x - m * CENTRE), rtol=1e-4, atol=1e-5)


def test_guidance_interpolates_between_unconditional_and_conditional():
    x, y = normal(6)(), torch.linspace(-1, 1, 6)
    conditional, free = y[:, None] - x, -x
    assert torch.equal(guided(Linear(), y, 0.0)(x, 0.5), conditional)
    assert_close(guided(Linear(), y, -1.0)(x, 0.5), free)
    assert_close(guided(Linear(), y, 2.0)(x, 0.5), 3 * conditional - 2 * free)
    each = torch.tensor([0.0, -1.0, 2.0, 0.0, -1.0, 2.0])
    mixed = guided(Linear(), y, each)(x, 0.5)
    for i, strength in enumerate(each.tolist()):
        assert_close(mixed[i], guided(Linear(), y, strength)(x, 0.5)[i])


def test_loss_is_least_at_the_true_score_and_weighs_rows():
    generator = torch.Generator().manual_seed(0)
    n = 4000
    x = CENTRE + SPREAD * torch.randn(n, 2, generator=generator)
    t, noise = torch.rand(n, generator=generator), torch.randn(n, 2, generator=generator)

    class Scaled(nn.Module):
        factor = 1.0

        def forward(self, x, t, y):
            m, variance = SCHEDULE.mean_weight(t)[:, None], SCHEDULE.variance(t)[:, None]
            return self.factor * (m * CENTRE - x) / (m**2 * SPREAD**2 + variance)

    def loss(factor, weight):
        network = Scaled()
        network.factor = factor
        return matching_loss(network, SCHEDULE, x, t, weight, t, noise)

    ones = torch.ones(n)
    assert loss(1.0, ones) < min(loss(0.8, ones), loss(1.2, ones))
    half = torch.cat([torch.ones(n // 2), torch.zeros(n // 2)])
    assert_close(2 * (loss(1.0, half) + loss(1.0, 1 - half)), 2 * loss(1.0, ones))
    everywhere = (torch.full((2,), -math.inf), torch.full((2,), math.inf))
    assert_close(matching_loss(Scaled(), SCHEDULE, x, t, ones, t, noise, everywhere), loss(1.0, ones))


def test_an_edit_at_time_0_is_the_identity_and_a_late_one_forgets_the_design():
    start = torch.full((2000, 2), 5.0)
    noise = normal(2000)
    assert edit(SCHEDULE, exact, start, 0.0, 100, noise) is start
    slight = edit(SCHEDULE, exact, start, 1e-4, 100, noise)
    full = edit(SCHEDULE, exact, start, 1.0, 200, noise)
    assert (slight - start).abs().mean() < 0.2
    assert_close(full.mean(0), CENTRE, atol=0.05, rtol=0)


@pytest.mark.parametrize(
    ("time", "steps", "walked"), [(0.4, 1000, 400), (0.4, 10, 4), (0.55, 100, 55), (0.07, 100, 7), (0.071, 100, 8), (1e-12, 100, 1)]
)
def test_an_edit_walks_its_share_of_the_steps(time, steps, walked):
    seen = []
    edit(SCHEDULE, exact, torch.zeros(1, 2), time, steps, normal(1), progress=lambda step, x: seen.append(step))
    assert seen[-1] == walked


def test_likelihood_of_gaussian_data():
    x = CENTRE + SPREAD * normal(50)()
    probe = torch.sign(normal(50, seed=1)())
    wanted = torch.distributions.Normal(CENTRE, SPREAD).log_prob(x).sum(1)
    found = log_likelihood(SCHEDULE, exact, x, 1000, probe)
    assert_close(found, wanted, atol=0.02, rtol=0)
