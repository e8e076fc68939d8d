"""Variational autoencoders of designs, trained with weighted rows: vectors with Gaussian noise, or sequences of letters.

brandontrabucco/design-baselines @785dbcf, `cbas/nets.py` and `cbas/trainers.py`: Keras' initial weights, LeakyReLU(0.3), log standard
deviations squashed between two trainable bounds that start at log 0.1 and log 0.2. Deviation: the encoder's deviation is exp(log std),
where their code has softplus(log std), which is nearly the same between these bounds.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from bbo.generative.letters import gumbel
from bbo.surrogates.losses import weighted_mean
from bbo.surrogates.networks import Dense

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1


class Stack(nn.Module):
    """Dense layers with LeakyReLU(0.3) between them."""

    def __init__(self, widths: Sequence[int], generator: Generator) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Dense(a, b, generator) for a, b in itertools.pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        """Inputs (n, first width) to outputs (n, last width)."""
        for layer in self.layers[:-1]:
            x = F.leaky_relu(layer(x), 0.3)
        return self.layers[-1](x)


class Bounds(nn.Module):
    """Squashes log standard deviations between two trainable bounds."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.low = nn.Parameter(torch.full((1,), math.log(0.1), device=device))
        self.high = nn.Parameter(torch.full((1,), math.log(0.2), device=device))

    def forward(self, log_std: Tensor) -> Tensor:
        """Any numbers to numbers about between the bounds, elementwise."""
        log_std = self.high - F.softplus(self.high - log_std)
        return self.low + F.softplus(log_std - self.low)


class VAE(nn.Module):
    """What both kinds share. A subclass has `features`, `log_prob` and `draw`.

    Attributes:
        latent: numbers in a code z.
    """

    encoder: Stack
    encoder_bounds: Bounds

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.latent = latent

    def features(self, x: Tensor) -> Tensor:
        """What the encoder reads (n, k) of designs."""
        raise NotImplementedError

    def log_prob(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x | z) (n,) of designs and codes z (n, latent)."""
        raise NotImplementedError

    def draw(self, z: Tensor, generator: Generator) -> Tensor:
        """Designs drawn from p(x | z), one for each code (n, latent)."""
        raise NotImplementedError

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation (n, latent) of the codes of designs."""
        mean, log_std = self.encoder(self.features(x)).chunk(2, dim=1)
        return mean, self.encoder_bounds(log_std)

    def code(self, x: Tensor, generator: Generator) -> Tensor:
        """Codes (n, latent) drawn for designs."""
        mean, log_std = self.encode(x)
        return mean + log_std.exp() * torch.randn(mean.shape, generator=generator, device=mean.device)

    def prior(self, count: int, generator: Generator) -> Tensor:
        """Codes (count, latent) from N(0, I)."""
        return torch.randn(count, self.latent, generator=generator, device=generator.device)

    def negative_elbo(self, x: Tensor, beta: float, generator: Generator) -> Tensor:
        """-log p(x | z) + beta * KL(q(z | x), N(0, I)) (n,), with one z for each design."""
        mean, log_std = self.encode(x)
        z = mean + log_std.exp() * torch.randn(mean.shape, generator=generator, device=mean.device)
        divergence = 0.5 * (mean.square() + (2 * log_std).exp() - 2 * log_std - 1).sum(1)
        return -self.log_prob(x, z) + beta * divergence


class VectorVAE(VAE):
    """Designs x (n, d) with independent Gaussian noise."""

    def __init__(self, dim: int, hidden: Sequence[int], latent: int, generator: Generator) -> None:
        super().__init__(latent)
        self.encoder, self.encoder_bounds = Stack([dim, *hidden, 2 * latent], generator), Bounds(generator.device)
        self.decoder, self.decoder_bounds = Stack([latent, *hidden, 2 * dim], generator), Bounds(generator.device)

    def features(self, x: Tensor) -> Tensor:
        """Designs (n, d), unchanged."""
        return x

    def _moments(self, z: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = self.decoder(z).chunk(2, dim=1)
        return mean, self.decoder_bounds(log_std)

    def log_prob(self, x: Tensor, z: Tensor) -> Tensor:
        """Gaussian log p(x | z) (n,), summed over the d coordinates."""
        mean, log_std = self._moments(z)
        return -(0.5 * ((x - mean) * torch.exp(-log_std)).square() + log_std + 0.5 * math.log(2 * math.pi)).sum(1)

    def draw(self, z: Tensor, generator: Generator) -> Tensor:
        """Vectors (n, d) from N(mean(z), std(z)^2)."""
        mean, log_std = self._moments(z)
        return mean + log_std.exp() * torch.randn(mean.shape, generator=generator, device=mean.device)


class LetterVAE(VAE):
    """Sequences x (n, L) of letters, int64, independent given the code; positions may have different numbers of letters.

    The encoder reads a vector of `width` numbers for each letter, side by side.
    """

    absent: Tensor

    def __init__(self, letters: Sequence[int], width: int, hidden: Sequence[int], latent: int, generator: Generator) -> None:
        super().__init__(latent)
        most, length, device = max(letters), len(letters), generator.device
        self.vectors = nn.Parameter(torch.empty(most, width, device=device))
        nn.init.uniform_(self.vectors, -0.05, 0.05, generator=generator)
        self.encoder, self.encoder_bounds = Stack([length * width, *hidden, 2 * latent], generator), Bounds(device)
        self.decoder = Stack([latent, *hidden, length * most], generator)
        counts = torch.tensor(letters, device=device)
        self.register_buffer("absent", torch.arange(most, device=device) >= counts[:, None])

    def features(self, x: Tensor) -> Tensor:
        """The letters' vectors (n, L * width), side by side."""
        return self.vectors[x].flatten(1)

    def logits(self, z: Tensor) -> Tensor:
        """Log probabilities (n, L, most letters) of letters, given codes; -inf where a position has no such letter."""
        table = self.decoder(z).unflatten(1, tuple(self.absent.shape))
        return table.masked_fill(self.absent, -math.inf).log_softmax(2)

    def log_prob(self, x: Tensor, z: Tensor) -> Tensor:
        """Log probability (n,) of the letters x (n, L), summed over positions."""
        return self.logits(z).gather(2, x[..., None])[..., 0].sum(1)

    def draw(self, z: Tensor, generator: Generator) -> Tensor:
        """Letters (n, L), int64, drawn at each position by their probabilities."""
        table = self.logits(z)
        return (table + gumbel(table, generator)).argmax(2)


def train(
    vae: VAE,
    optimiser: torch.optim.Optimizer,
    x: Tensor,
    weight: Tensor,
    batches: Iterable[Tensor],
    beta: float,
    generator: Generator,
) -> Tensor:
    """Minimise the weighted mean of the negative ELBO over `batches` of row numbers; losses (number of batches,).

    Args:
        x: designs (N, ...). weight: of rows (N,); scaled within each batch, so only ratios matter.
        optimiser: optimizer of the VAE's parameters, so that its state outlives a call.
    """
    losses = []
    for rows in batches:
        value = weighted_mean(vae.negative_elbo(x[rows], beta, generator)[None], weight[rows][None])[0]
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        losses.append(value.detach())
    return torch.stack(losses)


def epochs(rows: int, batch: int, count: int, most: int, generator: Generator) -> Iterable[Tensor]:
    """Row numbers of the batches of `count` epochs, each in a new order; no more than `most` batches where that is above 0."""
    done = 0
    for _ in range(count):
        order: Any = torch.randperm(rows, generator=generator, device=generator.device)
        for chosen in order.split(batch):
            if most and done >= most:
                return
            done += 1
            yield chosen
