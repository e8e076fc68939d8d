"""Several Gaussian processes on the same points as one posterior mean: their average costs no more than its different lengthscales."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bbo.surrogates.gaussian_process import RBF, Posterior
from bbo.surrogates.quadratic_kernel import QuadraticScales, Trend
from bbo.surrogates.two_scale_gaussian_process import coefficients, inducing_coefficients

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1


@dataclass(frozen=True)
class Committee:
    """Fitted kernels with their coefficients (N,) at common points x (N, d)."""

    x: Tensor
    kernels: tuple[QuadraticScales, ...]
    coefs: tuple[Tensor, ...]

    @classmethod
    def fitted(
        cls, x: Tensor, targets: Sequence[Tensor], kernels: Sequence[QuadraticScales], inducing: Tensor | None = None
    ) -> Committee:
        """Each kernel conditioned on x (N, d) and its own scores (N,): exactly, or through inducing points (M, d).

        Raises:
            NumericalError: a matrix has no Cholesky factor.
        """
        pairs = zip(kernels, targets, strict=True)
        if inducing is None:
            coefs = tuple(coefficients(x, y, kernel) for kernel, y in pairs)
        else:
            coefs = tuple(inducing_coefficients(x, y, kernel, inducing) for kernel, y in pairs)
        return cls(x if inducing is None else inducing, tuple(kernels), coefs)

    def of(self, numbers: Iterable[int]) -> Committee:
        """Some of them."""
        chosen = list(numbers)
        return Committee(self.x, tuple(self.kernels[i] for i in chosen), tuple(self.coefs[i] for i in chosen))

    def parts(self) -> tuple[Posterior, ...]:
        """RBF parts of the average, one for each lengthscale: kernels of one lengthscale are one kernel with summed coefficients."""
        sums: dict[float, Tensor] = {}
        for kernel, coef in zip(self.kernels, self.coefs, strict=True):
            for part in kernel.parts:
                if part.variance:
                    share = coef * (part.variance / len(self.kernels))
                    sums[part.lengthscale] = sums[part.lengthscale] + share if part.lengthscale in sums else share
        return tuple(Posterior.of(RBF(lengthscale, 1.0, 0.0), self.x, coef) for lengthscale, coef in sums.items())

    def trend(self) -> Trend | None:
        """Quadratic part of the average; None where no kernel has one."""
        if not any(kernel.trend for kernel in self.kernels):
            return None
        weighted = [coef * (kernel.trend / len(self.kernels)) for kernel, coef in zip(self.kernels, self.coefs, strict=True)]
        return Trend.of(self.x, torch.stack(weighted).sum(0))


def inducing_count(rows: int, products: float, least: int) -> int:
    """How many inducing points M a budget of rows * M^2 products pays for; at least `least`, at most `rows`."""
    return min(rows, max(least, int(math.sqrt(products / rows))))
