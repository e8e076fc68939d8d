"""The autoencoders: their densities are densities, their draws follow them, weights count, ratios are right."""

import math

import pytest
import torch
from torch.testing import assert_close

from bbo.generative.density_ratio import log_exceedance, log_ratio, scaled
from bbo.generative.vae import LetterVAE, VectorVAE, epochs, train

pytestmark = pytest.mark.numerics

LETTERS = (3, 2, 4)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def every_sequence():
    return torch.cartesian_prod(*(torch.arange(n) for n in LETTERS))


def fitted(vae, x, weight=None, steps=400):
    g = generator(1)
    optimiser = torch.optim.Adam(vae.parameters(), 3e-3)
    weight = torch.ones(len(x)) if weight is None else weight
    return train(vae, optimiser, x, weight, epochs(len(x), 100, steps, steps, g), 1.0, g)


def test_letter_probabilities_sum_to_1_over_all_sequences_that_exist():
    vae = LetterVAE(LETTERS, 4, (8,), 2, generator())
    z = vae.prior(1, generator()).expand(len(every_sequence()), -1)
    assert_close(vae.log_prob(every_sequence(), z).exp().sum(), torch.tensor(1.0))


def test_draws_of_letters_follow_the_probabilities():
    vae = LetterVAE(LETTERS, 4, (8,), 2, generator())
    z = vae.prior(1, generator()).expand(40_000, -1)
    x = vae.draw(z, generator(2))
    assert (x < torch.tensor(LETTERS)).all()
    for position, count in enumerate(LETTERS):
        share = torch.bincount(x[:, position], minlength=count) / len(x)
        assert_close(share, vae.logits(z[:1])[0, position, :count].exp().detach(), atol=0.01, rtol=0)


def test_draws_of_vectors_follow_the_density():
    vae = VectorVAE(3, (8,), 2, generator())
    z = vae.prior(1, generator()).expand(20_000, -1)
    x = vae.draw(z, generator(2)).detach()
    entropy = -vae.log_prob(x, z).mean()
    spread = x.std(0)
    assert_close(entropy, (spread.log() + 0.5 * math.log(2 * math.pi * math.e)).sum(), atol=0.03, rtol=0)


@pytest.mark.parametrize("kind", ["letters", "vectors"])
def test_a_trained_model_draws_what_it_was_shown(kind):
    if kind == "letters":
        vae, x = LetterVAE(LETTERS, 4, (16,), 4, generator()), torch.tensor([[2, 1, 3]]).expand(200, -1)
    else:
        vae, x = VectorVAE(3, (16,), 4, generator()), torch.tensor([[1.0, -1.0, 0.5]]).expand(200, -1)
    losses = fitted(vae, x)
    assert losses[-20:].mean() < losses[:20].mean() - 1
    drawn = vae.draw(vae.prior(500, generator(3)), generator(4)).float()
    assert (drawn.mean(0) - x[0]).abs().max() < 0.2


def test_rows_without_weight_are_not_learnt():
    x = torch.cat([torch.tensor([[0, 0, 0]]).expand(300, -1), torch.tensor([[2, 1, 3]]).expand(100, -1)])
    weight = torch.cat([torch.zeros(300), torch.ones(100)])
    vae = LetterVAE(LETTERS, 4, (16,), 4, generator())
    fitted(vae, x, weight)
    drawn = vae.draw(vae.prior(500, generator(3)), generator(4))
    assert (drawn == x[-1]).all(1).float().mean() > 0.8


def test_only_ratios_of_weights_matter():
    x = torch.randn(100, 3, generator=generator())
    weight = torch.rand(100, generator=generator())
    found = []
    for factor in (1.0, 8.0):
        vae = VectorVAE(3, (8,), 2, generator())
        found.append(fitted(vae, x, factor * weight, steps=5)[-1])
    assert_close(*found, rtol=1e-4, atol=1e-5)


def test_batches_are_capped_and_cover_every_row():
    assert len(list(epochs(10, 4, 5, 7, generator()))) == 7
    once = list(epochs(10, 4, 1, 0, generator()))
    assert sorted(torch.cat(once).tolist()) == list(range(10))


def test_importance_weights_turn_draws_of_one_model_into_those_of_the_other():
    """The weighted share of each letter in q's draws is its share under p, over codes from the prior."""
    p, q = (LetterVAE((3, 2), 4, (8,), 2, generator(seed)) for seed in (0, 1))
    z = q.prior(60_000, generator(5))
    with torch.no_grad():
        x = q.draw(z, generator(6))
        weight = log_ratio(p, q, x, z).exp()
        assert_close(weight.mean(), torch.tensor(1.0), atol=0.03, rtol=0)
        share = torch.zeros(3).index_add_(0, x[:, 0], weight) / len(x)
        assert_close(share, p.logits(z)[:, 0].exp().mean(0), atol=0.02, rtol=0)


def test_exceedance_is_that_of_the_mixture():
    outputs = torch.tensor([[[0.0, 0.0]], [[1.0, math.log(0.5)]]])  # N(0, 1) and N(1, 0.5^2)
    wanted = 0.5 * (1 - torch.distributions.Normal(0.0, 1.0).cdf(torch.tensor(0.7)))
    wanted = wanted + 0.5 * (1 - torch.distributions.Normal(1.0, 0.5).cdf(torch.tensor(0.7)))
    assert_close(log_exceedance(outputs, torch.tensor(0.7)).exp()[0], wanted)
    assert torch.isfinite(log_exceedance(outputs, torch.tensor(30.0))).all()


def test_scaled_weights_survive_huge_logarithms():
    assert_close(scaled(torch.tensor([1000.0, 999.0, -1000.0])), torch.tensor([1.0, math.exp(-1), 0.0]))


def test_a_batch_of_negligible_weights_trains_on_nothing():
    """Log weights of designs with hundreds of coordinates differ by hundreds; 1 / (the sum of a batch of 1e-45) overflows."""
    x = torch.randn(200, 3, generator=generator())
    weight = scaled(torch.where(torch.arange(200) < 1, 0.0, -102.5))
    assert weight[1:].count_nonzero() == 0
    vae = VectorVAE(3, (8,), 2, generator())
    losses = train(
        vae, torch.optim.Adam(vae.parameters(), 3e-3), x, weight, [torch.arange(100, 200), torch.arange(100)], 1.0, generator()
    )
    assert losses[0] == 0
    assert torch.isfinite(losses).all()
    assert all(p.isfinite().all() for p in vae.parameters())
