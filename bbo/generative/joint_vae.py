"""A variational autoencoder of sequences trained together with a value model on its codes, for GABO (arXiv 2402.06532).

After michael-s-yao/gabo @61a44c0. Deviations: perceptrons on logits where it has convolutions over letters; the code's deviation is
exp(log variance / 2), where it has the exponent's sign wrong; LeakyReLU(0.3) for 0.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from bbo.generative.vae import Stack
from bbo.surrogates import losses
from bbo.surrogates.networks import MLP
from bbo.surrogates.training import Batch, BatchLoss, Predict

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1

#: Weight of the divergence from the prior, summed over batch and codes.
DIVERGENCE = 1e-5


class JointVAE(nn.Module):
    """Encoder, decoder and value model.

    Attributes:
        noise: normal numbers (B, latent) by which a batch's codes are drawn; None takes the codes' means.

    Args:
        dim: d, numbers of an encoded design. letters: of each of P positions. latent: numbers of a code. hidden: width of encoder
        and decoder.
        widths: of the value model. generator: source of the weights.
    """

    noise: Tensor | None
    mask: Tensor

    def __init__(
        self, dim: int, letters: Sequence[int], latent: int, hidden: int, widths: Sequence[int], generator: Generator
    ) -> None:
        super().__init__()
        self.noise = None
        self.encoder = Stack((dim, hidden, 2 * latent), generator)
        self.decoder = Stack((latent, hidden, len(letters) * max(letters)), generator)
        self.value = MLP(latent, widths, generator)
        count = torch.tensor(letters, device=generator.device)
        self.mask = torch.where(torch.arange(max(letters), device=generator.device) < count[:, None], 0.0, -1e9)

    def forward(self, x: Tensor) -> Tensor:
        """Encoded designs (n, d) to predicted score, divergence, and the letters' logits (n, 2 + P C) of a drawn code."""
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        z = mean if self.noise is None else mean + (log_variance / 2).exp() * self.noise
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1, keepdim=True)
        return torch.cat([self.value(z), divergence, self.decoder(z)], dim=1)

    def encode(self, x: Tensor) -> Tensor:
        """Means of the codes (n, latent) of encoded designs (n, d)."""
        return self.encoder(x).chunk(2, dim=1)[0]

    def decode(self, z: Tensor) -> Tensor:
        """The most likely sequences (n, P) of codes (n, latent)."""
        return (self.decoder(z).unflatten(1, self.mask.shape) + self.mask).argmax(2)


@dataclass
class JointLoss:
    """Cross entropy of the letters, `DIVERGENCE` times the codes' divergence summed over the batch, and squared error of the score.

    `batch.y` (K, B, 1 + P) holds scores and letters. Each batch draws fresh noise for the codes of `network`. Sample weights are ignored.
    """

    network: JointVAE
    latent: int
    generator: Generator

    def __call__(self, predict: Predict, batch: Batch) -> BatchLoss:
        """The loss of one batch; draws the noise that it depends on."""
        y, letters = batch.y[..., 0], batch.y[..., 1:].long()
        self.network.noise = torch.randn(y.shape[1], self.latent, generator=self.generator, device=y.device)

        def loss(outputs: Tensor, _: Predict) -> Tensor:
            logits = outputs[..., 2:].unflatten(-1, self.network.mask.shape) + self.network.mask
            entropy = F.cross_entropy(logits.flatten(0, 2), letters.flatten(), reduction="none").view(letters.shape)
            return entropy.mean((1, 2)) + DIVERGENCE * outputs[..., 1].sum(1) + losses.squared_error(outputs, y).mean(1)

        return loss

    def squared_error(self, predict: Predict, batch: Batch) -> BatchLoss:
        """The loss on held-out rows: squared error at the codes' means."""
        self.network.noise = None
        return losses.mse(predict, Batch(batch.x, batch.y[..., 0], torch.ones_like(batch.y[..., 0])))
