"""Cliques: how they share a code, and a value that knows no interaction between them."""

import pytest
import torch

from bbo.generative.cliques import CliqueVAE, CliqueValue, chain
from bbo.generative.letters import LetterTable

pytestmark = pytest.mark.numerics

CPU = torch.device("cpu")


@pytest.fixture
def generator():
    torch.set_num_threads(1)
    return torch.Generator().manual_seed(0)


def test_the_chain():
    assert chain(3, 3, 1, CPU).tolist() == [[0, 1, 2], [2, 3, 4], [4, 5, 6]]
    assert chain(2, 2, 0, CPU).tolist() == [[0, 1], [2, 3]]


def test_numbers_of_different_cliques_do_not_interact(generator):
    """The mixed second difference of the value is nothing unless a clique holds both numbers."""
    value = CliqueValue(3, 3, 16, 0.0, generator).copy()
    index = chain(3, 3, 1, CPU)
    z = torch.randn(1, 7, generator=generator)

    def mixed(a, b):
        moves = torch.zeros(4, 7)
        moves[1, a] = moves[2, b] = moves[3, a] = moves[3, b] = 1.0
        f = value((z + moves)[:, index])
        return float((f[3] - f[1] - f[2] + f[0]).abs())

    assert mixed(0, 1) > 1e-4
    assert mixed(1, 2) > 1e-4
    assert max(mixed(0, 3), mixed(1, 6), mixed(2, 5)) < 1e-6


@pytest.mark.parametrize("letters", [None, (4, 2, 3, 4, 4)])
def test_codes_and_designs(letters, generator):
    table = LetterTable.of(letters, CPU) if letters else None
    vae = CliqueVAE(5, table, 2, 3, 1, 8, 1, generator).eval()
    x = torch.tensor([[0, 1, 2, 3, 0], [3, 0, 0, 1, 1]]) if letters else torch.randn(2, 5, generator=generator)
    mean, deviation = vae.encode(x)
    assert mean.shape == deviation.shape == (2, 5)
    assert vae.divergence(mean, deviation).shape == (2, 2)
    assert torch.equal(vae.divergence(torch.zeros(1, 5), torch.ones(1, 5)), torch.zeros(1, 2))
    assert vae.designs(mean).shape == (2, 5)
    if letters:
        assert (vae.designs(torch.randn(500, 5, generator=generator)) < torch.tensor(letters)).all()
        every = torch.cartesian_prod(*(torch.arange(n) for n in letters))
        chances = vae.log_prob(every, mean[:1].expand(len(every), -1)).exp()
        assert float(chances.sum()) == pytest.approx(1, abs=1e-4)


def test_a_code_that_is_trained_gives_its_designs_back(generator):
    vae = CliqueVAE(4, LetterTable.of((3, 3, 3, 3), CPU), 2, 3, 1, 8, 1, generator)
    x = torch.randint(3, (64, 4), generator=generator)
    optimiser = torch.optim.Adam(vae.parameters(), 0.02)
    for _ in range(80):
        mean, _ = vae.encode(x)
        optimiser.zero_grad()
        (-vae.log_prob(x, mean).mean()).backward()
        optimiser.step()
    found = vae.designs(vae.encode(x)[0])
    assert (found == x).float().mean() > 0.7


def test_the_average_follows_weights_and_norms(generator):
    value = CliqueValue(2, 3, 8, 0.0, generator)
    mean, released = value.copy(), value.copy()
    before = mean.first.weight.clone()
    value(torch.randn(32, 2, 3, generator=generator) + 5)
    with torch.no_grad():
        value.first.weight.add_(1)
    mean.follow(value, 0.25)
    released.follow(value, 0.25, norms=False)
    torch.testing.assert_close(mean.first.weight, before + 0.25)
    assert torch.equal(mean.norms[0].running_mean, value.norms[0].running_mean)
    assert torch.equal(released.norms[0].running_mean, torch.zeros(2))
    assert not mean.training
