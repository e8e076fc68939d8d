"""The training loop of surrogates that learn rows in batches: 1 to K networks as one batched model, any loss, any sharpness regulariser.

Lists (`ranking.fit_lists`) and models that are trained while they are searched (`normalised_likelihood.Models`) have loops of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Generator, Tensor, nn

from bbo.device import on_host
from bbo.errors import BBOError, NumericalError, unknown
from bbo.settings import setting
from bbo.surrogates.diagnostics import warn_if_useless
from bbo.surrogates.networks import Ensemble, Params
from bbo.surrogates.sharpness import Objective, Regulariser, SharpnessSettings, Unregularised

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1

#: Designs (K, B, d) to outputs (K, B, k) at some weights.
Predict = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Batch:
    """One batch of all members: x (K, B, d), y (K, B), and sample weights (K, B), 1 without `Plan.bootstrap`.

    Of the losses here, only `losses.nll` and `losses.mse` use the weights, so a plan with `bootstrap` needs one of these two.
    """

    x: Tensor
    y: Tensor
    weight: Tensor


#: Outputs (K, B, k) on the batch, and the network at the same weights, to the loss (K,).
BatchLoss = Callable[[Tensor, Predict], Tensor]

#: A loss is made for each batch from the network at its present weights; what is computed there stays fixed while a regulariser
#: tries other weights.
Loss = Callable[[Predict, Batch], BatchLoss]

#: Training rows (K, n) and the members' generators to the batches of one epoch, each the places (K, B) of its rows among the n.
Order = Callable[[Tensor, Sequence[Generator]], Sequence[Tensor]]


@dataclass(frozen=True)
class Plan:
    """How long, and on which rows, a surrogate is trained.

    Args:
        epochs: passes over the training rows.
        batch_size: rows in a batch; the last, smaller batch of an epoch is used too.
        lr: step size of Adam (betas 0.9 and 0.999, epsilon 1e-7).
        max_updates: no more batches than this, rounded down to whole epochs but at least one; 0 for no cap.
        validation: rows held out, but no more than a tenth of all rows (see `validation_rows`).
        bootstrap: weight each row by how often a resample with replacement drew it.
        keep: "last" epoch's weights, or those of the epoch with the "best" validation loss, chosen for each member.
        patience: stop after this many epochs in which no member's validation loss improved; 0 never stops early.
        cosine: let the step size fall as a half cosine, epoch by epoch: lr (1 + cos(pi epoch / epochs)) / 2 from epoch 0 on.
    """

    epochs: int
    batch_size: int = 128
    lr: float = 3e-4
    max_updates: int = 0
    validation: int = 0
    bootstrap: bool = False
    keep: str = "last"
    patience: int = 0
    cosine: bool = False


@dataclass(frozen=True)
class TrainingSettings(SharpnessSettings):
    """Settings of a surrogate's training, for methods to inherit; with the regulariser's."""

    hidden: int = setting(2048, "width of the hidden layers", low=1)
    layers: int = setting(2, "number of hidden layers", low=1)
    epochs: int = setting(50, "passes over the training rows", low=1)
    batch_size: int = setting(128, "rows in a batch", low=1)
    learning_rate: float = setting(3e-4, "step size of Adam", above=0)
    max_updates: int = setting(0, "no more batches than this, in whole epochs but at least one; 0 for no cap", low=0)
    validation: int = setting(500, "rows held out, at most a tenth of all", low=0)

    @property
    def widths(self) -> tuple[int, ...]:
        """Widths of the hidden layers."""
        return (self.hidden,) * self.layers

    def plan(self, bootstrap: bool = False, keep: str = "last") -> Plan:
        """How long and on what to train; `bootstrap` and `keep` as in `Plan`."""
        return Plan(self.epochs, self.batch_size, self.learning_rate, self.max_updates, self.validation, bootstrap, keep)


@dataclass
class History:
    """What happened in training, epoch by epoch; each entry has one number for each of the K members.

    Attributes:
        train: mean loss over the epoch's batches.
        validation: loss on the held-out rows; empty without any.
        sharpness: the regulariser's own facts: `lambda`, `grad_norm`, `slack`.
    """

    train: list[list[float]] = field(default_factory=list)
    validation: list[list[float]] = field(default_factory=list)
    sharpness: dict[str, list[list[float]]] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """The same as plain data, for the cell's record; numbers rounded to 6 significant digits."""
        found: dict[str, Any] = {"train_loss": self.train}
        if self.validation:
            found["validation_loss"] = self.validation
        found |= {f"sharpness_{name}": rows for name, rows in self.sharpness.items()}
        return {name: [[float(f"{v:.6g}") for v in row] for row in rows] for name, rows in found.items()}


