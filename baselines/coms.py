"""Conservative objective models."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from bbo.problem import Problem
from bbo.search.ascent import ascend, gradient_of
from bbo.surrogates import losses
from bbo.surrogates.diagnostics import Surrogate
from bbo.surrogates.networks import MLP, spawn
from bbo.surrogates.sharpness import SharpnessSettings
from bbo.surrogates.training import Batch, BatchLoss, Fitted, Plan, Predict, fit


@dataclass
class ConservativeLoss:
    """mean (f(x) - y)^2 + a * overestimation, with overestimation = mean(f(x_neg) - f(x)).

    x_neg is where `steps` ascent steps of size `step_size` lead from the batch under the present weights; no gradient flows through
    that path. a is adapted by dual ascent, so that overestimation stays near `limit`: log a takes Adam steps of `rate` on
    a * (limit - overestimation), after the batch's own loss was built with the old a.
    """

    steps: int
    step_size: float
    limit: float
    log_weight: Tensor
    rate: float
    trace: list[Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.log_weight.requires_grad_()
        self.optimiser = torch.optim.Adam([self.log_weight], lr=self.rate, eps=1e-7)

    def __call__(self, predict: Predict, batch: Batch) -> BatchLoss:
        def mean(x: Tensor) -> Tensor:
            return predict(x)[..., 0]

        x_neg = ascend(gradient_of(mean), batch.x, self.steps, self.step_size)
        with torch.no_grad():
            excess = (mean(x_neg) - mean(batch.x)).mean(1)
        weight = self.log_weight.detach().exp()
        self.log_weight.grad = weight * (self.limit - excess)
        self.optimiser.step()
        self.trace.append(torch.stack([weight, excess]))

        def loss(outputs: Tensor, predict: Predict) -> Tensor:
            error = losses.squared_error(outputs, batch.y).mean(1)
            return error + weight * (predict(x_neg)[..., 0] - outputs[..., 0]).mean(1)

        return loss


@dataclass(frozen=True)
class COMs(SharpnessSettings):
    """Conservative objective models: a network trained not to overestimate where its own ascent leads.

    arXiv 2107.06882; brandontrabucco/design-baselines, `coms_cleaned`. A ReLU network of squared error plus a penalty on
    f(x_neg) - f(x), where x_neg is the end of an ascent from the batch; the penalty's weight is adapted so that this overestimation
    stays near a limit. Then the same ascent from the best visible designs; last iterate returned. x is z-scored on a box, but for
    sequences it is the raw logits, as in the authors' code; y is z-scored.

    IGNITE's own experiments train for 2 epochs (`coms.epochs=2`), the authors' scripts for 50.

    Deviations: Adam's epsilon is not rescaled by the bias correction, as torch does it; no more than a tenth of the rows is held
    out; where a table has fewer rows than the budget, starts are repeated.

    Args:
        sharpness, sharpness_...: regulariser of the training and its settings; `+ignite` after the method's name fills them in.
        hidden: width of the hidden layers.
        layers: number of hidden layers.
        epochs: passes over the training rows.
        batch_size: rows in a batch.
        learning_rate: of Adam.
        max_updates: no more batches than this, in whole epochs but at least one; 0 for no cap.
        validation: rows held out, at most a tenth of all.
        penalty: a, the weight of the penalty, at the start.
        penalty_rate: Adam's step on log a.
        limit_box: tau, the overestimation allowed on a box, in deviations of y.
        limit_sequence: the same for sequences.
        steps: ascent steps, in training and in the search.
        step_size_box: length factor of an ascent step on a box, times sqrt(d).
        step_size_sequence: the same for sequences.
    """

    version = "1"
    kind = "surrogate"
    composable = True
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {},
        # Smaller than the published settings: a sixteenth of the width, at most 260 batches, larger steps of Adam,
        # and half the steps of ascent.
        "fast": {"hidden": 128, "learning_rate": 1e-3, "max_updates": 260, "steps": 25},
        "smoke": {"hidden": 32, "batch_size": 256, "learning_rate": 3e-3, "max_updates": 20, "steps": 10},
    }

    hidden: int = 2048
    layers: int = 2
    epochs: int = 50
    batch_size: int = 128
    learning_rate: float = 3e-4
    max_updates: int = 0
    validation: int = 500
    penalty: float = 0.1
    penalty_rate: float = 0.01
    limit_box: float = 0.5
    limit_sequence: float = 2.0
    steps: int = 50
    step_size_box: float = 0.05
    step_size_sequence: float = 2.0

    def propose(self, problem: Problem) -> Tensor:
        """Return `budget` designs: the best visible ones, moved up the conservative model."""
        data = problem.encoded()
        fitted, loss = self.train(problem)
        weight, excess = torch.stack(loss.trace)[:, :, 0].T.tolist()
        every = max(1, len(weight) // 100)
        problem.note(**fitted.history.facts(), penalty_weight=weight[::every], overestimation=excess[::every])
        start = problem.best(problem.budget)
        start = start[torch.arange(problem.budget, device=problem.device) % len(start)]
        scale, shift = self._frame(problem)
        found = ascend(
            gradient_of(lambda x: fitted.ensemble.mean(x)[0]),
            data.x[start] * scale + shift,
            self.steps,
            loss.step_size,
            lambda step, x: problem.progress(step, self.steps, data.decode((x - shift) / scale)) if step % 10 == 0 else None,
        )
        return data.decode((found - shift) / scale)

    def surrogate(self, problem: Problem) -> Surrogate:
        """The trained conservative model, for `bbo diagnose`; it predicts no standard deviation."""
        fitted, _ = self.train(problem)
        scale, shift = self._frame(problem)
        return Surrogate(lambda x: (fitted.ensemble.mean(x * scale + shift)[0], None), fitted.history.facts())

    def train(self, problem: Problem) -> tuple[Fitted, ConservativeLoss]:
        """The trained model, and its loss with the path of the penalty's weight."""
        data = problem.encoded()
        scale, shift = self._frame(problem)
        box = problem.space.kind == "continuous"
        size = (self.step_size_box if box else self.step_size_sequence) * math.sqrt(data.dim)
        start = torch.full((1,), math.log(self.penalty), device=problem.device)
        loss = ConservativeLoss(self.steps, size, self.limit_box if box else self.limit_sequence, start, self.penalty_rate)
        fitted = fit(
            partial(MLP, data.dim, (self.hidden,) * self.layers, activation="relu"),
            data.x * scale + shift,
            data.y,
            Plan(self.epochs, self.batch_size, self.learning_rate, self.max_updates, self.validation),
            loss,
            spawn(problem.generator, 1),
            self.regulariser(1, problem.device),
            criterion=losses.mse,
            progress=problem.progress,
        )
        return fitted, loss

    def _frame(self, problem: Problem) -> tuple[Tensor, Tensor]:
        """Scale and shift (d,) from z-scored designs to what the network sees."""
        data = problem.encoded()
        if problem.space.kind == "continuous":
            return torch.ones_like(data.x_std), torch.zeros_like(data.x_mean)
        return data.x_std, data.x_mean
