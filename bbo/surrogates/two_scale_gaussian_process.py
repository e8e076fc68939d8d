"""A Gaussian process whose kernel is a sum of two RBF kernels, a long and a short one, on all rows of a table.

The long one carries a trend into places without data; the short one details where data are dense, and where they are sparse it acts
as noise. Its variance is 1. Up to some number of rows the posterior is exact; beyond that a subset of regressors stands for all.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bbo.device import on_host
from bbo.errors import NumericalError
from bbo.surrogates.gaussian_process import RBF, Posterior

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1

#: Rows whose kernel with the inducing points is held at once.
BLOCK = 4096
#: Added to the diagonal of the inducing points' kernel matrix, which may lie close together.
JITTER = 1e-6


@dataclass(frozen=True)
class TwoScales:
    """k(a, b) = share * exp(-|a - b|^2 / (2 long^2)) + (1 - share) * exp(-|a - b|^2 / (2 short^2)), and a noise variance."""

    long: float
    short: float
    share: float
    noise: float

    @property
    def parts(self) -> tuple[RBF, RBF]:
        """The two kernels, without noise."""
        return RBF(self.long, self.share, 0.0), RBF(self.short, 1 - self.share, 0.0)

    def matrix(self, a: Tensor, b: Tensor, halves: Tensor | None = None) -> Tensor:
        """Kernel matrix (n, m) between a (n, d) and b (m, d), float64; `halves` are `half_squares(a, b)`, if known already.

        Distances keep the type of a and b. In float32 the half squares of d z-scored coordinates are off by about 5e-7 d, so with
        lengthscales of about sqrt(d) the exponents are by 5e-7, far below the noise. What is done with the matrix needs float64.
        """
        halves = half_squares(a, b) if halves is None else halves
        long = (halves.double() / self.long**2).exp_().mul_(self.share)
        return long.add_((halves.double() / self.short**2).exp_(), alpha=1 - self.share)


def half_squares(a: Tensor, b: Tensor) -> Tensor:
    """-|a - b|^2 / 2 (n, m) between a (n, d) and b (m, d)."""
    halves = a @ b.T
    return halves.sub_(0.5 * a.square().sum(1, keepdim=True)).sub_(0.5 * b.square().sum(1)).clamp_(max=0)


@dataclass(frozen=True)
class TwoScalePosterior:
    """Posterior mean: the sum of what the two kernels contribute."""

    parts: tuple[Posterior, ...]

    @classmethod
    def of(cls, kernel: TwoScales, x: Tensor, coef: Tensor) -> TwoScalePosterior:
        """From points x (M, d) and their coefficients (M,).

        Raises:
            TypeError: the kernel has more than two scales, such as a trend, which would be left out.
        """
        if type(kernel) is not TwoScales:
            raise TypeError(
                f"this posterior takes plain TwoScales; got {type(kernel).__name__}; use Committee, which has its other parts"
            )
        return cls(tuple(Posterior.of(part, x, coef) for part in kernel.parts))

    def mean(self, q: Tensor) -> Tensor:
        """Posterior mean (n,) at q (n, d)."""
        return torch.stack([part.mean(q) for part in self.parts]).sum(0)

    def gradient(self, q: Tensor) -> Tensor:
        """Gradient (n, d) of the posterior mean at q (n, d)."""
        return torch.stack([part.mean_and_gradient(q)[1] for part in self.parts]).sum(0)


def fit(x: Tensor, y: Tensor, kernel: TwoScales) -> TwoScalePosterior:
    """The exact posterior given x (N, d) and y (N,).

    Raises:
        NumericalError, TypeError: as `coefficients` and `TwoScalePosterior.of`.
    """
    return TwoScalePosterior.of(kernel, x, coefficients(x, y, kernel))


def fit_inducing(x: Tensor, y: Tensor, kernel: TwoScales, inducing: Tensor) -> TwoScalePosterior:
    """The posterior given x (N, d) and y (N,), through inducing points (M, d).

    Raises:
        NumericalError, TypeError: as `inducing_coefficients` and `TwoScalePosterior.of`.
    """
    return TwoScalePosterior.of(kernel, inducing, inducing_coefficients(x, y, kernel, inducing))


def coefficients(x: Tensor, y: Tensor, kernel: TwoScales) -> Tensor:
    """(K + noise I)^-1 y (N,) at x (N, d), given y (N,); by Cholesky, in float64 as in `gaussian_process`.

    Raises:
        NumericalError: the kernel matrix has no Cholesky factor.
    """
    matrix = kernel.matrix(x, x)
    matrix.diagonal().add_(kernel.noise)
    return torch.cholesky_solve(y.double()[:, None], _factor(matrix))[:, 0].to(x.dtype)


def inducing_coefficients(x: Tensor, y: Tensor, kernel: TwoScales, inducing: Tensor) -> Tensor:
    """Coefficients (M,) at inducing points Z (M, d), given x (N, d) and y (N,): the subset of regressors.

    Mean of coefficients (K_ZX K_XZ + noise K_ZZ)^-1 K_ZX y (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006,
    equation 8.14; Titsias' variational posterior has the same mean). Every row enters, at a cost of N M^2; with Z = X it is exact.
    Solved in float64 with V = L^-1 K_ZX, L the factor of K_ZZ: L^-T (V V^T + noise I)^-1 V y, so that no condition number is squared.

    Raises:
        NumericalError: a matrix has no Cholesky factor.
    """
    own = kernel.matrix(inducing, inducing)
    own.diagonal().add_(JITTER)
    factor = _factor(own)
    gram, target = torch.zeros_like(own), torch.zeros_like(own[0])
    for rows, scores in zip(x.split(BLOCK), y.split(BLOCK), strict=True):
        v = torch.linalg.solve_triangular(factor, kernel.matrix(inducing, rows), upper=False)
        gram.addmm_(v, v.T)
        target.addmv_(v, scores.double())
    gram.diagonal().add_(kernel.noise)
    coef = torch.cholesky_solve(target[:, None], _factor(gram))
    return torch.linalg.solve_triangular(factor.T, coef, upper=True)[:, 0].to(x.dtype)


def _factor(matrix: Tensor) -> Tensor:
    factor, info = torch.linalg.cholesky_ex(matrix)
    row = on_host(info, "whether the factorisation failed, once a matrix")
    if row:
        raise NumericalError(f"a {len(matrix)} x {len(matrix)} matrix is not positive definite at row {row}; a larger noise helps")
    return factor
