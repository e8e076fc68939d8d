"""CMA-ES on an ensemble of networks, one run for each of the best visible designs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from torch import Tensor

from bbo.method import Method, MethodSpec, setting
from bbo.problem import Problem
from bbo.search import cma
from bbo.surrogates.diagnostics import Surrogate
from bbo.surrogates.gaussian_ensemble import FAST, SMOKE, GaussianEnsemble, diagnosed, mean_of


@dataclass(frozen=True)
class CMAES(GaussianEnsemble, Method):
    """CMA-ES on the mean of five Gaussian-head networks, started from each of the best visible designs.

    As in Design-Bench's baselines (arXiv 2202.08450; brandontrabucco/design-baselines @785dbcf, `cma_es`): one independent run for
    every design of the batch, from the best visible ones, with sigma 0.5 and the default population on z-scored designs (logits
    for sequences); the best point each run has seen is returned. No bounds: what leaves the box is clipped on decoding. Mixed spaces
    are ours: numbers scaled, options and letters one-hot; decoding takes the nearest allowed number and the largest option.

    The authors call pycma and the networks once for each candidate; here all runs go in lock-step (`bbo.search.cma`, the formulas of
    pycma), so a generation is one call for all candidates of all runs. The runs stay independent.

    Deviations: pycma's stopping rules (flat or converged runs) are left out, a converged run only goes on; beyond `full_up_to`
    encoded dimensions the covariance is diagonal, because full ones of 128 runs would not fit into memory.

    `embedding`, a setting of the ensemble, is not used by this method: its networks read letters as logits.
    """

    spec = MethodSpec(
        id="cma-es",
        version=2,
        kind="search",
        title="CMA-ES",
        paper="arXiv 2202.08450",
        code="brandontrabucco/design-baselines @785dbcf",
        year=2022,
        spaces=("continuous", "sequence", "mixed"),
        composable=True,
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {},
        "fast": {**FAST, "max_updates": 400, "generations": 20, "full_up_to": 64},
        "smoke": {**SMOKE, "generations": 5},
    }

    sigma: float = setting(0.5, "first step size", unit="z-scored units", above=0)
    generations: int = setting(100, "generations of every run", low=1)
    full_up_to: int = setting(200, "most encoded dimensions with full covariances; diagonal ones beyond", low=1)

    def propose(self, problem: Problem) -> Tensor:
        """Return `budget` designs: the best point of each run, decoded."""
        data = problem.encoded()
        fitted = self.train(problem)
        found, _ = cma.search(
            partial(mean_of, fitted.ensemble),
            data.x[problem.starts()],
            self.sigma,
            self.generations,
            problem.generator,
            diagonal=data.dim > self.full_up_to,
            on_generation=lambda done, x: problem.progress(done, self.generations, partial(data.decode, x)),
        )
        return data.decode(found)

    def surrogate(self, problem: Problem) -> Surrogate:
        """The trained ensemble, for `bbo diagnose`: an equal mixture of its members."""
        return diagnosed(self.train(problem))
