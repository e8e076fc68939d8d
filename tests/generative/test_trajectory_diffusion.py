"""The diffusion of trajectories: schedule, clean predictions, guidance, and beginnings that stay."""

import math

import pytest
import torch

from bbo.generative.trajectory_diffusion import TEMPERATURE, CosineSchedule, continued, denoising_loss

pytestmark = pytest.mark.numerics

SCHEDULE = CosineSchedule.of(20, torch.device("cpu"))


def test_the_schedule_is_the_cosine():
    """Up to the last level, where the added noise is cut at 0.999."""
    wanted = [
        math.cos((k / 20 + 0.008) / 1.008 * math.pi / 2) ** 2 / math.cos(0.008 / 1.008 * math.pi / 2) ** 2 for k in range(1, 20)
    ]
    torch.testing.assert_close(SCHEDULE.kept[:-1], torch.tensor(wanted))
    assert SCHEDULE.added[-1] == pytest.approx(0.999)


def test_the_true_noise_gives_the_clean_trajectory():
    generator = torch.Generator().manual_seed(0)
    x, noise = torch.rand(4, 8, 2, generator=generator) * 2 - 1, torch.randn(4, 8, 2, generator=generator)
    for level in (0, 10):
        noisy = SCHEDULE.noisy(x, torch.full((4,), level), noise)
        torch.testing.assert_close(SCHEDULE.clean(noisy, level, noise), x, atol=1e-5, rtol=0)


def test_the_step_before_agrees_with_bayes():
    """Gaussians: x_{k-1} given x_0 has variance 1 - a_{k-1}; x_k given x_{k-1} has variance b_k."""
    level, x, clean = 7, torch.tensor(0.4), torch.tensor(-0.2)
    prior, earlier = 1 - SCHEDULE.kept[level - 1], SCHEDULE.kept[level - 1]
    added = SCHEDULE.added[level]
    precision = 1 / prior + (1 - added) / added
    wanted = (earlier.sqrt() * clean / prior + (1 - added).sqrt() * x / added) / precision
    mean, variance = SCHEDULE.before(x, level, clean)
    torch.testing.assert_close((mean, variance), (wanted, 1 / precision), atol=1e-5, rtol=1e-4)
    assert SCHEDULE.before(x, 0, clean)[1] == 0


def test_the_loss_of_the_true_noise_is_nothing_and_columns_weigh():
    x = torch.rand(64, 8, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1

    def knows(noisy, level, condition, shown):
        kept = SCHEDULE.kept[level][:, None, None]
        return (noisy - kept.sqrt() * x) / (1 - kept).sqrt()

    def wrong(noisy, level, condition, shown):
        return knows(noisy, level, condition, shown) + torch.tensor([1.0, 2.0])

    weight, condition = torch.tensor([1.0, 10.0]), torch.zeros(64)
    losses = [denoising_loss(f, SCHEDULE, x, condition, weight, 0.5, torch.Generator().manual_seed(1)) for f in (knows, wrong)]
    assert losses[0] < 1e-6
    assert losses[1] == pytest.approx((1 + 40) / 2, rel=1e-3)


def test_what_is_hidden():
    seen = []

    def network(noisy, level, condition, shown):
        seen.append(shown)
        return torch.zeros_like(noisy)

    x = torch.zeros(1000, 4, 1)
    denoising_loss(network, SCHEDULE, x, torch.zeros(1000), torch.ones(1), 0.25, torch.Generator().manual_seed(0))
    assert seen[0].float().mean() == pytest.approx(0.75, abs=0.05)


def towards(level_of):
    """A network that knows the one clean trajectory, 0.5 everywhere where the condition is shown and -0.5 elsewhere."""

    def network(x, level, condition, shown):
        level_of.append(len(x))
        kept = SCHEDULE.kept[level][:, None, None]
        return (x - kept.sqrt() * torch.where(shown, 0.5, -0.5)[:, None, None]) / (1 - kept).sqrt()

    return network


@pytest.mark.parametrize(("guidance", "wanted"), [(0.0, -0.5), (1.0, 0.5), (1.2, 0.7)])
def test_guidance_and_beginnings(guidance, wanted):
    calls = []
    context = torch.full((3, 2, 1), 0.9)
    x = continued(towards(calls), SCHEDULE, context, 8, torch.zeros(3), guidance, torch.Generator().manual_seed(0))
    assert torch.equal(x[:, :2], context)
    torch.testing.assert_close(x[:, 2:], torch.full((3, 6, 1), wanted), atol=0.05, rtol=0)
    assert calls == [6] * 20


def test_noise_is_scaled_by_deviation_or_variance():
    """With an outcome that does not depend on x, what remains of the noise is that of the last noisy step."""
    spread = {}
    for scale in ("deviation", "variance"):
        seen = []

        def network(x, level, condition, shown, seen=seen):
            seen.append(x[:2000])
            return (x - 0.0) / (1 - SCHEDULE.kept[level][:, None, None]).sqrt()

        continued(network, SCHEDULE, torch.zeros(2000, 0, 1), 4, torch.zeros(2000), 0.0, torch.Generator().manual_seed(0), scale)
        spread[scale] = seen[1].var()
    level = SCHEDULE.levels - 1
    mean = SCHEDULE.before(torch.tensor(1.0), level, torch.tensor(0.0))[0]
    variance = SCHEDULE.before(torch.tensor(1.0), level, torch.tensor(0.0))[1]
    first = (mean * TEMPERATURE) ** 2
    assert spread["deviation"] == pytest.approx(float(first + TEMPERATURE**2 * variance), rel=0.1)
    assert spread["variance"] == pytest.approx(float(first + TEMPERATURE**2 * variance**2), rel=0.1)
