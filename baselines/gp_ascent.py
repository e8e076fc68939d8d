"""Gradient ascent on the posterior mean of a Gaussian process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from bbo.method import Method, MethodSpec, setting
from bbo.problem import Problem
from bbo.surrogates.gaussian_process import fit, fit_likelihood


@dataclass(frozen=True)
class GPAscent(Method):
    """Plain gradient ascent on a GP's posterior mean from the best visible designs.

    An RBF kernel with one lengthscale; lengthscale, variance and noise by marginal likelihood (gpytorch and botorch) on a random
    subset, the posterior on a larger one that always holds the best designs. No paper: the textbook method, as the plain
    counterpart of ROOT's GP family.
    """

    spec = MethodSpec(id="gp-ascent", version=1, kind="surrogate", title="Gradient ascent on a Gaussian process")

    likelihood_rows: int = setting(1000, "random visible rows of the likelihood fit", low=2)
    points: int = setting(
        8000, "visible rows of the posterior: half of them the best, the rest random; all where there are fewer", low=2
    )
    steps: int = setting(200, "gradient steps", low=0)
    step_size: float = setting(
        0.002, "step, so that it does not depend on how inputs are scaled", unit="squared lengthscales", above=0
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
        problem.note(lengthscale=kernel.lengthscale, variance=kernel.variance, noise=kernel.noise)

        best = problem.best(min(self.points // 2, count))
        rest = shuffled[~torch.isin(shuffled, best)][: self.points - len(best)]
        chosen = torch.cat([best, rest])
        posterior = fit(data.x[chosen], data.y[chosen], kernel)

        x = data.x[problem.starts()]
        for step in range(self.steps):
            x = x + self.step_size * kernel.lengthscale**2 * posterior.mean_and_gradient(x)[1]
            problem.progress(step + 1, self.steps, partial(data.decode, x))
        return data.decode(x)
