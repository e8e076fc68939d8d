"""Training on lists: losses of learning to rank, and a network trained on many lists drawn from one table.

Losses as in RaM (arXiv 2410.11502, Table 8; lamda-bbo/Offline-RaM @389e4bc, `losses/`, partly after allegro/allRank). Each takes
predictions and z-scored scores of the same lists, both (L, m), and returns one number, smaller is better.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from bbo.device import on_host
from bbo.errors import BBOError, NumericalError
from bbo.surrogates.networks import Ensemble
from bbo.surrogates.sharpness import Regulariser, Unregularised
from bbo.surrogates.training import Batch, BatchLoss, Fitted, History, Predict, objective, step

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1

#: Predictions (L, m) and scores (L, m) to a loss ().
ListLoss = Callable[[Tensor, Tensor], Tensor]

#: Inside logarithms, as in the authors' code.
TINY = 1e-10


def mse(f: Tensor, y: Tensor) -> Tensor:
    """Squared error, pointwise."""
    return F.mse_loss(f, y)


def sigmoid_cross_entropy(f: Tensor, y: Tensor) -> Tensor:
    """Cross entropy of sigmoid(f) with the z-scored score itself as the target ("SCE"), pointwise."""
    return F.binary_cross_entropy_with_logits(f, y)


def binary_cross_entropy(f: Tensor, y: Tensor) -> Tensor:
    """Cross entropy of sigmoid(f) with sigmoid(y) as the target ("BCE"), pointwise.

    The authors' code takes the cross entropy of f and y themselves, which is defined between 0 and 1 only and fails on z-scores.
    """
    return F.binary_cross_entropy_with_logits(f, y.sigmoid())


def ranknet(f: Tensor, y: Tensor) -> Tensor:
    """Mean of |y_i - y_j| log(1 + exp(f_j - f_i)) over the pairs of a list with y_i > y_j, pairwise."""
    gain, ahead = _pairs(y), _pairs(f)
    better = gain > 0
    return (gain.clamp(min=0) * F.softplus(-ahead)).sum() / better.sum().clamp(min=1)


def lambdarank(f: Tensor, y: Tensor) -> Tensor:
    """LambdaRank: pairs with y_i > y_j, weighed by what exchanging their places would change in NDCG; summed over the lists."""
    discount = 1 / torch.log2(2.0 + f.argsort(-1, descending=True).argsort(-1))
    weight = _pairs(discount).abs() * _pairs(_gains(y)).abs()
    # log2 of clamp(clamp(sigmoid, 1e-10) ** weight, 1e-10), without the power
    log = (F.logsigmoid(_pairs(f)).clamp(min=math.log(TINY)) * weight).clamp(min=math.log(TINY)) / math.log(2)
    return -torch.where(_pairs(y) > 0, log, 0.0).sum()


def rank_cosine(f: Tensor, y: Tensor) -> Tensor:
    """1 - correlation of y and f in a list; centred as in the code, which the paper's formula is not. Listwise."""
    f, y = f - f.mean(-1, keepdim=True), y - y.mean(-1, keepdim=True)
    return (1 - (f * y).sum(-1) / (f.norm(dim=-1) * y.norm(dim=-1) + 1e-8)).mean()


def softmax(f: Tensor, y: Tensor) -> Tensor:
    """Cross entropy of the z-scored y, as weights, and the softmax of f. Listwise."""
    return -(y * torch.log(f.softmax(-1) + TINY)).sum(-1).mean()


def listnet(f: Tensor, y: Tensor) -> Tensor:
    """Cross entropy of softmax(y) and softmax(f). Listwise."""
    return -(y.softmax(-1) * torch.log(f.softmax(-1) + TINY)).sum(-1).mean()


def listmle(f: Tensor, y: Tensor) -> Tensor:
    """Negative log likelihood of the true order under the Plackett-Luce model of f. Listwise.

    Lists are in random order and the sort is stable, so ties stay in random order, which is why the authors shuffle first.
    """
    ordered = f.gather(-1, y.argsort(dim=-1, descending=True, stable=True))
    ordered = ordered - ordered.amax(-1, keepdim=True)
    tails = ordered.exp().flip(-1).cumsum(-1).flip(-1)
    return (torch.log(tails + TINY) - ordered).sum(-1).mean()


def approx_ndcg(f: Tensor, y: Tensor) -> Tensor:
    """-NDCG with the place of i taken as 1 + sum over j != i of sigmoid(f_j - f_i). Listwise."""
    place = 0.5 + torch.sigmoid(-_pairs(f)).clamp(min=TINY).sum(-1)  # the diagonal adds the 0.5 that is missing
    return -(_gains(y) / torch.log2(1 + place)).sum(-1).mean()


#: Every loss of RaM's Table 8 by name.
LOSSES: dict[str, ListLoss] = {
    "listnet": listnet,
    "rankcosine": rank_cosine,
    "softmax": softmax,
    "listmle": listmle,
    "approxndcg": approx_ndcg,
    "ranknet": ranknet,
    "lambdarank": lambdarank,
    "sce": sigmoid_cross_entropy,
    "bce": binary_cross_entropy,
    "mse": mse,
}


def _pairs(values: Tensor) -> Tensor:
    """v_i - v_j, (L, m, m)."""
    return values[..., :, None] - values[..., None, :]


