"""Gradient ascent on the posterior mean of a Gaussian process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from bbo.method import Method, MethodSpec, setting
from bbo.problem import Problem
from bbo.surrogates.diagnostics import warn_if_useless
from bbo.surrogates.gaussian_process import Posterior, fit, fit_likelihood, leave_one_out

#: Longest step, in lengthscales: on a longer way the mean may rise and fall again unseen.
LONGEST = 0.5


@dataclass(frozen=True)
class GPAscent(Method):
    """Gradient ascent on a GP's posterior mean from the best visible designs.

    Each design climbs with its own step size, halved whenever a step would pass the peak in its direction, so that the slope there
    points back; and no step is longer than half a lengthscale. A fixed size overshoots where the fitted variance is large, since slopes
    grow with it. Slopes decide, not means: those of two near designs then differ by less than float32 carries.

    An RBF kernel with one lengthscale; lengthscale, variance and noise by marginal likelihood (gpytorch and botorch) on a random
    subset, the posterior on a larger one that always holds the best designs. No paper: the textbook method, as the plain
    counterpart of ROOT's GP family.
    """

    spec = MethodSpec(id="gp-ascent", version=2, kind="surrogate", title="Gradient ascent on a Gaussian process")

    likelihood_rows: int = setting(1000, "random visible rows of the likelihood fit", low=2)
    points: int = setting(
        8000, "visible rows of the posterior: half of them the best, the rest random; all where there are fewer", low=2
    )
    steps: int = setting(200, "gradient steps", low=0)
    step_size: float = setting(
        0.002,
        "length factor of a step, halved for a design where it is too long; so that it does not depend on how inputs are scaled",
        unit="squared lengthscales",
        above=0,
    )

    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {},
        "fast": {"likelihood_rows": 500, "points": 2000, "steps": 100, "step_size": 0.004},
        "smoke": {"likelihood_rows": 64, "points": 128, "steps": 50, "step_size": 0.02},
    }

    def propose(self, problem: Problem) -> Tensor:
        """Return `budget` designs: the last iterates, decoded.

        Raises:
            NumericalError: the likelihood fit or the factorisation failed.
        """
        data = problem.encoded()
        count = len(data.y)
        shuffled = torch.randperm(count, generator=problem.generator, device=problem.device)
        rows = shuffled[: self.likelihood_rows]
        kernel = fit_likelihood(data.x[rows], data.y[rows])
        warn_if_useless(leave_one_out(data.x[rows], data.y[rows], kernel), data.y[rows])
        problem.note(lengthscale=kernel.lengthscale, variance=kernel.variance, noise=kernel.noise)

        best = problem.best(min(self.points // 2, count))
        rest = shuffled[~torch.isin(shuffled, best)][: self.points - len(best)]
        chosen = torch.cat([best, rest])
        posterior = fit(data.x[chosen], data.y[chosen], kernel)

        climb = Climb.start(posterior, data.x[problem.starts()], self.step_size * kernel.lengthscale**2)
        for step in range(self.steps):
            climb = climb.next(posterior)
            problem.progress(step + 1, self.steps, partial(data.decode, climb.x))
        return data.decode(climb.x)


@dataclass(frozen=True)
class Climb:
    """Designs x (n, d) on their way up, the posterior mean's gradient (n, d) there, and each design's step size (n, 1)."""

    x: Tensor
    gradient: Tensor
    size: Tensor

    @classmethod
    def start(cls, posterior: Posterior, x: Tensor, size: float) -> Climb:
        return cls(x, posterior.mean_and_gradient(x)[1], torch.full((len(x), 1), size, device=x.device))

    def next(self, posterior: Posterior) -> Climb:
        """One step of each design; where that would pass the peak, no step, and half the size from now on."""
        move = self.size * self.gradient
        longest = LONGEST * posterior.kernel.lengthscale
        x = self.x + move * (longest / move.norm(dim=1, keepdim=True)).clamp(max=1.0)
        _, gradient = posterior.mean_and_gradient(x)
        rising = (gradient * self.gradient).sum(1, keepdim=True) > 0
        return Climb(
            torch.where(rising, x, self.x),
            torch.where(rising, gradient, self.gradient),
            torch.where(rising, self.size, self.size / 2),
        )
