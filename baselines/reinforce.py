"""REINFORCE: a policy over designs, trained on an ensemble of networks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from bbo.method import Method, MethodSpec, setting
from bbo.problem import Problem
from bbo.search.evolution import letter_counts
from bbo.search.policy import GaussianPolicy, LetterPolicy, standardised
from bbo.space import Sequence
from bbo.surrogates.gaussian_ensemble import FAST, SMOKE, GaussianEnsemble, mean_of


@dataclass(frozen=True)
class Reinforce(GaussianEnsemble, Method):
    """A policy over designs, moved by the score-function gradient of an ensemble's mean, and sampled at the end.

    Williams 1992, as in Design-Bench's baselines (arXiv 2202.08450; brandontrabucco/design-baselines @785dbcf, `reinforce`). On a box
    the policy is a normal distribution around the mean of the best visible designs, z-scored, with a fixed deviation: only
    the mean is trained. On sequences it is independent letters, started at the log of how often the best visible designs have them, at
    least 0.001. In each iteration a batch is sampled, its predicted scores are z-scored within the batch, and Adam takes a step; the
    designs are samples of the last policy. Networks read letters through an embedding.

    The gradient is written in closed form (`bbo.search.policy`), the same as autograd's.

    Their Adam rate is 0.01 but on Hopper, 0.1 (`paper:hopper`), and on ChEMBL, 1.0, which is no task here.

    Deviations: on Hopper their ensemble is left untrained (`ensemble_epochs` 0), which cannot be expressed: here it is trained.
    The least probability of 0.001 is ours: theirs is 0, so a letter that none of the best designs has is never sampled.
    """

    spec = MethodSpec(
        id="reinforce",
        version=1,
        kind="search",
        title="REINFORCE",
        paper="arXiv 2202.08450",
        code="brandontrabucco/design-baselines @785dbcf",
        year=2022,
        composable=True,
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {},
        "paper:hopper": {"rate": 0.1},
        # A fifth of the iterations with five times the step; smaller batches on a box.
        "fast": {**FAST, "iterations": 40, "rate": 0.05, "batch_box": 256},
        "smoke": {**SMOKE, "iterations": 10, "rate": 0.1, "batch_box": 64, "batch_sequence": 64},
    }

    iterations: int = setting(200, "steps of the policy", low=0)
    rate: float = setting(0.01, "Adam's step size", above=0)
    deviation: float = setting(0.1, "deviation of the policy on a box", unit="z-scored units", above=0)
    batch_box: int = setting(2048, "samples of an iteration on a box", low=2)
    batch_sequence: int = setting(256, "samples of an iteration on sequences", low=2)

    def propose(self, problem: Problem) -> Tensor:
        """Return `budget` designs, sampled from the trained policy; duplicates may occur."""
        fitted = self.train(problem, letters=True)
        space, data, starts = problem.space, problem.encoded(), problem.starts()
        policy: GaussianPolicy | LetterPolicy
        if isinstance(space, Sequence):
            policy, parameters, batch = LetterPolicy(), first_logits(space, problem.x[starts]), self.batch_sequence
        else:
            policy, parameters, batch = GaussianPolicy(self.deviation), data.x[starts].mean(0), self.batch_box
        decode = (lambda designs: designs) if isinstance(space, Sequence) else data.decode
        optimiser = torch.optim.Adam([parameters], lr=self.rate, eps=1e-7, maximize=True)
        for step in range(1, self.iterations + 1):
            designs = policy.sample(parameters, batch, problem.generator)
            reward = standardised(mean_of(fitted.ensemble, designs))
            parameters.grad = policy.gradient(parameters, designs, reward)
            optimiser.step()
            problem.progress(step, self.iterations, partial(decode, designs[: problem.budget]))
        return decode(policy.sample(parameters, problem.budget, problem.generator))


def first_logits(space: Sequence, designs: Tensor, least: float = 1e-3) -> Tensor:
    """Log shares (L, C) of the letters of designs (n, L), at least log `least`; -inf for letters that a position has not."""
    counts = letter_counts(space, designs.device)
    share = torch.zeros(len(counts), max(space.letters), device=designs.device)
    share.scatter_add_(1, designs.T, torch.full(designs.T.shape, 1 / len(designs), device=designs.device))
    valid = torch.arange(max(space.letters), device=designs.device) < counts[:, None]
    return share.clamp(min=least).log().masked_fill(~valid, -torch.inf)
