"""NEMO: ascent of the expected score under conditional normalised maximum likelihood."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from bbo.method import Method, MethodSpec, setting
from bbo.problem import Problem
from bbo.search.adam_ascent import adam_from
from bbo.search.ascent import gradient_of
from bbo.surrogates.diagnostics import Surrogate
from bbo.surrogates.networks import MLP, spawn
from bbo.surrogates.normalised_likelihood import BinLoss, Bins, Models
from bbo.surrogates.training import Fitted, TrainingSettings, fit


@dataclass(frozen=True)
class Nemo(TrainingSettings, Method):
    """Ascends the expected score where one model for every possible score, fitted as if the designs had it, has its say.

    "Offline Model-Based Optimization via Normalized Maximum Likelihood Estimation" (arXiv 2102.07970, ICLR 2021), after the paper's
    summary: no code was found, and the text was not read in full.

    What is theirs: scores are cut into K bins; K models are kept, and model k also trains on (current designs, bin k); p(k | x) is
    p_k(k | x) normalised over k (`bbo.surrogates.normalised_likelihood`); the chance of a bin is a difference of offset sigmoids
    about one predicted mean; in each step all models take one gradient step and designs one step up the expected score; predictions
    come from slow averages of the weights.

    What is our choice: 20 bins of equal width from the lowest to the highest visible score, the outer ones open, with a logistic
    scale of one bin; two hidden layers of 256; one network is trained on the table first and all K start from it, so that they
    differ by their beliefs alone; the designs share the K models, and count together as one row of the batch; averages follow by
    0.05 a step; 200 steps of Adam, 1e-3 on a box and 0.1 for sequences, as later works ascend; last iterate returned; x and y
    z-scored.

    All K models are one batched network, and all designs one batch. `+ignite` and its like regularise the first network's training,
    not the steps that the K models take in the search.
    """

    spec = MethodSpec(
        id="nemo",
        version=1,
        kind="surrogate",
        title="NEMO, normalised maximum likelihood",
        paper="arXiv 2102.07970",
        year=2021,
        composable=True,
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {},
        # Smaller than the default settings: a quarter of the width, half the bins, at most 300 batches, half the steps, twice as
        # long.
        "fast": {
            "hidden": 64,
            "bins": 10,
            "learning_rate": 1e-3,
            "max_updates": 300,
            "steps": 100,
            "step_size_box": 2e-3,
            "step_size_sequence": 0.2,
        },
        "smoke": {
            "hidden": 16,
            "bins": 4,
            "batch_size": 256,
            "learning_rate": 3e-3,
            "max_updates": 20,
            "steps": 20,
            "step_size_box": 0.02,
            "step_size_sequence": 0.3,
        },
    }

    hidden: int = 256
    validation: int = 0
    bins: int = setting(20, "K, bins of the score, and models", low=2)
    softness: float = setting(1.0, "scale of the logistic distribution", unit="bins", above=0)
    belief: float = setting(1.0, "rows of a batch that the designs count as when model k trains on bin k for them", low=0)
    model_rate: float = setting(3e-4, "Adam's step for the models in the search", above=0)
    follow: float = setting(0.05, "share by which the averaged weights follow in each step", above=0, high=1)
    steps: int = setting(200, "steps of the search", low=0)
    step_size_box: float = setting(1e-3, "Adam's step for designs on a box", unit="deviations of x", above=0)
    step_size_sequence: float = setting(0.1, "Adam's step for designs of sequences", unit="deviations of the logits", above=0)

    def propose(self, problem: Problem) -> Tensor:
        """Return `budget` designs: the best visible ones, moved up the expected score while the models learn what they could be."""
        data = problem.encoded()
        fitted, bins = self.train(problem)
        problem.note(**fitted.history.facts())
        models = Models(fitted.ensemble, bins, self.model_rate, self.follow, self.belief)
        slope = gradient_of(models.expected)

        def gradient(x: Tensor) -> Tensor:
            size = (min(self.batch_size, len(data.y)),)
            rows = torch.randint(len(data.y), size, generator=problem.generator, device=problem.device)
            models.step(data.x[rows], data.y[rows], x)
            return slope(x)

        step_size = self.step_size_box if problem.space.kind == "continuous" else self.step_size_sequence
        return adam_from(problem, gradient, data.x[problem.starts()], self.steps, step_size)

    def surrogate(self, problem: Problem) -> Surrogate:
        """The network that all models start from, for `bbo diagnose`; it predicts no standard deviation."""
        fitted, _ = self.train(problem)
        return Surrogate(lambda x: (fitted.ensemble.mean(x)[0], None), fitted.history.facts())

    def train(self, problem: Problem) -> tuple[Fitted, Bins]:
        """One network trained on the bins of the visible table, z-scored, and the bins."""
        data = problem.encoded()
        bins = Bins.between(data.y.min(), data.y.max(), self.bins, self.softness)
        fitted = fit(
            partial(MLP, data.dim, self.widths, activation="relu"),
            data.x,
            data.y,
            self.plan(),
            BinLoss(bins),
            spawn(problem.generator, 1),
            self.regulariser(1, problem.device),
            progress=problem.progress,
        )
        return fitted, bins
