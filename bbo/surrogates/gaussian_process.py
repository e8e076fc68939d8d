"""Exact Gaussian-process regression with an RBF kernel: posterior mean and its gradient in closed form.

k(a, b) = variance * exp(-|a - b|^2 / (2 lengthscale^2)), prior mean 0, independent noise; equations are numbered as in Rasmussen and
Williams, "Gaussian Processes for Machine Learning" (2006). Inputs and scores are expected z-scored.
The factorisation is done in float64 (with noise 0.01 beside a variance of 6 and 10^4 rows the condition number passes what
float32 can represent); everything after it is float32, where a mean of 10^4 terms keeps five digits.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bbo.device import on_host
from bbo.errors import NumericalError

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1


@dataclass(frozen=True)
class RBF:
    """Hyper-parameters of the kernel: lengthscale, signal variance, noise variance."""

    lengthscale: float
    variance: float
    noise: float = 0.01

    def matrix(self, a: Tensor, b: Tensor) -> Tensor:
        """Kernel matrix (n, m) between a (n, d) and b (m, d), in their type."""
        half_squares = a @ b.T - 0.5 * a.square().sum(1, keepdim=True) - 0.5 * b.square().sum(1)
        return half_squares.clamp_(max=0).div_(self.lengthscale**2).exp_().mul_(self.variance)


@dataclass(frozen=True)
class Posterior:
    """Posterior mean g(q) = sum_i coef_i k(q, x_i) (eq. 2.27) and its gradient.

    Kept as three tensors so that one query costs two matrix products and one exponential:
    `scaled` (d, N) is x^T / l^2, `offset` (N,) is -|x_i|^2 / (2 l^2), `weights` (N, 1 + d) is variance * coef * [1, x].
    """

    kernel: RBF
    coef: Tensor
    scaled: Tensor
    offset: Tensor
    weights: Tensor

    @classmethod
    def of(cls, kernel: RBF, x: Tensor, coef: Tensor) -> Posterior:
        """From training inputs x (N, d) and coefficients (K + noise I)^-1 y (N,)."""
        inverse = kernel.lengthscale**-2
        weights = kernel.variance * coef[:, None] * torch.cat([torch.ones_like(coef)[:, None], x], dim=1)
        return cls(kernel, coef, x.T.contiguous() * inverse, -0.5 * inverse * x.square().sum(1), weights)

    def mean(self, q: Tensor) -> Tensor:
        """Posterior mean (n,) at q (n, d)."""
        return self._kernel(q) @ self.weights[:, 0]

    def mean_and_gradient(self, q: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior mean (n,) and its gradient (n, d) at q (n, d).

        grad g(q) = sum_i coef_i k(q, x_i) (x_i - q) / l^2.
        """
        products = self._kernel(q) @ self.weights
        mean = products[:, 0]
        return mean, (products[:, 1:] - mean[:, None] * q) * self.kernel.lengthscale**-2

    def _kernel(self, q: Tensor) -> Tensor:
        """exp(-|q - x|^2 / (2 l^2)) (n, N), built in place."""
        k = torch.addmm(self.offset, q, self.scaled)
        k.sub_(0.5 * self.kernel.lengthscale**-2 * q.square().sum(1, keepdim=True))
        return k.clamp_(max=0).exp_()


def fit(x: Tensor, y: Tensor, kernel: RBF) -> Posterior:
    """Condition the prior on x (N, d) and y (N,).

    Raises:
        NumericalError: the kernel matrix has no Cholesky factor; no jitter is added silently.
    """
    coef = torch.cholesky_solve(y.double()[:, None], _factor(x, kernel))[:, 0]
    return Posterior.of(kernel, x, coef.to(x.dtype))


def leave_one_out(x: Tensor, y: Tensor, kernel: RBF) -> Tensor:
    """Posterior mean (N,) at each row of x (N, d), given all other rows and their scores y (N,).

    y_i - [K^-1 y]_i / [K^-1]_ii (eq. 5.12, K with the noise), so one factorisation serves all rows.

    Raises:
        NumericalError: as for `fit`.
    """
    inverse = torch.cholesky_inverse(_factor(x, kernel))
    return (y.double() - (inverse @ y.double()) / inverse.diagonal()).to(x.dtype)


def _factor(x: Tensor, kernel: RBF) -> Tensor:
    """Lower Cholesky factor (N, N), float64, of K + noise I at x (N, d)."""
    matrix = kernel.matrix(x.double(), x.double())
    matrix.diagonal().add_(kernel.noise)
    factor, info = torch.linalg.cholesky_ex(matrix)
    if row := on_host(info, "whether the factorisation failed, once a posterior", often=True):
        raise NumericalError(
            f"the {len(x)} x {len(x)} kernel matrix (lengthscale {kernel.lengthscale:g}, variance {kernel.variance:g}, noise "
            f"{kernel.noise:g}) is not positive definite at row {row}; a larger noise or a smaller lengthscale helps"
        )
    return factor


def fit_likelihood(x: Tensor, y: Tensor, noise: float | None = None) -> RBF:
    """Lengthscale, variance and (unless given) noise that maximise the marginal likelihood (eq. 5.8) of x (N, d), y (N,).

    One lengthscale for all coordinates, float64, L-BFGS by botorch from lengthscale sqrt(d). A noise that is learned has botorch's prior,
    LogNormal(-4, 1), and is at least 1e-4: with noisy labels it comes out lower, and the lengthscale shorter, than by the likelihood
    alone (thin-film: 3.6 where that has 4.4). Where the fit fails, botorch starts again from draws of the prior, from a generator of
    its own seed here.

    Raises:
        NumericalError: the fit did not converge.
    """
    from botorch.exceptions.errors import ModelFittingError
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from botorch.utils.sampling import manual_seed
    from gpytorch.kernels import RBFKernel, ScaleKernel
    from gpytorch.means import ZeroMean
    from gpytorch.mlls import ExactMarginalLogLikelihood

    base = RBFKernel()
    kernel = ScaleKernel(base)
    targets = y.double()[:, None]
    fixed = None if noise is None else torch.full_like(targets, noise)
    inputs = x.double()
    model = SingleTaskGP(inputs, targets, fixed, covar_module=kernel, mean_module=ZeroMean(), outcome_transform=None)
    model.to(inputs)
    base.lengthscale = x.shape[1] ** 0.5
    kernel.outputscale = 1.0
    try:
        with manual_seed(0):
            fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    except ModelFittingError as error:
        raise NumericalError(f"the likelihood fit on {len(x)} rows of {x.shape[1]} coordinates failed: {error}") from error
    numbers = torch.stack([base.lengthscale.squeeze(), kernel.outputscale.squeeze(), model.likelihood.noise.mean()])
    lengthscale, variance, learned = on_host(numbers, "the kernel's three numbers, once")
    return RBF(lengthscale, variance, learned if noise is None else noise)


def median_distance(x: Tensor) -> float:
    """Median Euclidean distance between pairs of rows of x (N, d); its cost is quadratic in N.

    Raises:
        NumericalError: it is 0, or there are no two rows.
    """
    found = float(on_host(torch.pdist(x).median(), "the distance rule's number, once")) if len(x) > 1 else 0.0
    if not found > 0:
        raise NumericalError(f"most of the {len(x)} designs are alike, so their distances say nothing about a lengthscale")
    return found
