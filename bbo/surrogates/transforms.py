"""Monotone transforms of scores: a model of the transformed scores has the same best design, but may be easier to learn."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1


def z_scores(y: Tensor) -> Tensor:
    """Scores (N,) with mean 0 and deviation 1, float64; zeros where all are alike."""
    centred = y.double() - y.double().mean()
    deviation = centred.square().mean().sqrt()
    return centred / torch.where(deviation > 0, deviation, torch.ones_like(deviation))


def normal_ranks(y: Tensor) -> Tensor:
    """Normal quantiles of the ranks of scores (N,), z-scored, float64; equal scores share the middle of their ranks."""
    _, place, count = torch.unique(y, return_inverse=True, return_counts=True)
    middle = (count.cumsum(0) - count / 2).double() / len(y)
    return z_scores((math.sqrt(2) * torch.erfinv(2 * middle - 1))[place])


TRANSFORMS: dict[str, Callable[[Tensor], Tensor]] = {"none": z_scores, "ranks": normal_ranks}