@dataclass(frozen=True)
class Fitted:
    """A trained ensemble, what happened, and which rows (K, v) each member did not train on."""

    ensemble: Ensemble
    history: History
    held_out: Tensor

    @torch.no_grad()
    def warn_if_useless(self, x: Tensor, y: Tensor) -> None:
        """Warn where the members' predictions of held-out rows are no better than the mean; x (N, d), y (N,) as it was trained on."""
        warn_if_useless(self.ensemble.mean(x[self.held_out]), y[self.held_out])


def validation_rows(rows: int, wanted: int) -> int:
    """How many rows are held out: as many as wanted, but at most a tenth, so a small table keeps its data (none below 10 rows)."""
    return min(wanted, rows // 10)


def fit(
    network: Callable[[Generator], nn.Module],
    x: Tensor,
    y: Tensor,
    plan: Plan,
    loss: Loss,
    generators: Sequence[Generator],
    regulariser: Regulariser | None = None,
    criterion: Loss | None = None,
    progress: Callable[[int, int], None] | None = None,
    order: Order | None = None,
) -> Fitted:
    """Train one network for each generator, all as one batched model.

    Every member has its own start, validation rows, bootstrap and order of rows, drawn from its own generator, and none of its
    numbers depend on how many others are trained beside it (up to rounding of the batched products).

    Args:
        network: makes a freshly initialised network.
        x: designs (N, d).
        y: scores (N,), usually z-scored.
        plan: how long and on which rows.
        loss: what is minimised, see `Loss`.
        generators: one for each member.
        regulariser: see `bbo.surrogates.sharpness`; none by default.
        criterion: the loss on validation rows, where it is not `loss`.
        progress: called with (batches done, batches in all).
        order: draws the batches of an epoch; by default all rows, shuffled.

    Raises:
        BBOError: a plan that cannot be carried out. NumericalError: the loss is no longer finite.
    """
    ensemble = Ensemble.of([network(generator) for generator in generators])
    held_out, rows, weight = _split(len(x), plan, generators)
    _check(plan, rows.shape[1], held_out.shape[1])
    regulariser = regulariser or Unregularised()
    params = {name: p.clone().requires_grad_() for name, p in ensemble.params.items()}
    optimiser = adam(params, plan.lr)
    order = order or partial(_shuffled, plan.batch_size)
    drawn = order(rows, generators)
    batches = len(drawn)
    epochs = min(plan.epochs, max(1, plan.max_updates // batches)) if plan.max_updates else plan.epochs
    history, best, stale = History(), _Best(plan.keep == "best"), 0
    for epoch in range(epochs):
        drawn = order(rows, generators) if epoch else drawn
        if plan.cosine:
            optimiser.param_groups[0]["lr"] = plan.lr * (1 + math.cos(math.pi * epoch / epochs)) / 2
        total = torch.zeros(len(generators), device=x.device)
        for number, chosen in enumerate(drawn):
            own = rows.gather(1, chosen)
            batch = Batch(x[own], y[own], weight.gather(1, chosen))
            losses = step(objective(ensemble, params, batch, loss), params, regulariser, optimiser)
            total += losses
            if progress:
                progress(epoch * batches + number + 1, epochs * batches)
        history.train.append(on_host(total / batches, "the mean loss, once an epoch, which must be finite to go on"))
        for name, values in regulariser.epoch().items():
            history.sharpness.setdefault(name, []).append(values)
        if not all(map(math.isfinite, history.train[-1])):
            raise NumericalError(f"training diverged in epoch {epoch + 1} of {epochs}: losses {history.train[-1]}, lr {plan.lr:g}")
        if held_out.shape[1]:
            history.validation.append(_evaluate(ensemble, params, x[held_out], y[held_out], criterion or loss))
            stale = 0 if best.take(history.validation[-1], params) else stale + 1
            if plan.patience and stale >= plan.patience:
                break
    final = best.params or {name: p.detach() for name, p in params.items()}
    return Fitted(Ensemble(ensemble.template, final), history, held_out)


def _check(plan: Plan, rows: int, held_out: int) -> None:
    if plan.keep not in ("last", "best"):
        raise unknown("choice of weights to keep", plan.keep, ("last", "best"))
    if plan.epochs < 1 or plan.batch_size < 1 or rows < 1:
        raise BBOError(f"training needs at least 1 epoch, batch size 1 and 1 row; got {plan.epochs}, {plan.batch_size} and {rows}")
    if (plan.keep == "best" or plan.patience) and not held_out:
        raise BBOError("keep = best and patience need validation rows, at least 1 in a table of at least 10; got none")


def _split(n: int, plan: Plan, generators: Sequence[Generator]) -> tuple[Tensor, Tensor, Tensor]:
    """Held-out rows (K, v), training rows (K, n - v), and their sample weights."""
    count = validation_rows(n, plan.validation)
    order = torch.stack([torch.randperm(n, generator=g, device=g.device) for g in generators])
    held_out, rows = order[:, :count], order[:, count:]
    if not plan.bootstrap:
        return held_out, rows, torch.ones_like(rows, dtype=torch.float32)
    size = n - count
    drawn = [torch.randint(size, (size,), generator=g, device=g.device) for g in generators]
    return held_out, rows, torch.stack([torch.bincount(d, minlength=size) for d in drawn]).float()


def at_most(count: int, batch_size: int, rows: Tensor, generators: Sequence[Generator]) -> Sequence[Tensor]:
    """An `Order` (with the first two arguments bound) of at most `count` batches, so that an epoch of a huge table is no longer than that."""
    return _shuffled(batch_size, rows, generators)[:count]


def _shuffled(batch_size: int, rows: Tensor, generators: Sequence[Generator]) -> Sequence[Tensor]:
    """All places of the rows, in a random order of each member's own."""
    order = torch.stack([torch.randperm(rows.shape[1], generator=g, device=g.device) for g in generators])
    return order.split(batch_size, dim=1)


def adam(params: Params, lr: float) -> torch.optim.Adam:
    """Adam over stacked weights, with Keras' epsilon of 1e-7."""
    return torch.optim.Adam(list(params.values()), lr=lr, eps=1e-7, fused=True)


def step(objective: Objective, params: Params, regulariser: Regulariser, optimiser: torch.optim.Optimizer) -> Tensor:
    """One update of leaves `params`; the loss (K,) before it."""
    losses, gradients = regulariser.gradients(objective, params)
    for name, parameter in params.items():
        parameter.grad = gradients[name].contiguous()  # fused Adam does not look at strides
    optimiser.step()
    return losses


def objective(ensemble: Ensemble, params: Params, batch: Batch, loss: Loss) -> Objective:
    """A loss on one batch, as the function of the weights that a regulariser needs."""

    def at(weights: Params) -> Predict:
        return lambda rows: ensemble(rows, weights)

    batch_loss = loss(at({name: p.detach() for name, p in params.items()}), batch)

    def loss_and_level(weights: Params) -> tuple[Tensor, Tensor]:
        outputs = ensemble(batch.x, weights)
        return batch_loss(outputs, at(weights)), outputs[..., 0].mean(1)

    return Objective(loss_and_level, lambda weights: ensemble.mean(batch.x, weights).mean(1))


@torch.no_grad()
def _evaluate(ensemble: Ensemble, params: Params, x: Tensor, y: Tensor, loss: Loss) -> list[float]:
    def predict(rows: Tensor) -> Tensor:
        return ensemble(rows, params)

    losses = loss(predict, Batch(x, y, torch.ones_like(y)))(predict(x), predict)
    return list(on_host(losses, "the validation loss, once an epoch, which decides about the best weights and patience"))


class _Best:
    """Lowest validation loss of each member so far, and, if `store`, its weights."""

    def __init__(self, store: bool) -> None:
        self.store, self.losses = store, list[float]()
        self.params: Params = {}

    def take(self, losses: list[float], params: Params) -> bool:
        """Whether any member is better than ever."""
        better = [new < old for new, old in zip(losses, self.losses or [math.inf] * len(losses), strict=True)]
        self.losses = [min(pair) for pair in zip(losses, self.losses or losses, strict=True)]
        if self.store and not self.params:
            self.params = {name: p.detach().clone() for name, p in params.items()}
        elif self.store:
            for name, p in params.items():
                for member, ahead in enumerate(better):
                    if ahead:
                        self.params[name][member] = p.detach()[member]
        return any(better)
