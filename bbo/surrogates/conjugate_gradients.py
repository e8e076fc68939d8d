"""Kernel systems of thousands of rows, solved by preconditioned conjugate gradients where a Cholesky factor takes ten times as long."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bbo.errors import NumericalError
from bbo.problem import on_host

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1

#: Size of the residual that is left, relative to that of the scores.
TOLERANCE = 1e-6
#: How far float32 goes between two looks at the residual in float64.
STEP = 1e-3
MOST_ITERATIONS = 1000
#: Iterations between two looks at the size of the residual, which each wait for the device.
LOOK = 5
#: One row in this many stands for all in the preconditioner.
THINNING = 20
#: Added to the diagonal of those rows' kernel matrix: some may be alike.
JITTER = 1e-6
#: Rows of the kernel matrix that are held in float64 at once.
BLOCK = 512


def solve(kernel: Tensor, noise: float, y: Tensor) -> Tensor:
    """(K + noise I)^-1 y (N,), float64, given K (N, N) in float32 and y (N,).

    Almost all products with K are done in float32. What rounding they leave is taken away by starting again from the residual,
    computed in float64, until that is small. The preconditioner is Nystrom's approximation of K (Williams and Seeger, 2001) from every
    20th row, plus a diagonal: the noise and what the approximation misses of K's.

    Raises:
        NumericalError: the residual did not fall below the tolerance.
    """
    goal = y.double()
    limit = TOLERANCE * goal.norm()
    precondition = nystrom(kernel, noise)
    found, residual, done = torch.zeros_like(goal), goal, 0
    while done < MOST_ITERATIONS:
        size = residual.norm()
        if on_host(size <= limit, "whether the conjugate gradients have converged, every so many iterations", often=True):
            return found
        change, iterations = _descend(kernel, noise, residual / size, torch.clamp(0.5 * limit / size, min=STEP), precondition)
        found, done = found + size * change, done + iterations
        residual = goal - _times(kernel, found) - noise * found
    raise NumericalError(
        f"conjugate gradients on {len(y)} rows did not converge in {MOST_ITERATIONS} iterations; a larger noise helps"
    )


def nystrom(kernel: Tensor, noise: float) -> Callable[[Tensor], Tensor]:
    """An approximation of v -> (K + noise I)^-1 v, for v (N,) in float64."""
    count = -(-len(kernel) // THINNING)
    some = kernel[torch.arange(count, device=kernel.device) * THINNING].double()
    own = some[:, torch.arange(count, device=kernel.device) * THINNING]
    own.diagonal().add_(JITTER)
    features = torch.linalg.solve_triangular(torch.linalg.cholesky(own), some, upper=False)
    missed = (kernel.diagonal().double() - features.square().sum(0)).clamp_(min=0).mean()
    diagonal = noise + missed
    gram = features @ features.T
    gram.diagonal().add_(diagonal)
    factor, low = torch.linalg.cholesky(gram), features.float()

    def apply(v: Tensor) -> Tensor:
        inner = torch.cholesky_solve((low @ v.float()).double()[:, None], factor)[:, 0]
        return (v - (low.T @ inner.float()).double()) / diagonal

    return apply


def _descend(
    kernel: Tensor, noise: float, goal: Tensor, limit: Tensor, precondition: Callable[[Tensor], Tensor]
) -> tuple[Tensor, int]:
    """Conjugate gradients from 0 until the residual is below the limit, by their own account; also how many iterations that took."""
    found, residual = torch.zeros_like(goal), goal
    z = precondition(residual)
    direction, rho = z, residual @ z
    done = 0
    while done < MOST_ITERATIONS:
        for _ in range(LOOK):
            image = (kernel @ direction.float()).double() + noise * direction
            step = ratio(rho, direction @ image)
            found = found + step * direction
            residual = residual - step * image
            z = precondition(residual)
            before, rho = rho, residual @ z
            direction = z + ratio(rho, before) * direction
        done += LOOK
        if on_host(
            residual.norm() <= limit, "whether the conjugate gradients have converged, every so many iterations", often=True
        ):
            break
    return found, done


def _times(kernel: Tensor, v: Tensor) -> Tensor:
    """K v (N,) in float64, for K in float32."""
    return torch.cat([rows.double() @ v for rows in kernel.split(BLOCK)])


def ratio(a: Tensor, b: Tensor) -> Tensor:
    """a / b, and 0 where b is 0: a system that is solved exactly stands still."""
    return torch.where(b == 0, torch.zeros_like(a), a / b)
