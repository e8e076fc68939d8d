"""The accuracy of a fitted surrogate on designs whose scores are known."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from scipy.stats import spearmanr
from torch import Tensor

from bbo.device import on_host

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1

#: Held-out rows below which nothing is said of a surrogate.
FEWEST = 10


@dataclass(frozen=True)
class Surrogate:
    """A fitted surrogate, as a method would use it.

    Attributes:
        predict: z-scored designs (n, d) to z-scored mean (n,) and standard deviation (n,), or None where it has none.
        history: facts of its training, epoch by epoch (see `bbo.surrogates.training.History.facts`).
    """

    predict: Callable[[Tensor], tuple[Tensor, Tensor | None]]
    history: dict[str, Any] = field(default_factory=dict)


def mixture(outputs: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (n,) of the equal mixture of K Gaussians with outputs (K, n, 2): mean and log deviation."""
    means, deviations = outputs[..., 0], outputs[..., 1].exp()
    mean = means.mean(0)
    return mean, ((means - mean).square() + deviations.square()).mean(0).sqrt()


def accuracy(mean: Tensor, std: Tensor | None, y: Tensor) -> dict[str, float | None]:
    """Root mean squared error, mean negative log likelihood (None without std), and Spearman's rank correlation of predictions.

    All arguments (n,), in the same unit, which is also the unit of `rmse`. Spearman is None where either side is constant.
    """
    mean, y = mean.double(), y.double()
    nll = None
    if std is not None:
        std = std.double()
        nll = (0.5 * ((y - mean) / std).square() + std.log() + 0.5 * math.log(2 * math.pi)).mean().item()
    return {"rmse": (mean - y).square().mean().sqrt().item(), "nll": nll, "spearman": spearman(mean, y)}


def spearman(a: Tensor, b: Tensor) -> float | None:
    """Rank correlation of a and b (n,), ties at their mean rank; None where either is constant."""
    if min(len(torch.unique(a)), len(torch.unique(b))) < 2:
        return None
    return float(spearmanr(a.cpu().numpy(), b.cpu().numpy()).statistic)


def warn_if_useless(predicted: Tensor, y: Tensor) -> None:
    """Warn where predictions of rows that a surrogate was not fitted to are no better than the mean of the visible scores.

    Args:
        predicted: z-scored predictions (..., n).
        y: z-scored scores (..., n); no warning where n is below `FEWEST`.
    """
    if y.shape[-1] < FEWEST:
        return
    errors = torch.stack([(predicted - y).square().mean(), y.square().mean()])
    own, of_mean = on_host(errors, "whether the surrogate is of any use, once")
    if not own < of_mean:
        warnings.warn(
            f"the surrogate predicts rows that it was not fitted to no better than the mean of all scores does (mean squared error "
            f"{own:.3g}, of the mean {of_mean:.3g}, in z-scores): what it says of new designs is worth little",
            stacklevel=3,
        )
