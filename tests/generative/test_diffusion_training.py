"""Training of the shared diffusion: it learns, obeys its caps, and treats rows and weights as said."""

import pytest
import torch

from bbo.errors import NumericalError
from bbo.generative.diffusion_training import DiffusionSettings, loss_facts
from bbo.generative.score_networks import ConcatScore, EmbeddedScore

pytestmark = pytest.mark.numerics


def table(n=300):
    generator = torch.Generator().manual_seed(0)
    x = 0.2 * torch.randn(n, 3, generator=generator)
    return x, 5 * x.sum(1) / 3**0.5


def train(settings, network=ConcatScore, seed=0):
    x, y = table()
    generator = torch.Generator().manual_seed(seed)
    made, seen = network(3, 32, generator), []
    losses = settings.train_prior(made, x, y, generator, lambda done, total: seen.append((done, total)))
    return made, losses, seen


@pytest.mark.parametrize("network", [ConcatScore, EmbeddedScore])
def test_the_loss_falls(network):
    _, losses, _ = train(DiffusionSettings(prior_epochs=60), network)
    assert losses[-10:].mean() < 0.7 * losses[:3].mean()


def test_no_more_batches_than_allowed():
    _, losses, seen = train(DiffusionSettings(prior_epochs=50, prior_updates=7))
    assert seen == [(i, 7) for i in range(1, 8)]
    assert len(losses) == 3  # 3 batches an epoch


def test_rows_held_out_do_not_matter():
    """In the table's order the last tenth is held out: whatever it says, the same network comes out."""
    settings = DiffusionSettings(prior_epochs=2, held_out=0.1, shuffle=False)
    x, y = table()
    found = []
    for shift in (0.0, 3.0):
        generator = torch.Generator().manual_seed(0)
        network = ConcatScore(3, 8, generator)
        other = x.clone()
        other[270:] += shift
        settings.train_prior(network, other, y, generator, lambda done, total: None)
        found.append(network.layers[0].weight.detach())
    assert torch.equal(*found)


def test_shuffled_and_unshuffled_rows_differ():
    a, b = (train(DiffusionSettings(prior_epochs=2, shuffle=shuffle))[0].layers[0].weight for shuffle in (True, False))
    assert not torch.equal(a, b)


def test_a_network_that_always_has_its_score_hidden_ignores_the_condition():
    """hide=1 shows only 0, so the weights of the condition's column get no gradient."""
    generator = torch.Generator().manual_seed(0)
    network = ConcatScore(3, 16, generator)
    before = network.layers[0].weight[:, -1].clone()
    x, y = table()
    DiffusionSettings(prior_epochs=2, hide=1.0).train_prior(network, x, y, generator, lambda done, total: None)
    assert torch.equal(network.layers[0].weight[:, -1], before)


def test_facts_are_few_and_a_diverged_training_is_an_error():
    assert loss_facts(torch.arange(1000.0))[-1] == 999
    assert len(loss_facts(torch.arange(1000.0))) <= 100
    with pytest.raises(NumericalError, match="smaller learning rate"):
        loss_facts(torch.tensor([1.0, torch.nan]))
