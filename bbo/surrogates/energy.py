"""A surrogate with two heads, prediction and energy, for ARCOO: energy is low on the data and high where ascent of the prediction leads.

After zhuyiyi-123/SOO-Bench @db9fba5, `unconstraint/ARCOO`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from bbo.search.ascent import gradient_of
from bbo.surrogates import losses
from bbo.surrogates.networks import Dense
from bbo.surrogates.training import Batch, BatchLoss, Predict

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1

#: Share of the hidden units that training drops.
DROPPED = 0.2
#: Noise of the first step towards a negative, which falls to 0 over the steps.
NOISE = 1e-3


class TwoHeads(nn.Module):
    """One hidden layer for both heads, and in each head one more with a residual connection; ReLU.

    Attributes:
        kept: what of the hidden layers is kept in training (3, B, hidden), 0 or 1 / (1 - DROPPED); None keeps all.

    Args:
        dim: d. hidden: width of every layer. generator: source of the weights.
    """

    kept: Tensor | None

    def __init__(self, dim: int, hidden: int, generator: Generator) -> None:
        super().__init__()
        self.kept = None
        self.hidden = hidden
        self.trunk = Dense(dim, hidden, generator)
        self.inner = nn.ModuleList(Dense(hidden, hidden, generator) for _ in range(2))
        self.outer = nn.ModuleList(Dense(hidden, 1, generator) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """Designs (n, d) to predicted score and energy (n, 2)."""
        kept = self.kept if self.kept is not None else (1.0, 1.0, 1.0)
        shared = F.relu(self.trunk(x) * kept[0])
        heads = zip(self.inner, self.outer, kept[1:], strict=True)
        return torch.cat([outer(F.relu(inner(shared) * keep) + shared) for inner, outer, keep in heads], dim=1)

    def drop(self, rows: int, generator: Generator) -> None:
        """Draw what is kept for a batch of this many rows."""
        draw = torch.rand(3, rows, self.hidden, generator=generator, device=generator.device)
        self.kept = (draw >= DROPPED) / (1 - DROPPED)

    def keep_all(self) -> None:
        """Drop nothing from here on."""
        self.kept = None


@dataclass
class EnergyLoss:
    """Squared error of the prediction, plus the energy's contrastive divergence: mean(E+) - mean(E-) + mean(E+^2) + mean(E-^2).

    E+ is the energy at the batch, E- where `steps` noisy ascent steps of the prediction of size `step_size` lead from it. Sample
    weights are ignored.
    """

    network: TwoHeads
    generator: Generator
    steps: int
    step_size: float

    def __call__(self, predict: Predict, batch: Batch) -> BatchLoss:
        """Return the loss (K,) of a batch, with fresh noisy ascent steps to the negatives."""
        self.network.keep_all()
        gradient = gradient_of(lambda x: predict(x)[..., 0])
        x = batch.x
        for step in range(self.steps):
            noise = torch.randn(x.shape, generator=self.generator, device=x.device)
            x = x + NOISE * (self.steps - step - 1) / self.steps * noise
            x = x + self.step_size * gradient(x)
        self.network.drop(x.shape[1], self.generator)

        def loss(outputs: Tensor, predict: Predict) -> Tensor:
            data, ascended = outputs[..., 1], predict(x)[..., 1]
            divergence = (data - ascended + data.square() + ascended.square()).mean(1)
            return losses.squared_error(outputs, batch.y).mean(1) + divergence

        return loss

    def squared_error(self, predict: Predict, batch: Batch) -> BatchLoss:
        """The loss on held-out rows: squared error of the whole network."""
        self.network.keep_all()
        return losses.mse(predict, batch)


def gate(energy: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Share of a full step (n,) that designs of some energy (n,) may take: 1 at `low`, 0 at `high`, linear between.

    Where energy does not rise from low to high it says nothing about risk, and steps are full.
    """
    share = ((high - energy) / torch.where(high > low, high - low, 1.0)).clamp(0, 1)
    return torch.where(high > low, share, 1.0)
