"""Policies over designs and their score-function gradient (REINFORCE): a batch of samples, no loop over designs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1


@dataclass(frozen=True)
class GaussianPolicy:
    """Independent normal numbers around a trainable mean; the deviation is fixed."""

    deviation: float

    def sample(self, parameters: Tensor, count: int, generator: Generator) -> Tensor:
        """Designs (count, d) at means `parameters` (d,)."""
        noise = torch.randn(count, len(parameters), generator=generator, device=parameters.device)
        return parameters + self.deviation * noise

    def gradient(self, parameters: Tensor, designs: Tensor, weight: Tensor) -> Tensor:
        """Mean (d,) of weight (n,) times the gradient of the log density of designs (n, d)."""
        return (weight[:, None] * (designs - parameters)).mean(0) / self.deviation**2


@dataclass(frozen=True)
class LetterPolicy:
    """Independent letters with trainable logits (L, C); letters that a position has not have logit -inf."""

    def sample(self, parameters: Tensor, count: int, generator: Generator) -> Tensor:
        """Designs (count, L), int64."""
        return torch.multinomial(parameters.softmax(1), count, replacement=True, generator=generator).T

    def gradient(self, parameters: Tensor, designs: Tensor, weight: Tensor) -> Tensor:
        """Mean (L, C) of weight (n,) times the gradient of the log probability of designs (n, L)."""
        share = torch.zeros_like(parameters).scatter_add_(1, designs.T, weight.expand(len(parameters), -1)) / len(designs)
        return share - weight.mean() * parameters.softmax(1)


def standardised(reward: Tensor) -> Tensor:
    """Rewards (n,) less their mean, over their deviation; zero where they are all alike."""
    centred = reward - reward.mean()
    deviation = centred.square().mean().sqrt()
    return centred / torch.where(deviation > 0, deviation, torch.ones_like(deviation))
