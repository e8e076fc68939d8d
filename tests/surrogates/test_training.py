"""The training loop: batched members are the single ones, splits, bootstrap, best and last epoch, early stop, failure."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from bbo.errors import BBOError, NumericalError
from bbo.surrogates import losses, training
from bbo.surrogates.networks import MLP, Embedded, spawn
from bbo.surrogates.sharpness import PUBLISHED, SharpnessSettings
from bbo.surrogates.training import Plan, at_most, fit, validation_rows

pytestmark = pytest.mark.numerics


def table(n=200, d=3):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, d, generator=generator)
    return x, torch.sin(x.sum(1)) + 0.1 * torch.randn(n, generator=generator)


def gaussian(generator):
    return MLP(3, (16, 16), generator, gaussian=True)


def plain(generator):
    return MLP(3, (16, 16), generator, activation="relu")


def generators(count=1, seed=1):
    return spawn(torch.Generator().manual_seed(seed), count)


@pytest.mark.parametrize("kind", ["none", *PUBLISHED])
def test_members_of_a_batched_ensemble_are_the_single_models(kind):
    x, y = table(100)
    plan = Plan(epochs=4, batch_size=32, lr=1e-3, validation=10, bootstrap=True)
    settings = SharpnessSettings(kind, **{k: v for k, v in PUBLISHED.get(kind, {}).items()})
    together = fit(gaussian, x, y, plan, losses.nll, generators(3), settings.regulariser(3, x.device))
    for k in range(3):
        alone = fit(gaussian, x, y, plan, losses.nll, [generators(3)[k]], settings.regulariser(1, x.device))
        assert_close(together.ensemble(x)[k], alone.ensemble(x)[0], rtol=1e-3, atol=1e-4)
        assert torch.equal(together.held_out[k], alone.held_out[0])
        assert_close(torch.tensor(together.history.train)[:, k], torch.tensor(alone.history.train)[:, 0], rtol=1e-3, atol=1e-4)
        for name, rows in together.history.sharpness.items():
            assert_close(torch.tensor(rows)[:, k], torch.tensor(alone.history.sharpness[name])[:, 0], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", ["none", "ignite"])
def test_a_network_that_reads_letters_trains_as_an_ensemble_too(kind):
    x = torch.randint(4, (300, 6), generator=torch.Generator().manual_seed(0))
    y = (x == torch.tensor([0, 1, 2, 3, 0, 1])).float().sum(1) - 1.5

    def letters(generator):
        return Embedded(4, 6, 8, (16,), generator, gaussian=True)

    settings = SharpnessSettings(kind, **PUBLISHED.get(kind, {}))
    plan = Plan(epochs=30, batch_size=50, lr=1e-2, bootstrap=True)
    together = fit(letters, x, y, plan, losses.nll, generators(2), settings.regulariser(2, x.device))
    alone = fit(letters, x, y, plan, losses.nll, generators(2)[1:], settings.regulariser(1, x.device))
    assert_close(together.ensemble.mean(x)[1], alone.ensemble.mean(x)[0], rtol=1e-2, atol=1e-2)
    assert torch.corrcoef(torch.stack([together.ensemble.mean(x)[0], y]))[0, 1] > 0.95


def test_the_same_generators_give_the_same_bits_and_others_do_not():
    x, y = table()
    plan = Plan(epochs=2, batch_size=32, bootstrap=True)
    first, second, other = (fit(gaussian, x, y, plan, losses.nll, generators(2, seed)).ensemble(x) for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.allclose(first, other)


LOSSES = {"nll": losses.nll, "mse": losses.mse}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_every_loss_goes_down_on_data_it_can_learn(loss):
    x, y = table(800)
    found = fit(gaussian if loss is losses.nll else plain, x, y, Plan(epochs=30, batch_size=50, lr=3e-3), loss, generators())
    assert found.history.train[-1][0] < found.history.train[0][0]
    mean = found.ensemble.mean(x)[0]
    assert torch.corrcoef(torch.stack([mean, y]))[0, 1] > 0.6


def test_gaussian_nll_is_the_normal_density():
    generator = torch.Generator().manual_seed(0)
    outputs, y = torch.randn(2, 5, 2, generator=generator), torch.randn(2, 5, generator=generator)
    normal = torch.distributions.Normal(outputs[..., 0], outputs[..., 1].exp())
    assert_close(losses.gaussian_nll(outputs, y), -normal.log_prob(y))


def test_the_log_deviation_starts_between_its_bounds():
    """The two softplus one after the other reach from the lower bound 0.1 to 0.1 * (1 + 0.2 / 0.1)."""
    generator = torch.Generator().manual_seed(0)
    deviation = gaussian(generator)(100 * torch.randn(50, 3, generator=generator))[:, 1].exp()
    assert deviation.min() >= 0.1 - 1e-6
    assert deviation.max() <= 0.3 + 1e-6
    assert deviation.max() - deviation.min() > 0.1


@given(rows=st.integers(1, 10**6), wanted=st.integers(0, 10**4))
def test_validation_takes_at_most_a_tenth(rows, wanted):
    count = validation_rows(rows, wanted)
    assert 0 <= count <= wanted
    assert 10 * count <= rows
    assert count == wanted or 10 * (count + 1) > rows


def test_held_out_rows_do_not_matter_for_training():
    x, y = table(100)
    plan = Plan(epochs=3, batch_size=20, validation=10)
    found = fit(plain, x, y, plan, losses.mse, generators())
    changed = y.clone()
    changed[found.held_out[0]] = 1e6
    again = fit(plain, x, changed, plan, losses.mse, generators())
    assert torch.equal(found.ensemble(x), again.ensemble(x))
    assert found.history.validation != again.history.validation


def test_best_keeps_the_epoch_with_the_lowest_validation_loss_of_each_member():
    x, y = table(60)
    plan = Plan(epochs=100, batch_size=30, lr=3e-2, validation=6, keep="best")
    found = fit(plain, x, y, plan, losses.mse, generators(2))
    lowest = torch.tensor(found.history.validation).amin(0)
    means = found.ensemble.mean(x[found.held_out])
    assert_close((means - y[found.held_out]).square().mean(1), lowest, rtol=1e-3, atol=1e-5)
    last = torch.tensor(found.history.validation[-1])
    assert (lowest < last).all()


def test_patience_stops_early():
    x, y = table(60)
    found = fit(plain, x, y, Plan(epochs=500, batch_size=30, lr=1e-2, validation=6, patience=5), losses.mse, generators())
    losses_seen = [row[0] for row in found.history.validation]
    assert len(losses_seen) < 500
    assert min(losses_seen) not in losses_seen[-5:]


def test_the_cap_on_updates_leaves_whole_epochs_and_progress_reaches_the_end():
    x, y = table(100)
    steps = []
    found = fit(plain, x, y, Plan(50, 30, max_updates=10), losses.mse, generators(), progress=lambda *s: steps.append(s))
    assert len(found.history.train) == 2
    assert steps == [(i, 8) for i in range(1, 9)]
    assert len(fit(plain, x, y, Plan(50, 30, max_updates=1), losses.mse, generators()).history.train) == 1


def test_an_epoch_of_a_huge_table_can_be_cut_and_a_small_one_stays_as_it_is():
    x, y = table(200)
    steps = []
    cut = partial(at_most, 5, 10)
    plan = Plan(epochs=7, batch_size=10, max_updates=5)
    fit(plain, x, y, plan, losses.mse, generators(2), progress=lambda *n: steps.append(n), order=cut)
    assert steps == [(k, 5) for k in range(1, 6)]
    drawn = torch.cat(cut(torch.arange(200).expand(2, -1), generators(2)), 1)
    assert drawn.shape == (2, 50)
    assert all(len(member.unique()) == 50 for member in drawn)
    whole, usual = (
        fit(plain, x, y, Plan(3, 128), losses.mse, generators(), order=order).ensemble for order in (partial(at_most, 5, 128), None)
    )
    assert all(torch.equal(whole.params[name], usual.params[name]) for name in usual.params)


def test_diverging_is_an_error_with_numbers():
    x, y = table(100)
    with pytest.raises(NumericalError, match=r"diverged in epoch 1 of 3: losses \[nan\]"):
        fit(plain, x, y * math.nan, Plan(3, 30), losses.mse, generators())


@pytest.mark.parametrize("plan", [Plan(0), Plan(1, keep="first"), Plan(1, keep="best"), Plan(1, patience=3)])
def test_impossible_plans_are_refused(plan):
    x, y = table(9)
    with pytest.raises(BBOError, match=r"needs? |unknown"):
        fit(plain, x, y, plan, losses.mse, generators())


def test_the_step_size_falls_along_a_cosine(monkeypatch):
    sizes, step = [], training.step

    def watched(objective, params, regulariser, optimiser):
        sizes.append(optimiser.param_groups[0]["lr"])
        return step(objective, params, regulariser, optimiser)

    monkeypatch.setattr(training, "step", watched)
    x, y = table(60)
    for cosine, wanted in ((False, [0.1] * 4), (True, [0.1, 0.0853553, 0.05, 0.0146447])):
        sizes.clear()
        fit(plain, x, y, Plan(epochs=4, batch_size=32, lr=0.1, cosine=cosine), losses.mse, generators())
        assert sizes[::2] == sizes[1::2] == pytest.approx(wanted, abs=1e-6)
