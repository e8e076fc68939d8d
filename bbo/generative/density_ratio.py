"""Importance weights between two generative models, in logarithms, so that products over many letters neither vanish nor explode."""

from __future__ import annotations

import torch
from torch import Tensor

from bbo.generative.vae import VAE

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 2  # 2: weights that are negligible beside the largest are 0

#: Weights below this share of the largest are 0: a training divides by the sum of a batch's weights, and of a batch that has only
#: smaller ones the inverse of the sum overflows in float32.
NEGLIGIBLE = 1e-30


def log_ratio(above: VAE, below: VAE, x: Tensor, z: Tensor) -> Tensor:
    """log above(x | z) - log below(x | z) (n,) of designs and the codes z (n, latent) they go with.

    With z drawn from the prior and x from below(x | z), its exponential is the importance weight of (x, z) for the joint density of
    the other model, since both have the same prior.
    """
    return above.log_prob(x, z) - below.log_prob(x, z)


def log_exceedance(outputs: Tensor, threshold: Tensor) -> Tensor:
    """log P(score >= threshold) (n,) under the equal mixture of K Gaussians with outputs (K, n, 2): mean and log deviation."""
    mean, log_std = outputs.unbind(-1)
    each = torch.special.log_ndtr((mean - threshold) * torch.exp(-log_std))
    return torch.logsumexp(each, 0) - torch.log(torch.full((), len(outputs), device=outputs.device))


def scaled(log_weight: Tensor) -> Tensor:
    """Weights (n,), the largest 1, from their logarithms (n,); where a training divides by their sum, the scale does not matter."""
    weight = torch.exp(log_weight - log_weight.max())
    return weight.masked_fill(weight < NEGLIGIBLE, 0.0)
