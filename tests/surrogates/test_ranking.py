"""Ranking losses against sums by hand and by loops; training on lists against lists that are written out."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch.testing import assert_close

from bbo.errors import BBOError, NumericalError
from bbo.surrogates import ranking
from bbo.surrogates.networks import MLP
from bbo.surrogates.ranking import LOSSES, ListPlan, fit_lists

pytestmark = pytest.mark.numerics

F = torch.tensor([[0.0, math.log(2), 0.0]])
Y = torch.tensor([[math.log(3), 0.0, 0.0]])


def test_listnet_by_hand():
    """softmax(f) = (1/4, 1/2, 1/4) and softmax(y) = (3/5, 1/5, 1/5), so the cross entropy is 4/5 log 4 + 1/5 log 2."""
    assert_close(ranking.listnet(F, Y), torch.tensor(1.8 * math.log(2)))


def test_softmax_and_listmle_by_hand():
    assert_close(ranking.softmax(F, Y), torch.tensor(math.log(3) * math.log(4)))
    f = torch.log(torch.tensor([[1.0, 2.0, 1.0]]))
    y = torch.tensor([[3.0, 1.0, 2.0]])  # the true order is first, third, second: 1/4 * 1/3 * 1
    assert_close(ranking.listmle(f, y), torch.tensor(math.log(12)))


def test_rank_cosine_by_hand():
    f, y = torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]), torch.tensor([[10.0, 20.0, 30.0], [3.0, 2.0, 1.0]])
    assert_close(ranking.rank_cosine(f, y), torch.tensor(1.0))  # the mean of 0 and 2


def test_ranknet_by_hand():
    """One pair: y_1 - y_2 = 2 and f_1 - f_2 = -log 3, so 2 log(1 + 3)."""
    assert_close(ranking.ranknet(torch.tensor([[0.0, math.log(3)]]), torch.tensor([[1.0, -1.0]])), torch.tensor(2 * math.log(4)))


def test_lambdarank_and_approx_ndcg_by_loops():
    generator = torch.Generator().manual_seed(0)
    f, y = (torch.randn(1, 6, generator=generator, dtype=torch.float64) for _ in range(2))
    gain = [2 ** max(v, 0) - 1 for v in y[0].tolist()]
    best = sum(g / math.log2(place + 2) for place, g in enumerate(sorted(gain, reverse=True)))
    place = {i: p + 1 for p, i in enumerate(f[0].argsort(descending=True).tolist())}
    wanted, ndcg = 0.0, 0.0
    for i in range(6):
        near = 1.0
        for j in range(6):
            ahead = 1 / (1 + math.exp(f[0, j] - f[0, i]))
            near += (1 - ahead) * (i != j)
            if y[0, i] > y[0, j]:
                weight = abs(1 / math.log2(1 + place[i]) - 1 / math.log2(1 + place[j])) * abs(gain[i] - gain[j]) / best
                wanted -= weight * math.log2(ahead)
        ndcg += gain[i] / best / math.log2(1 + near)
    assert_close(ranking.lambdarank(f, y).item(), wanted, rtol=1e-5, atol=1e-6)
    assert_close(ranking.approx_ndcg(f, y).item(), -ndcg, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_every_loss_prefers_the_right_order_and_pulls_towards_it(loss):
    y = torch.linspace(-1.5, 1.5, 8)[None].repeat(2, 1)
    assert loss(y, y) < loss(-y, y)
    f = torch.zeros_like(y).requires_grad_()
    (slope,) = torch.autograd.grad(loss(f + 1e-3 * y, y), f)
    assert slope[0, -1] < slope[0, 0]


def table(n=60):
    x = torch.randn(n, 3, generator=torch.Generator().manual_seed(0))
    return x, torch.sin(x.sum(1))


PLAN = ListPlan(lists=12, length=20, held_out=4, epochs=2, batch_lists=4, lr=1e-3)


def network(generator):
    return MLP(3, (16, 16), generator, activation="relu")


def test_the_first_step_is_that_of_lists_written_out():
    """Every occurrence of a design through the network, as the authors do it, gives the same weights after one step of Adam."""
    x, y = table()
    plan = ListPlan(lists=5, length=20, held_out=1, epochs=1, batch_lists=4, lr=1e-2, weight_decay=0.1, keep="last")
    found = fit_lists(network, x, y, plan, ranking.listnet, torch.Generator().manual_seed(1))

    generator = torch.Generator().manual_seed(1)
    model = network(generator)
    lists = torch.stack([torch.randperm(len(x), generator=generator)[:20] for _ in range(5)])[1:]
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2, weight_decay=0.1, eps=1e-7)
    f, wanted = model(x[lists].flatten(0, 1)).reshape(4, 20), y[lists].softmax(1)
    (-(wanted * torch.log_softmax(f, 1)).sum(1).mean()).backward()
    optimiser.step()
    for name, p in model.named_parameters():
        if name == "layers.2.bias":  # the loss does not see it: its gradient is rounding, which Adam makes a step of
            continue
        assert_close(found.ensemble.params[name][0], p.detach(), rtol=1e-3, atol=1e-4)


def test_it_learns_the_order_and_keeps_the_best_epoch():
    x, y = table(200)
    plan = replace(PLAN, lists=100, held_out=20, epochs=20, lr=1e-2)
    found = fit_lists(network, x, y, plan, ranking.listnet, torch.Generator().manual_seed(0))
    assert torch.corrcoef(torch.stack([found.ensemble.mean(x)[0], y]))[0, 1] > 0.9

    generator = torch.Generator().manual_seed(0)
    network(generator)
    lists = torch.stack([torch.randperm(len(x), generator=generator)[:20] for _ in range(100)])[:20]
    lowest = min(row[0] for row in found.history.validation)
    batches = [ranking.listnet(found.ensemble.mean(x)[0][part], y[part]) for part in lists.split(4)]
    assert_close(torch.stack(batches).mean().item(), lowest, rtol=1e-4, atol=1e-5)


def test_lists_without_repetition_are_never_longer_than_the_table():
    x, y = table(10)
    assert math.isfinite(fit_lists(network, x, y, PLAN, ranking.listnet, torch.Generator().manual_seed(0)).history.train[-1][0])


def test_what_cannot_be_trained_is_said():
    x, y = table()
    fit = partial(fit_lists, network, x)
    with pytest.raises(BBOError, match="leaves none to train on"):
        fit(y, replace(PLAN, held_out=12), ranking.listnet, torch.Generator())
    with pytest.raises(NumericalError, match="diverged"):
        fit(y * math.nan, PLAN, ranking.listnet, torch.Generator())
