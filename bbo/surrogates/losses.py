"""Losses of surrogate training, in the form `bbo.surrogates.training` takes. Outputs are (K, B, k), scores (K, B)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from bbo.surrogates.training import Batch, BatchLoss, Loss, Predict

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1


def weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """sum(w v) / sum(w) of (K, B) over the batch; 0 where all weights are 0."""
    total = weight.sum(1)
    return (weight * values).sum(1) / torch.where(total > 0, total, torch.ones_like(total))


def gaussian_nll(outputs: Tensor, y: Tensor) -> Tensor:
    """Negative log likelihood (K, B) of scores under N(outputs[..., 0], exp(outputs[..., 1])^2)."""
    mean, log_std = outputs.unbind(-1)
    return 0.5 * ((y - mean) * torch.exp(-log_std)).square() + log_std + 0.5 * math.log(2 * math.pi)


def squared_error(outputs: Tensor, y: Tensor) -> Tensor:
    """Squared error (K, B) of the predicted means."""
    return (outputs[..., 0] - y).square()


def _row_wise(values: Callable[[Tensor, Tensor], Tensor]) -> Loss:
    def loss(predict: Predict, batch: Batch) -> BatchLoss:
        return lambda outputs, _: weighted_mean(values(outputs, batch.y), batch.weight)

    return loss


#: Mean negative log likelihood of a network with `gaussian` outputs.
nll: Loss = _row_wise(gaussian_nll)
#: Mean squared error.
mse: Loss = _row_wise(squared_error)
