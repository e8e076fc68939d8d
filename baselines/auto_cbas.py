"""Autofocused conditioning by adaptive sampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from bbo.baselines.cbas import FAST, SMOKE, CbAS, Refocus
from bbo.generative.density_ratio import log_ratio, scaled
from bbo.generative.vae import VAE, epochs
from bbo.method import MethodSpec, setting
from bbo.problem import Problem
from bbo.surrogates import losses
from bbo.surrogates.networks import Ensemble
from bbo.surrogates.training import Batch, Fitted, adam, objective, step


@dataclass(frozen=True)
class AutoCbAS(CbAS):
    """CbAS that continues the ensemble's training after each round, weighting rows by how likely the adapted autoencoder draws them.

    arXiv 2006.08052; brandontrabucco/design-baselines @785dbcf, `autofocused_cbas`. After each round of `cbas` the ensemble sees the
    visible rows for 10 more epochs, each row weighted by q(x) / p(x), so that it becomes accurate where q now draws.

    What the authors' code got wrong, and what is done here: it compares q(x | z) and p(x | z) at codes z drawn from N(0, I), which have
    nothing to do with x, so that the weights are noise. Here z is drawn from p's encoder at x (`codes=encoded`); `codes=prior` is
    the released behaviour. Weights are kept as logarithms and scaled, as in `cbas`; they multiply no bootstrap counts in these epochs,
    and a batch's loss is divided by their sum, where theirs is divided by the sum of the batch's bootstrap counts.

    `+ignite`, `+ignite2`, `+sam` and `+boss` regularise these epochs as well; the record shows the first training.
    """

    spec = MethodSpec(
        id="auto-cbas",
        version=1,
        kind="generative",
        title="Autofocused CbAS",
        paper="arXiv 2006.08052",
        code="brandontrabucco/design-baselines @785dbcf, autofocused_cbas",
        year=2020,
        composable=True,
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {},
        "paper:tfbind10": {"vae_epochs": 100},
        "fast": {**FAST, "focus_updates": 20},
        "smoke": {**SMOKE, "focus_updates": 10},
    }

    codes: str = setting(
        "encoded",
        "where the ratio of densities is taken: at codes of the rows, or at codes from the prior",
        choices=("encoded", "prior"),
    )
    focus_epochs: int = setting(10, "passes of the ensemble over the visible rows after each round", low=0)
    focus_updates: int = setting(0, "no more batches than this after each round; 0 for no cap", low=0)

    def refocus(self, problem: Problem, fitted: Fitted) -> Refocus:
        """Continue the ensemble's training with the rows' new weights; all rounds share one optimizer and one regulariser."""
        x, y, generator = self.designs(problem), problem.encoded().y, problem.generator
        params = {name: p.clone().requires_grad_() for name, p in fitted.ensemble.params.items()}
        optimiser, regulariser = adam(params, self.learning_rate), self.regulariser(self.members, problem.device)

        def after_round(p: VAE, q: VAE) -> Ensemble:
            weight = self.row_weights(x, p, q, generator)
            for rows in epochs(len(x), self.batch_size, self.focus_epochs, self.focus_updates, generator):
                batch = Batch(*(v[rows].expand(self.members, *v[rows].shape) for v in (x, y, weight)))
                step(objective(fitted.ensemble, params, batch, losses.nll), params, regulariser, optimiser)
            return Ensemble(fitted.ensemble.template, {name: p.detach().clone() for name, p in params.items()})

        return after_round

    @torch.no_grad()
    def row_weights(self, x: Tensor, p: VAE, q: VAE, generator: torch.Generator, chunk: int = 4096) -> Tensor:
        """Weights (N,) of the visible rows x, proportional to an estimate of q(x) / p(x); the largest is 1."""
        parts = []
        for rows in x.split(chunk):  # a large table's letter probabilities would not fit into memory at once
            z = p.code(rows, generator) if self.codes == "encoded" else p.prior(len(rows), generator)
            parts.append(log_ratio(q, p, rows, z))
        return scaled(torch.cat(parts))
