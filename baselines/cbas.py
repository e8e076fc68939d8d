"""Conditioning by adaptive sampling."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from bbo.generative.density_ratio import log_exceedance, log_ratio, scaled
from bbo.generative.diffusion_training import loss_facts
from bbo.generative.vae import VAE, LetterVAE, VectorVAE, epochs, train
from bbo.method import Method, MethodSpec, setting
from bbo.problem import Problem
from bbo.space import Sequence
from bbo.surrogates import losses
from bbo.surrogates.diagnostics import Surrogate, mixture
from bbo.surrogates.networks import MLP, Embedded, Ensemble, spawn
from bbo.surrogates.training import Fitted, TrainingSettings, fit

#: Maps the model of the data and the adapted one to the ensemble for the next round.
Refocus = Callable[[VAE, VAE], Ensemble]

FAST: dict[str, Any] = {
    "hidden": 128,
    "embedding": 8,
    "batch_size": 256,
    "learning_rate": 1e-3,
    "max_updates": 250,
    "vae_rate": 1e-3,
    "vae_updates": 600,
    "rounds": 10,
    "online_epochs": 4,
}
SMOKE: dict[str, Any] = {
    "hidden": 16,
    "embedding": 4,
    "batch_size": 256,
    "learning_rate": 3e-3,
    "max_updates": 10,
    "latent": 4,
    "vae_rate": 1e-2,
    "vae_updates": 20,
    "rounds": 4,
    "online_epochs": 5,
    "samples": 300,
}


@dataclass(frozen=True)
class CbAS(TrainingSettings, Method):
    """A variational autoencoder, adapted round by round to designs that an ensemble finds good and the data find likely.

    arXiv 1901.10060; brandontrabucco/design-baselines @785dbcf, `cbas`. p is a VAE of the visible designs, q starts as its copy. A
    round draws z from N(0, I) and x from q(x | z), weighs each by p(x | z) / q(x | z) * P(y >= gamma), where gamma is the 80th
    percentile of the round's predicted means and P that of the ensemble's mixture, and trains q on the weighted draws. At the end
    `budget` designs are drawn from q, with their noise. Gamma is computed again each round, as in the authors' code; in the paper it
    only rises. x and y are z-scored on a box; sequences enter as letters, through an embedding.

    Reorganised with the same result: the ensemble's members are one batched model; a round's draws are one batch, not ten.

    Deviations: weights are kept as logarithms and scaled so that the largest is 1, so that ratios over many letters do not overflow.
    A batch's loss is divided by the sum of its weights, so each batch counts the same; the authors take the mean of weight times loss,
    so theirs count in proportion to their weights. A batch whose weights are all below 1e-30 trains on nothing. The first autoencoder
    trains on all rows and each round on all its draws (the authors' code sets 200 aside both times and does not use them).
    Positions may have different numbers of letters.
    """

    spec = MethodSpec(
        id="cbas",
        version=2,
        kind="generative",
        title="CbAS",
        paper="arXiv 1901.10060",
        code="brandontrabucco/design-baselines @785dbcf, cbas",
        year=2019,
        composable=True,
    )
    # Fast: half the width, small letter vectors, few batches with larger steps, half the rounds.
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {},
        "paper:tfbind10": {"vae_epochs": 100},
        "fast": FAST,
        "smoke": SMOKE,
    }

    hidden: int = 256
    layers: int = 1
    epochs: int = 100
    batch_size: int = 100
    validation: int = 200
    members: int = setting(5, "networks in the ensemble", low=1)
    embedding: int = setting(256, "numbers in a letter's vector, for sequences", low=1)
    latent: int = setting(32, "numbers in a code of the autoencoders", low=1)
    beta: float = setting(1.0, "weight of the codes' divergence from their prior", low=0)
    vae_rate: float = setting(3e-4, "step size of Adam for the autoencoders", above=0)
    vae_batch: int = setting(100, "rows in a batch of the autoencoders' training", low=1)
    vae_epochs: int = setting(200, "passes of the first autoencoder over the visible rows", low=1)
    vae_updates: int = setting(0, "no more batches than this in that training; 0 for no cap", low=0)
    rounds: int = setting(20, "rounds of drawing, weighing and training", low=0)
    samples: int = setting(1000, "designs drawn in a round", low=2)
    online_epochs: int = setting(10, "passes over a round's draws", low=1)
    quantile: float = setting(0.8, "of a round's predicted means, which is the score to be exceeded", low=0, high=1)

    def propose(self, problem: Problem) -> Tensor:
        """Return `budget` designs, drawn from the adapted autoencoder."""
        x, generator = self.designs(problem), problem.generator
        fitted = self.train_ensemble(problem)
        fitted.warn_if_useless(x, problem.encoded().y)
        p = self.autoencoder(problem)
        batches = epochs(len(x), self.vae_batch, self.vae_epochs, self.vae_updates, generator)
        found = train(p, self._adam(p), x, torch.ones_like(problem.y), batches, self.beta, generator)
        problem.note(**fitted.history.facts(), vae_loss=loss_facts(found))
        q = copy.deepcopy(p)
        optimiser, refocus, ensemble = self._adam(q), self.refocus(problem, fitted), fitted.ensemble
        rounds, thresholds = [], []
        for done in range(self.rounds):
            drawn, weight, threshold = self.weighted_draws(ensemble, p, q, generator)
            batches = epochs(self.samples, self.vae_batch, self.online_epochs, 0, generator)
            rounds.append(train(q, optimiser, drawn, weight, batches, self.beta, generator).mean())
            thresholds.append(threshold)
            ensemble = refocus(p, q)
            problem.progress(done + 1, self.rounds)
        if rounds:
            problem.note(round_loss=loss_facts(torch.stack(rounds)), thresholds=loss_facts(torch.stack(thresholds)))
        with torch.no_grad():
            designs = q.draw(q.prior(problem.budget, generator), generator)
        return designs if self._letters(problem) else problem.encoded().decode(designs)

    @torch.no_grad()
    def weighted_draws(self, ensemble: Ensemble, p: VAE, q: VAE, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Designs (samples, ...) of a round, their weights (samples,), and the score to be exceeded ()."""
        z = q.prior(self.samples, generator)
        x = q.draw(z, generator)
        outputs = ensemble(x)
        threshold = outputs[..., 0].mean(0).quantile(self.quantile)
        return x, scaled(log_ratio(p, q, x, z) + log_exceedance(outputs, threshold)), threshold

    def refocus(self, problem: Problem, fitted: Fitted) -> Refocus:
        """The ensemble for the next round: unchanged."""
        return lambda p, q: fitted.ensemble

    def surrogate(self, problem: Problem) -> Surrogate:
        """The ensemble as first trained, for `bbo diagnose`."""
        data, fitted = problem.encoded(), self.train_ensemble(problem)
        letters = self._letters(problem)
        return Surrogate(lambda x: mixture(fitted.ensemble(data.decode(x) if letters else x)), fitted.history.facts())

    def train_ensemble(self, problem: Problem) -> Fitted:
        """The ensemble that predicts scores."""
        data, letters = problem.encoded(), self._letters(problem)
        network: Callable[[torch.Generator], nn.Module] = partial(MLP, data.dim, self.widths, gaussian=True)
        if letters:
            network = partial(Embedded, max(letters), len(letters), self.embedding, self.widths, gaussian=True)
        return fit(
            network,
            self.designs(problem),
            data.y,
            self.plan(bootstrap=True),
            losses.nll,
            spawn(problem.generator, self.members),
            self.regulariser(self.members, problem.device),
            progress=problem.progress,
        )

    def autoencoder(self, problem: Problem) -> VAE:
        """A fresh autoencoder of the problem's designs."""
        letters = self._letters(problem)
        if letters:
            return LetterVAE(letters, self.embedding, self.widths, self.latent, problem.generator)
        return VectorVAE(problem.encoded().dim, self.widths, self.latent, problem.generator)

    def designs(self, problem: Problem) -> Tensor:
        """What ensemble and autoencoders read: letters (N, L), or z-scored vectors (N, d) of a box."""
        return problem.x if self._letters(problem) else problem.encoded().x

    def _letters(self, problem: Problem) -> tuple[int, ...]:
        return problem.space.letters if isinstance(problem.space, Sequence) else ()

    def _adam(self, vae: VAE) -> torch.optim.Adam:
        return torch.optim.Adam(vae.parameters(), self.vae_rate, eps=1e-7, fused=True)