def _gains(y: Tensor) -> Tensor:
    """2^y - 1 over the best possible DCG of the list; scores below 0, the table's mean, count as 0."""
    gain = torch.exp2(y.clamp(min=0)) - 1
    discount = torch.log2(torch.arange(2, y.shape[-1] + 2, device=y.device).float())
    best = (gain.sort(-1, descending=True).values / discount).sum(-1, keepdim=True)
    return gain / best.clamp(min=TINY)


@dataclass(frozen=True)
class ListPlan:
    """How a network is trained on lists.

    Args:
        lists: lists drawn in all. length: m, designs in a list, without repetition; at most the rows of the table.
        held_out: lists for validation, of these.
        epochs: passes over the other lists.
        batch_lists: lists in a batch; the last, smaller batch of an epoch is used too.
        lr, weight_decay: of Adam; the decay is added to the gradient.
        max_updates: no more batches than this, rounded down to whole epochs but at least one; 0 for no cap.
        keep: "last" epoch's weights, or those with the "best" loss on the lists held out.
    """

    lists: int
    length: int
    held_out: int
    epochs: int
    batch_lists: int
    lr: float
    weight_decay: float = 0.0
    max_updates: int = 0
    keep: str = "best"


def fit_lists(
    network: Callable[[Generator], nn.Module],
    x: Tensor,
    y: Tensor,
    plan: ListPlan,
    loss: ListLoss,
    generator: Generator,
    regulariser: Regulariser | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Fitted:
    """Train one network on lists drawn from the table x (N, d), y (N,).

    A batch of 128 lists of 1000 holds 128000 designs, but no more than N different ones. The network sees each of these once, and
    the lists pick from its N predictions; since the gradient of a sum is the sum of gradients, loss and step are the same as if
    every occurrence had gone through the network. The validation lists share one pass over the table in the same way.

    Raises:
        BBOError: no list is left to train on. NumericalError: the loss is no longer finite.
    """
    if plan.lists <= plan.held_out:
        raise BBOError(f"of {plan.lists} lists {plan.held_out} are held out, which leaves none to train on; draw more lists")
    ensemble = Ensemble.of([network(generator)])
    length = min(plan.length, len(x))
    lists = torch.stack([torch.randperm(len(x), generator=generator, device=x.device)[:length] for _ in range(plan.lists)])
    held_out, lists = lists[: plan.held_out], lists[plan.held_out :]
    regulariser = regulariser or Unregularised()
    params = {name: p.clone().requires_grad_() for name, p in ensemble.params.items()}
    # Keras' epsilon, as in every training here.
    optimiser = torch.optim.Adam(list(params.values()), lr=plan.lr, weight_decay=plan.weight_decay, eps=1e-7, fused=True)
    batches = math.ceil(len(lists) / plan.batch_lists)
    epochs = min(plan.epochs, max(1, plan.max_updates // batches)) if plan.max_updates else plan.epochs
    best, lowest = {name: p.detach().clone() for name, p in params.items()}, torch.full((), math.inf, device=x.device)
    history, train, validation = History(), [], []
    for epoch in range(epochs):
        total = torch.zeros(1, device=x.device)
        order = torch.randperm(len(lists), generator=generator, device=x.device).split(plan.batch_lists)
        for number, chosen in enumerate(order):
            rows, places = torch.unique(lists[chosen], return_inverse=True)
            batch = Batch(x[rows][None], y[rows][None], torch.ones(1, len(rows), device=x.device))
            total += step(objective(ensemble, params, batch, _on_lists(loss, places)), params, regulariser, optimiser)
            if progress:
                progress(epoch * batches + number + 1, epochs * batches)
        train.append(total / batches)
        for name, values in regulariser.epoch().items():
            history.sharpness.setdefault(name, []).append(values)
        if plan.held_out and plan.keep == "best":
            found = _validate(ensemble, params, x, y, held_out, loss, plan.batch_lists)
            validation.append(found)
            better = found < lowest
            lowest = torch.where(better, found, lowest)
            best = {name: torch.where(better, p.detach(), best[name]) for name, p in params.items()}
    history.train = on_host(torch.stack(train), "losses, for the record, once")
    if not all(math.isfinite(row[0]) for row in history.train):
        raise NumericalError(f"training on lists diverged: losses {[row[0] for row in history.train]}, lr {plan.lr:g}")
    if validation:
        history.validation = on_host(torch.stack(validation)[:, None], "validation losses, for the record, once")
    final = best if validation else {name: p.detach() for name, p in params.items()}
    return Fitted(Ensemble(ensemble.template, final), history, torch.empty(1, 0, dtype=torch.long, device=x.device))


def _on_lists(loss: ListLoss, places: Tensor) -> Callable[[Predict, Batch], BatchLoss]:
    """The loss of lists, each list the places (L, m) of its designs in a batch."""

    def make(predict: Predict, batch: Batch) -> BatchLoss:
        y = batch.y[0][places]
        return lambda outputs, _: loss(outputs[0, :, 0][places], y)[None]

    return make


@torch.no_grad()
def _validate(
    ensemble: Ensemble, params: dict[str, Tensor], x: Tensor, y: Tensor, lists: Tensor, loss: ListLoss, batch_lists: int
) -> Tensor:
    """Mean loss over batches of the lists held out."""
    mean = torch.cat([ensemble.mean(part, params)[0] for part in x.split(8192)])
    return torch.stack([loss(mean[part], y[part]) for part in lists.split(batch_lists)]).mean()
