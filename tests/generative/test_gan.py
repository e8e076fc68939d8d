"""The GAN's losses against straightforward calculations, and tables of letters."""

import pytest
import torch
from torch.testing import assert_close

from bbo.generative.gan import Conditional, critic_loss, penalty
from bbo.generative.letters import LetterTable

pytestmark = pytest.mark.numerics


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_penalty_is_nothing_for_a_critic_of_slope_1_and_grows_with_the_slope():
    x, y, share = torch.randn(5, 3, generator=generator()), torch.zeros(5), torch.full((5,), 0.5)
    direction = torch.tensor([[1.0], [2.0], [2.0]]) / 3
    assert_close(penalty(lambda x, y: x @ direction, x, x, y, share), torch.zeros(5), atol=1e-5, rtol=0)
    assert_close(penalty(lambda x, y: 3 * x @ direction, x, x, y, share), torch.full((5,), 4.0))
    assert torch.isfinite(penalty(lambda x, y: 0 * x @ direction, x, x, y, share)).all()


def test_penalty_is_taken_between_real_and_fake():
    """A critic of slope x^2 has the penalty of the point in between."""
    real, fake, y = torch.full((1, 1), 2.0), torch.zeros(1, 1), torch.zeros(1)
    found = penalty(lambda x, y: x**3 / 3, real, fake, y, torch.tensor([0.75]))
    assert_close(found, torch.tensor([(1 - 1.5**2) ** 2]))


def test_loss_of_a_row():
    critic = Conditional(3, 8, 1, generator())
    real, fake = torch.randn(2, 4, 3, generator=generator(1))
    y, share = torch.randn(4, generator=generator(2)), torch.rand(4, generator=generator(3))
    wanted = critic(fake, y)[:, 0] - critic(real, y)[:, 0] + 10 * penalty(critic, real, fake, y, share)
    assert_close(critic_loss(critic, real, fake, y, share, 10.0), wanted)


def test_the_score_enters():
    network = Conditional(3, 8, 2, generator())
    x = torch.randn(1, 3, generator=generator(1)).expand(2, -1)
    a, b = network(x, torch.tensor([0.0, 2.0]))
    assert not torch.allclose(a, b)


@pytest.fixture
def table():
    return LetterTable.of((3, 2, 4), torch.device("cpu"))


def test_smoothed_letters(table):
    found = table.smoothed(torch.tensor([[2, 0, 3]]), 0.7).exp()
    third, half, quarter = 0.3 / 3, 0.3 / 2, 0.3 / 4
    wanted = [[third, third, 0.7 + third, 0], [0.7 + half, half, 0, 0], [quarter, quarter, quarter, 0.7 + quarter]]
    assert_close(found, torch.tensor([wanted]))


def test_relaxed_draws_are_probabilities_and_sharpen_as_the_temperature_falls(table):
    log_p = table.log_probabilities(torch.randn(50, table.dim, generator=generator()))
    warm, cold = (table.relaxed(log_p, t, generator(1)).unflatten(1, (3, 4)) for t in (5.0, 0.001))
    for draws in (warm, cold):
        assert_close(draws.sum(2), torch.ones(50, 3))
        assert (draws[:, table.absent] == 0).all()
    assert warm.amax(2).mean() < 0.7
    assert cold.amax(2).mean() > 0.99
    assert torch.equal(cold.argmax(2), table.drawn(log_p, generator(1)))


def test_draws_follow_the_probabilities(table):
    log_p = table.log_probabilities(torch.randn(1, table.dim, generator=generator())).expand(40_000, -1, -1)
    x = table.drawn(log_p, generator(1))
    for position in range(3):
        assert_close(torch.bincount(x[:, position], minlength=4) / len(x), log_p[0, position].exp(), atol=0.01, rtol=0)
