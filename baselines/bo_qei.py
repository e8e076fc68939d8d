"""Bayesian optimization with batches, with an ensemble of networks in the place of the experiment."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from bbo.device import on_host
from bbo.method import Method, MethodSpec, setting
from bbo.problem import Problem
from bbo.search.expected_improvement import Round, fitted, hyperparameters, propose
from bbo.surrogates.diagnostics import Surrogate
from bbo.surrogates.gaussian_ensemble import FAST, SMOKE, GaussianEnsemble, diagnosed, mean_of


@dataclass(frozen=True)
class BOqEI(GaussianEnsemble, Method):
    """Rounds of batch Bayesian optimization (botorch) on the best visible designs, answered by an ensemble of networks.

    As in Design-Bench's baselines (arXiv 2202.08450; brandontrabucco/design-baselines @785dbcf, `bo_qei`): a GP with known noise on
    the best visible designs (z-scored; logits for sequences); in each round its likelihood is maximised from where the last round
    ended, a batch that maximises expected improvement over the best score so far is found inside the range of the visible designs, and
    the ensemble's mean plus noise is its score. Proposed are the best of all by these scores: visible designs compete with
    predictions, and often fill the batch.

    Deviations: botorch's present GP and its priors, in float64 (the authors: 2021's, float32); by default the logarithm of the
    expected improvement (arXiv 2310.20708), whose gradient does not vanish where `acquisition = "qei"`, the published one, is flat.

    `embedding`, a setting of the ensemble, is not used by this method: its networks read letters as logits.
    """

    spec = MethodSpec(
        id="bo-qei",
        version=1,
        kind="search",
        title="BO-qEI",
        paper="arXiv 2202.08450",
        code="brandontrabucco/design-baselines @785dbcf",
        year=2022,
        composable=True,
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"acquisition": "qei"},
        "fast": {
            **FAST,
            "points": 128,
            "rounds": 3,
            "batch": 16,
            "samples": 32,
            "restarts": 1,
            "raw": 8,
            "search_steps": 10,
            "fit_steps": 10,
        },
        "smoke": {
            **SMOKE,
            "points": 4,
            "rounds": 1,
            "batch": 8,
            "samples": 8,
            "restarts": 1,
            "raw": 4,
            "search_steps": 3,
            "fit_steps": 3,
        },
    }

    acquisition: str = setting("qlogei", "what is maximised: expected improvement or its logarithm", choices=("qlogei", "qei"))
    points: int = setting(500, "best visible designs that the GP starts with", low=2)
    noise: float = setting(0.1, "deviation of the noise", unit="deviations of y", above=0)
    rounds: int = setting(10, "rounds", low=0)
    batch: int = setting(32, "designs of a round", low=1)
    samples: int = setting(128, "Sobol samples of the expected improvement", low=1)
    restarts: int = setting(10, "starts of the maximisation", low=1)
    raw: int = setting(128, "random batches from which they are chosen", low=1)
    together: int = setting(5, "starts that are maximised together", low=1)
    search_steps: int = setting(200, "most L-BFGS iterations of the maximisation", low=1)
    fit_steps: int = setting(1000, "most L-BFGS iterations of the likelihood fit", low=1)

    def propose(self, problem: Problem) -> Tensor:
        """Return `budget` designs: the best by score, visible or predicted.

        Raises:
            NumericalError: a likelihood fit failed.
        """
        data, generator, device = problem.encoded(), problem.generator, problem.device
        trained = self.train(problem)
        value = partial(mean_of, trained.ensemble)
        seeds = torch.randint(2**31, (max(self.rounds, 1),), generator=generator, device=device)
        plan = Round(self.acquisition, self.batch, self.samples, self.restarts, self.raw, self.together, self.search_steps)
        rows = problem.best(self.points)
        x, y, state = data.x[rows], data.y[rows], None
        low, high = data.x.amin(0), data.x.amax(0)
        bounds = torch.stack([low, torch.where(high > low, high, low + 1e-6)])
        for step, seed in enumerate(on_host(seeds, "botorch takes seeds as numbers; once")[: self.rounds], 1):
            model = fitted(x, y, self.noise**2, self.fit_steps, state)
            state = hyperparameters(model)
            found = propose(model, y.max().double(), bounds, plan, seed).float()
            noise = torch.randn(len(found), generator=generator, device=device)
            x, y = torch.cat([x, found]), torch.cat([y, value(found) + self.noise * noise])
            problem.progress(step, self.rounds, partial(data.decode, found))
        best = torch.argsort(y, descending=True, stable=True)[: problem.budget]
        problem.note(new=on_host((best >= len(rows)).sum(), "designs in the batch that are not visible ones, once"))
        return data.decode(x[problem.repeated(best)])

    def surrogate(self, problem: Problem) -> Surrogate:
        """The trained ensemble, for `bbo diagnose`: an equal mixture of its members."""
        return diagnosed(self.train(problem))
