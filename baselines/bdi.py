"""BDI: designs learnt by bidirectional regression with an infinitely wide network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from bbo.method import Method, MethodSpec, setting
from bbo.problem import Problem
from bbo.search.adam_ascent import adam_from
from bbo.surrogates.diagnostics import Surrogate
from bbo.surrogates.neural_tangent import NeuralTangent


@dataclass(frozen=True)
class BDI(Method):
    """Learns each design so that it and the visible table predict each other, by kernel regression with an infinitely wide network.

    "Bidirectional Learning for Offline Infinite-width Model-based Optimization" (arXiv 2209.07507, NeurIPS 2022). No network is
    trained: the kernel is the tangent kernel of a ReLU network of six layers, in closed form (`bbo.surrogates.neural_tangent`). A
    design x_h with the label y_h = 10, in deviations of y, is moved by Adam down the sum of

    - forward, the table predicts the label: 1/2 (k(x_h, X) (K + 1e-6 mean(diag K) I)^-1 y - y_h)^2;
    - backward, the design predicts the table: 1/2 sum_i w_i (k(x_i, x_h) / k(x_h, x_h) y_h - y_i)^2 with w = exp(gamma y) / sum
      exp(gamma y).

    Follows the authors' code (GGchen1997/BDI @b670115): with both terms the backward one has no jitter; label, gamma and step sizes
    are those of its README. Nothing is random, so all seeds give the same designs.

    Reorganised: the authors learn the 128 designs one after the other, each with an Adam of its own. Designs do not meet in the
    loss and Adam works number by number, so all are one batch here and take the same steps. The gradient is in closed form: both
    terms share one pass over the kernel, without a graph. The regression of the table does not depend on the seed and is shared by
    all (`problem.shared`).

    Deviations: Adam's first steps are corrected for their start as in torch; the authors start their counter at 1, which makes the
    first steps shorter. No more than `rows` designs enter, evenly spaced by score, since the regression's memory is quadratic in
    them: the published tables have at most 32,898, which as the default needs some 18 GB.
    """

    spec = MethodSpec(
        id="bdi",
        version=1,
        kind="surrogate",
        title="Bidirectional learning",
        paper="arXiv 2209.07507",
        code="GGchen1997/BDI @b670115",
        year=2022,
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {},
        # Smaller than the published settings: at most 1000 rows, and half the steps, twice as long.
        "fast": {"rows": 1000, "steps": 100, "step_size_box": 2e-3, "step_size_sequence": 0.2},
        "smoke": {"rows": 128, "steps": 20, "step_size_box": 0.05, "step_size_sequence": 0.3},
    }

    direction: str = setting("both", "which regressions are used", choices=("both", "forward", "backward"))
    label: float = setting(10.0, "label of the designs that are learnt", unit="deviations of y")
    gamma_box: float = setting(1e-3, "how much better rows weigh in the backward term, on a box", low=0)
    gamma_sequence: float = setting(0.0, "how much better rows weigh in the backward term, for sequences", low=0)
    steps: int = setting(200, "steps of Adam", low=0)
    step_size_box: float = setting(1e-3, "Adam's step size on a box", unit="deviations of x", above=0)
    step_size_sequence: float = setting(0.1, "Adam's step size for sequences", unit="deviations of the logits", above=0)
    layers: int = setting(5, "hidden layers of the infinitely wide network", low=1)
    jitter: float = setting(1e-6, "added to the kernel's diagonal, as a share of its mean", above=0)
    rows: int = setting(33_000, "most rows of the table that are used, evenly spaced by score", low=2)

    def propose(self, problem: Problem) -> Tensor:
        """Return `budget` designs: the best visible ones, moved down both losses."""
        data = problem.encoded()
        box = problem.space.kind == "continuous"
        regression = self.regression(problem)
        return adam_from(
            problem,
            lambda x: -regression.gradient(x, self.label, self.direction),
            data.x[problem.starts()].double(),
            self.steps,
            self.step_size_box if box else self.step_size_sequence,
        )

    def surrogate(self, problem: Problem) -> Surrogate:
        """The regression on the table, for `bbo diagnose`; it predicts no standard deviation."""
        regression = self.regression(problem)
        return Surrogate(lambda x: (regression.predict(x.double()).float(), None), {"rows": len(regression.y)})

    def regression(self, problem: Problem) -> Bidirectional:
        """Both regressions on the visible table."""
        data = problem.encoded()
        rows = _evenly_by_score(data.y, self.rows)
        kernel, y = NeuralTangent.of(data.x[rows], self.layers), data.y[rows].double()
        settings = {"rows": len(rows), "layers": self.layers, "jitter": self.jitter}
        dual = problem.shared("bdi-dual-1", settings, lambda: kernel.solve(y, self.jitter))
        gamma = self.gamma_box if problem.space.kind == "continuous" else self.gamma_sequence
        return Bidirectional(kernel, y, dual, (gamma * y).softmax(0))


@dataclass(frozen=True)
class Bidirectional:
    """Kernel regression from the table to designs and back.

    Attributes:
        y: z-scored scores (N,). dual: (K + jitter)^-1 y (N,). weight: of each row in the backward term (N,), summing to 1. All
        float64.
    """

    kernel: NeuralTangent
    y: Tensor
    dual: Tensor
    weight: Tensor

    def predict(self, x: Tensor) -> Tensor:
        """What the table predicts (n,) at x (n, d)."""
        return torch.cat([self.kernel.meet(part).matrix @ self.dual for part in x.split(1024)])

    def gradient(self, x: Tensor, label: float, direction: str) -> Tensor:
        """Gradient (n, d) of each design's loss at x (n, d).

        With k = k(x, X), own = k(x, x) and e = w (label k / own - y): the backward term's gradient is sum_i label e_i (dk_i / own -
        k_i d own / own^2), and d own = 2 own x / |x|^2, so that both terms need the kernel's gradient once, under added
        coefficients.
        """
        met = self.kernel.meet(x)
        coef, along = torch.zeros_like(met.matrix), torch.zeros_like(met.length)
        if direction != "backward":
            coef += (met.matrix @ self.dual - label)[:, None] * self.dual
        if direction != "forward":
            ratio = met.matrix / met.own[:, None]
            error = label * self.weight * (label * ratio - self.y)
            coef += error / met.own[:, None]
            along = -2 * (error * ratio).sum(1) / met.length
        return met.gradient(coef) + along[:, None] * met.direction


def _evenly_by_score(y: Tensor, most: int) -> Tensor:
    """Row numbers, at most `most`, evenly spaced in the order of y (N,), both ends among them."""
    order = torch.argsort(y, stable=True)
    if len(y) <= most:
        return torch.arange(len(y), device=y.device)
    return order[torch.arange(most, device=y.device) * (len(y) - 1) // (most - 1)]
