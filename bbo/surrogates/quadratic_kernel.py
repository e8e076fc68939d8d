"""A kernel of two scales with a quadratic trend beside it: what a sum of parabolas, one for each coordinate, can follow.

On z-scored coordinates the trend's kernel is q(a, b) = 1 + psi(a) . psi(b), psi(x) = [x, (x^2 - 1) / sqrt 2] / sqrt(2 d), d the number of
coordinates. A function that is nearly a sum over its coordinates is learnt from few rows, and also beyond them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from bbo.surrogates.gaussian_process import RBF
from bbo.surrogates.two_scale_gaussian_process import TwoScales

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1


@dataclass(frozen=True)
class QuadraticScales(TwoScales):
    """(1 - trend) * two scales + trend * q, and a noise variance."""

    trend: float = 0.0

    @property
    def parts(self) -> tuple[RBF, RBF]:
        """The two RBF kernels, without trend and noise."""
        long, short = super().parts
        return RBF(long.lengthscale, long.variance * (1 - self.trend), 0.0), RBF(
            short.lengthscale, short.variance * (1 - self.trend), 0.0
        )

    def matrix(self, a: Tensor, b: Tensor, halves: Tensor | None = None) -> Tensor:
        """Kernel matrix (n, m) between a (n, d) and b (m, d), float64."""
        matrix = super().matrix(a, b, halves)
        if not self.trend:
            return matrix
        return matrix.mul_(1 - self.trend).add_(trend_matrix(a, b), alpha=self.trend)


def trend_matrix(a: Tensor, b: Tensor) -> Tensor:
    """q (n, m) between a (n, d) and b (m, d), float64."""
    return 1 + _features(a.double()) @ _features(b.double()).T


@dataclass(frozen=True)
class Trend:
    """What the trend adds to a posterior mean: level + linear . x + square . x^2, with `linear` and `square` (d,)."""

    level: Tensor
    linear: Tensor
    square: Tensor

    @classmethod
    def of(cls, x: Tensor, coef: Tensor) -> Trend:
        """sum_i coef_i q(., x_i), from points x (N, d) and coefficients (N,), which hold the trend's variance."""
        d = x.shape[1]
        linear = x.T @ coef / (2 * d)
        square = ((x.square() - 1) / math.sqrt(2)).T @ coef / (2 * d) / math.sqrt(2)
        return cls(coef.sum() - square.sum(), linear, square)

    def mean(self, q: Tensor) -> Tensor:
        """Values (n,) at q (n, d)."""
        return self.level + q @ self.linear + q.square() @ self.square

    def mean_and_gradient(self, q: Tensor) -> tuple[Tensor, Tensor]:
        """Values (n,) and gradients (n, d) at q (n, d)."""
        return self.mean(q), self.linear + 2 * q * self.square


def _features(x: Tensor) -> Tensor:
    return torch.cat([x, (x.square() - 1) / math.sqrt(2)], 1) / math.sqrt(2 * x.shape[1])
