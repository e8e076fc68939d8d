"""Training in runs of batches does what training batch by batch does, in the authors' order."""

import copy

import pytest
import torch
from torch.testing import assert_close

from bbo.generative import brownian_bridge as bridge
from bbo.generative.bridge_training import BridgeTraining, train
from bbo.generative.synthetic_pairs import Pairs

SCHEDULE = bridge.Schedule.linear(50, 10, 1.0, torch.device("cpu"))


def pairs(count, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(2, count, 3, generator=generator, dtype=torch.float64)
    y = torch.randn(2, count, generator=generator, dtype=torch.float64)
    return Pairs(x[0], y[0], x[1], y[1])


def network():
    return bridge.BridgeNetwork(3, 16, 0.1, torch.Generator().manual_seed(0)).double()


def batch_by_batch(net, epochs, settings, generator):
    """The authors' loop: a backward pass for each batch; the weights' average, and the mean loss of each epoch."""
    optimiser = torch.optim.Adam(net.parameters(), settings.learning_rate)
    average, step, means = copy.deepcopy(net), 0, []
    for given in epochs:
        losses = []
        orders = [torch.randperm(len(given), generator=generator) for _ in range(settings.passes)]
        for rows in (rows for order in orders for rows in order.split(settings.batch)):
            step += 1
            if settings.reference_seeding:
                generator.manual_seed(step)
            hide = torch.rand(len(rows), generator=generator) <= settings.hide
            t = torch.randint(0, 50, (len(rows),), generator=generator)
            noise = torch.randn((len(rows), 3), generator=generator)
            loss = bridge.errors(net, SCHEDULE, given[rows], t, noise, hide).mean()
            loss.backward()
            losses.append(loss.item())
            if step % settings.accumulate == 0:
                optimiser.step()
                optimiser.zero_grad()
            if step % settings.ema_every == 0:
                share = 1.0 if step < settings.ema_start else 1 - settings.ema_decay
                for mean, now in zip(average.parameters(), net.parameters(), strict=True):
                    mean.data.lerp_(now.data, share)
        means.append(sum(losses) / len(losses))
    return average, means


@pytest.mark.numerics
@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"accumulate": 1},
        {"accumulate": 3},  # an update takes batches of two passes and of two epochs
        {"ema_every": 3},  # averages between the batches of one update
        {"reference_seeding": True},
    ],
)
def test_runs_of_batches_are_batch_by_batch(changed):
    settings = BridgeTraining(
        **{"batch": 8, "passes": 2, "ema_decay": 0.5, "ema_every": 4, "ema_start": 6, "accumulate": 2} | changed
    )
    epochs = [pairs(37, 1), pairs(20, 2)]  # five batches a pass, then three; the last of each is smaller
    ours, theirs, means = network(), network(), []
    found = train(ours, SCHEDULE, epochs, settings, torch.Generator().manual_seed(5), lambda loss: means.append(loss.item()))
    wanted, wanted_means = batch_by_batch(theirs, epochs, settings, torch.Generator().manual_seed(5))
    assert means == pytest.approx(wanted_means)
    for trained, by_hand in ((ours, theirs), (found, wanted)):
        for mine, other in zip(trained.parameters(), by_hand.parameters(), strict=True):
            assert_close(mine, other, rtol=1e-8, atol=1e-10)
    assert not torch.equal(found.main[0].weight, ours.main[0].weight)


@pytest.mark.numerics
def test_the_learning_rate_follows_the_last_batch_of_each_update(monkeypatch):
    given = []
    monkeypatch.setattr(torch.optim.lr_scheduler.ReduceLROnPlateau, "step", lambda self, value: given.append(value))
    data, settings = pairs(32, 1), BridgeTraining(batch=8, learning_rate=1e-12)
    means: list[float] = []
    train(network(), SCHEDULE, [data], settings, torch.Generator().manual_seed(5), lambda loss: means.append(loss.item()))
    alone: list[float] = []
    generator = torch.Generator().manual_seed(5)
    for rows in torch.randperm(32, generator=generator).split(8):
        hide = torch.rand(8, generator=generator) <= settings.hide
        t = torch.randint(0, 50, (8,), generator=generator)
        noise = torch.randn((8, 3), generator=generator)
        alone.append(bridge.errors(network(), SCHEDULE, data[rows], t, noise, hide).mean().item())
    assert given == pytest.approx(alone[1::2])
    assert means == pytest.approx([sum(alone) / 4])
