"""Training of the shared diffusion: it learns, obeys its caps, and treats rows and weights as said."""

import pytest
import torch

from bbo.errors import NumericalError
from bbo.generative import diffusion_training
from bbo.generative.diffusion import matching_loss
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


def test_rows_held_out_count_only_in_the_weights_and_the_range():
    """In the table's order the last tenth is held out; what it holds tells the network nothing, but its scores weigh, its range clips."""
    x, y = table()

    def trained(x, y, **changes):
        settings = DiffusionSettings(prior_epochs=2, held_out=0.1, shuffle=False, **changes)
        generator = torch.Generator().manual_seed(0)
        network = ConcatScore(3, 8, generator)
        settings.train_prior(network, x, y, generator, lambda done, total: None)
        return network.layers[0].weight.detach()

    held = torch.arange(300) >= 270
    far, swapped, better = torch.where(held[:, None], x + 3, x), torch.cat([y[:270], y[270:].flip(0)]), torch.where(held, y + 3, y)
    plain, clipped = trained(x, y), trained(x, y, clip_noisy=True)
    assert torch.equal(plain, trained(far, y))
    assert torch.equal(plain, trained(x, swapped))
    assert not torch.equal(plain, trained(x, better))
    assert not torch.equal(clipped, trained(far, y, clip_noisy=True))


def batches(monkeypatch, **changes):
    """Row numbers of each batch of two epochs on 300 rows."""
    seen = []

    def recorded(network, schedule, x, *rest):
        seen.append(x[:, 0].long().tolist())
        return matching_loss(network, schedule, x, *rest)

    monkeypatch.setattr(diffusion_training, "matching_loss", recorded)
    x, y = table()
    x[:, 0] = torch.arange(300.0)
    generator = torch.Generator().manual_seed(0)
    settings = DiffusionSettings(prior_epochs=2, prior_batch=100, **changes)
    settings.train_prior(ConcatScore(3, 8, generator), x, y, generator, lambda done, total: None)
    return seen


def test_unshuffled_rows_come_in_the_tables_order_without_the_last(monkeypatch):
    epoch = [list(range(100)), list(range(100, 200)), list(range(200, 270))]
    assert batches(monkeypatch, shuffle=False, held_out=0.1) == epoch + epoch


def test_shuffled_rows_come_once_an_epoch_in_another_order_each(monkeypatch):
    found = batches(monkeypatch, held_out=0.1)
    first, second = ([row for batch in epoch for row in batch] for epoch in (found[:3], found[3:]))
    assert sorted(first) == sorted(second) and len(set(first)) == len(first) == 270
    assert first != second and first != sorted(first)
    assert set(first) != set(range(270)), "rows are held out at random"


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
