"""Gradient ascent on a neural surrogate: a single network or an ensemble of five."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from bbo.method import Method, MethodSpec, setting
from bbo.problem import Problem
from bbo.search.ascent import from_best, gradient_of
from bbo.surrogates import losses
from bbo.surrogates.diagnostics import Surrogate, mixture
from bbo.surrogates.networks import MLP, Ensemble, spawn
from bbo.surrogates.training import Fitted, TrainingSettings, fit

#: Smaller than the published settings: a sixteenth of the width, at most 600 batches, and larger steps of Adam to make up for it.
FAST = {"hidden": 128, "learning_rate": 1e-3, "max_updates": 600}
#: Long steps, so that letters change even on a made-up table.
SMOKE = {"hidden": 32, "batch_size": 256, "learning_rate": 3e-3, "max_updates": 40, "steps": 100, "step_size": 0.05}
PRESETS: dict[str, dict[str, Any]] = {"paper": {}, "fast": FAST, "smoke": SMOKE}


@dataclass(frozen=True)
class GradientAscent(TrainingSettings, Method):
    """Gradient ascent on the mean of a Gaussian-head network, from the best visible designs.

    As in Design-Bench's baselines (arXiv 2202.08450; brandontrabucco/design-baselines, `gradient_ascent`): x (logits for sequences)
    and y z-scored; network with LeakyReLU(0.3) and a log standard deviation between two trainable bounds; Adam on the negative log
    likelihood with bootstrap counts as sample weights, last epoch kept; then plain steps without clipping, last iterate returned.

    All members train as one batched model and all starts climb as one batch.

    Deviations: Adam's epsilon is not rescaled by the bias correction, as torch does it; no more than a tenth of the rows is held
    out, so small tables work; where a table has fewer rows than the budget, starts are repeated.

    `paper:superconductor` has 50 epochs, as in `experiments.py`; the ensembles have 100 there too.
    """

    spec = MethodSpec(
        id="gradient-ascent",
        version=1,
        kind="surrogate",
        title="Gradient ascent",
        paper="arXiv 2202.08450",
        code="brandontrabucco/design-baselines @785dbcf",
        year=2022,
        spaces=("continuous", "sequence", "mixed"),
        composable=True,
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {**PRESETS, "paper:superconductor": {"epochs": 50}}

    epochs: int = 100
    validation: int = 200
    members: int = setting(1, "networks in the ensemble", low=1)
    aggregation: str = setting(
        "mean",
        "what is ascended where there are several: the mean of their means, or for each design the least",
        choices=("mean", "min"),
    )
    steps: int = setting(200, "steps of the ascent", low=0)
    step_size: float = setting(0.01, "length factor of a step, times sqrt(d)", above=0)

    def propose(self, problem: Problem) -> Tensor:
        """Return `budget` designs: the best visible ones, moved up the surrogate."""
        fitted = self.train(problem)
        fitted.warn_if_useless(problem.encoded().x, problem.encoded().y)
        problem.note(**fitted.history.facts())
        step_size = self.step_size * math.sqrt(problem.encoded().dim)
        return from_best(problem, gradient_of(partial(self.value, fitted.ensemble)), self.steps, step_size)

    def surrogate(self, problem: Problem) -> Surrogate:
        """The trained ensemble, for `bbo diagnose`: an equal mixture of its members, or for "min" each design's least member."""
        fitted = self.train(problem)

        def predict(x: Tensor) -> tuple[Tensor, Tensor]:
            outputs = fitted.ensemble(x)
            if self.aggregation == "mean":
                return mixture(outputs)
            least = outputs[..., 0].argmin(0)
            mean, log_std = outputs[least, torch.arange(len(x), device=x.device)].unbind(-1)
            return mean, log_std.exp()

        return Surrogate(predict, fitted.history.facts())

    def train(self, problem: Problem) -> Fitted:
        """Train the ensemble on the visible table, z-scored."""
        data = problem.encoded()
        return fit(
            lambda generator: MLP(data.dim, self.widths, generator, gaussian=True),
            data.x,
            data.y,
            self.plan(bootstrap=True),
            losses.nll,
            spawn(problem.generator, self.members),
            self.regulariser(self.members, problem.device),
            progress=problem.progress,
        )

    def value(self, ensemble: Ensemble, x: Tensor) -> Tensor:
        """What is ascended: z-scored value (n,) of encoded designs x (n, d)."""
        means = ensemble.mean(x)
        return means.mean(0) if self.aggregation == "mean" else means.amin(0)


@dataclass(frozen=True)
class GradientAscentMean(GradientAscent):
    """Gradient ascent on the mean of five Gaussian-head networks.

    A true mean. The published "Grad. Mean" rows come from code in which "mean" takes the minimum, exactly as "min" does
    (design-baselines `gradient_ascent/__init__.py`, and IGNITE's copies); `aggregation = "min"` gives what those rows really are.
    Settings, presets and deviations as in `gradient-ascent`, but for its epochs on Superconductor.
    """

    spec = MethodSpec(
        id="gradient-ascent-mean",
        version=1,
        kind="surrogate",
        title="Gradient ascent, ensemble mean",
        paper="arXiv 2202.08450",
        code="brandontrabucco/design-baselines @785dbcf",
        year=2022,
        spaces=("continuous", "sequence", "mixed"),
        composable=True,
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = PRESETS

    members: int = 5


@dataclass(frozen=True)
class GradientAscentMin(GradientAscent):
    """Gradient ascent on the minimum of five Gaussian-head networks' means, taken for each design.

    Settings, presets and deviations as in `gradient-ascent`, but for its epochs on Superconductor.
    """

    spec = MethodSpec(
        id="gradient-ascent-min",
        version=1,
        kind="surrogate",
        title="Gradient ascent, ensemble minimum",
        paper="arXiv 2202.08450",
        code="brandontrabucco/design-baselines @785dbcf",
        year=2022,
        spaces=("continuous", "sequence", "mixed"),
        composable=True,
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = PRESETS

    members: int = 5
    aggregation: str = "min"
