"""A generator and a critic that both know the score: a conditional Wasserstein GAN with gradient penalty, on weighted rows.

brandontrabucco/design-baselines @785dbcf, `mins/nets.py` and `mins/trainers.py`, method "wasserstein".
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from bbo.surrogates.networks import Dense

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1


class Conditional(nn.Module):
    """Three hidden layers with layer normalisation and LeakyReLU(0.2); an embedding of the score enters every layer."""

    def __init__(self, inputs: int, hidden: int, outputs: int, generator: Generator) -> None:
        super().__init__()
        self.embedding = Dense(1, hidden, generator)
        self.layers = nn.ModuleList(Dense(width + hidden, hidden, generator) for width in (inputs, hidden, hidden))
        # Keras' epsilon.
        self.norms = nn.ModuleList(nn.LayerNorm(hidden, eps=1e-3, device=generator.device) for _ in range(3))
        self.last = Dense(2 * hidden, outputs, generator)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Inputs x (n, inputs) and scores y (n,) to outputs (n, outputs)."""
        score = self.embedding(y[:, None])
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = F.leaky_relu(norm(layer(torch.cat([x, score], 1))), 0.2)
        return self.last(torch.cat([x, score], 1))


def penalty(critic: Callable[[Tensor, Tensor], Tensor], real: Tensor, fake: Tensor, y: Tensor, share: Tensor) -> Tensor:
    """(1 - |gradient of the critic|)^2 (n,) at share * real + (1 - share) * fake; differentiable in the critic's weights.

    Args:
        real, fake: designs (n, k). y: scores (n,). share: (n,), in [0, 1].
    """
    between = (share[:, None] * real + (1 - share[:, None]) * fake).detach().requires_grad_()
    slope = torch.autograd.grad(critic(between, y).sum(), between, create_graph=True)[0]
    return (1 - (slope.square().sum(1) + 1e-12).sqrt()).square()  # a norm has no slope at 0


def critic_loss(
    critic: Callable[[Tensor, Tensor], Tensor], real: Tensor, fake: Tensor, y: Tensor, share: Tensor, size: float
) -> Tensor:
    """critic(fake) - critic(real) + size * penalty (n,), which the critic minimises."""
    gap = critic(fake, y)[:, 0] - critic(real, y)[:, 0]
    return gap + size * penalty(critic, real, fake, y, share)
