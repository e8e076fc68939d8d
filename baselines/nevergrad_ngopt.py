"""Nevergrad's NGOpt on an ensemble of networks."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from bbo.method import Method, MethodSpec, setting
from bbo.problem import Problem, on_host
from bbo.search.evolution import best_distinct
from bbo.surrogates.diagnostics import Surrogate
from bbo.surrogates.gaussian_ensemble import FAST, SMOKE, GaussianEnsemble, diagnosed, mean_of


@dataclass(frozen=True)
class NevergradNGOpt(GaussianEnsemble, Method):
    """Nevergrad's NGOpt, which picks its own algorithm, on the mean of five Gaussian-head networks, from the best visible design.

    NGOpt ("Black-Box Optimization Revisited", arXiv 2010.04542; facebookresearch/nevergrad) chooses an optimizer by dimension, budget and
    number of workers: CMA-ES, differential evolution, a quasi-Newton method or a chain of several. Here it maximises the surrogate of
    Design-Bench's searches over z-scored designs (logits for sequences), starting at the best visible one; no paper of this field
    publishes settings for it, so these are ours. Designs are the best different ones, after decoding, of all that it asked for and of
    the best visible ones.

    A batch of candidates is asked for, then scored in one call of the networks and told. Its random numbers come from a generator of its
    own, seeded by the problem's. Scores depend on the version of the package, which is not part of the method's version.
    """

    spec = MethodSpec(
        id="nevergrad-ngopt",
        version=1,
        kind="search",
        title="Nevergrad's NGOpt",
        paper="arXiv 2010.04542",
        code="facebookresearch/nevergrad 1.0.12",
        year=2020,
        requires=("nevergrad",),
        extra="nevergrad",
        composable=True,
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {},
        "fast": {**FAST, "evaluations": 2000},
        "smoke": {**SMOKE, "evaluations": 200, "workers": 20},
    }

    evaluations: int = setting(10_000, "candidates that it may ask for", low=1)
    workers: int = setting(100, "candidates that it asks for at once", low=1)

    def propose(self, problem: Problem) -> Tensor:
        """Return `budget` designs, the best it found, best first."""
        import nevergrad

        data, fitted = problem.encoded(), self.train(problem)
        value = partial(mean_of, fitted.ensemble)
        kept = problem.x[problem.best(problem.budget)]
        values = value(data.encode(kept))
        seed = torch.randint(2**31, (1,), generator=problem.generator, device=problem.device)
        start = np.array(on_host(data.x[problem.best(1)[0]], "the start, for a library that works in NumPy"))
        space = nevergrad.p.Array(init=start)
        space.random_state = np.random.RandomState(int(on_host(seed, "the library's seed, once")[0]))
        search = nevergrad.optimizers.NGOpt(space, self.evaluations, self.workers)
        done = 0
        while done < self.evaluations:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that its choice of algorithm is inefficient, that a step is large
                asked = [search.ask() for _ in range(min(self.workers, self.evaluations - done))]
                x = torch.tensor(np.stack([one.value for one in asked]), dtype=torch.float32, device=problem.device)
                found = value(x)
                for one, loss in zip(asked, on_host(-found, "for a library that works in NumPy", often=True), strict=True):
                    search.tell(one, loss)
            designs = data.decode(x)
            pool, scores = torch.cat([kept, designs]), torch.cat([values, value(data.encode(designs))])
            kept, values = best_distinct(pool, scores, problem.budget)
            done += len(asked)
            problem.progress(done, self.evaluations, kept)
        return kept[torch.arange(problem.budget, device=problem.device) % len(kept)]

    def surrogate(self, problem: Problem) -> Surrogate:
        """The trained ensemble, for `bbo diagnose`: an equal mixture of its members."""
        return diagnosed(self.train(problem))
