"""The joint diffusion: its training times, its steering, its choice of continuations."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from bbo.generative.diffusion import VariancePreserving
from bbo.generative.joint_diffusion import FIRST, JointScore, debiased_times, steered

pytestmark = pytest.mark.numerics

SCHEDULE = VariancePreserving(1e-4, 0.05)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def exact(pairs, t):
    """Noise of pairs whose designs equal their score: clean pairs lie on the diagonal, anywhere."""
    m, spread = SCHEDULE.mean_weight(t)[:, None], SCHEDULE.variance(t).clamp(min=1e-12).sqrt()[:, None]
    clean = (pairs.mean(1, keepdim=True) / m).expand_as(pairs)
    return (pairs - m * clean) / spread


@pytest.mark.parametrize("schedule", [SCHEDULE, VariancePreserving(0.01, 2.0)])
def test_times_have_the_density_beta_over_variance(schedule):
    """Against numerical integration, at ten quantiles."""
    t = np.linspace(FIRST, 1, 2_000_001)
    integral = 0.5 * t**2 * (schedule.beta_max - schedule.beta_min) + t * schedule.beta_min
    density = (schedule.beta_min + (schedule.beta_max - schedule.beta_min) * t) / -np.expm1(-integral)
    below = FIRST * density[0]
    mass = below + np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(t))])
    uniform = np.linspace(0.05, 0.999, 10)
    wanted = [FIRST * u * mass[-1] / below if u * mass[-1] < below else np.interp(u * mass[-1], mass, t) for u in uniform]
    assert_close(debiased_times(schedule, torch.tensor(uniform)), torch.tensor(wanted), rtol=1e-4, atol=1e-7)


def test_the_network_sees_design_score_and_time():
    network = JointScore(3, 16, generator())
    pair, t = torch.rand(1, 4, generator=generator(1)), torch.full((1,), 0.5)
    out = network(pair, t)
    assert out.shape == (1, 4)
    for other in (pair + torch.tensor([0.5, 0, 0, 0]), pair + torch.tensor([0, 0, 0, 0.5])):
        assert not torch.allclose(network(other, t), out)
    assert not torch.allclose(network(pair, t + 0.3), out)


def walk(target, strength, seed=0, **options):
    start = torch.rand(200, 4, generator=generator(1))
    return steered(exact, SCHEDULE, start, target, 100, strength, generator(seed), **options)


def test_without_steering_pairs_reach_the_data():
    """Data on the diagonal: every coordinate ends at the same value."""
    end = walk(0.9, 0.0)
    assert end.std(1).mean() < 0.05
    assert 0.4 < end.mean() < 0.6


def test_steering_moves_the_score_to_the_target_and_the_design_follows():
    for target in (0.2, 0.8):
        free, led = walk(target, 0.0), walk(target, 0.5)
        assert (led[:, -1] - target).abs().mean() < 0.9 * (free[:, -1] - target).abs().mean()
        assert (led[:, :-1] - target).abs().mean() < 0.95 * (free[:, :-1] - target).abs().mean()


def test_choosing_among_continuations_helps():
    plain, chosen = walk(0.9, 0.0), walk(0.9, 0.0, candidates=32)
    assert (chosen[:, -1] - 0.9).abs().mean() < (plain[:, -1] - 0.9).abs().mean()


def test_pairs_stay_in_the_box():
    seen = []
    walk(1.0, 5.0, progress=lambda step, pairs: seen.append((pairs.min().item(), pairs.max().item())))
    assert len(seen) == 100
    assert min(low for low, _ in seen) >= 0
    assert max(high for _, high in seen) <= 1
