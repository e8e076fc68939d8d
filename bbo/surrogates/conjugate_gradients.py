"""Kernel systems of thousands of rows, solved by preconditioned conjugate gradients where a Cholesky factor takes ten times as long."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bbo.device import on_host
from bbo.errors import NumericalError

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

    def times(v: Tensor) -> Tensor:
        return (kernel @ v.float()).double() + noise * v

    found, residual, done = torch.zeros_like(goal), goal, 0
    while done < MOST_ITERATIONS:
        size = residual.norm()
        if holds(size <= limit):
            return found
        enough = torch.clamp(0.5 * limit / size, min=STEP)
        change, iterations, _ = descend(times, residual / size, enough, LOOK, MOST_ITERATIONS - done, precondition)
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


def descend(
    times: Callable[[Tensor], Tensor],
    goal: Tensor,
    limit: Tensor,
    look: int,
    most: int,
    precondition: Callable[[Tensor], Tensor] = lambda v: v,
) -> tuple[Tensor, int, bool]:
    """Conjugate gradients for A x = goal from x = 0: x (N,), how many iterations that took, and whether they converged.

    Args:
        times: v (N,) to A v.
        goal: (N,), in the precision that is used.
        limit: size of the residual, by their own account, that is small enough, ().
        look: iterations between two looks at that, which each wait for the device.
        most: iterations, at most.
        precondition: v (N,) to an approximation of A^-1 v.
    """
    found, residual, done = torch.zeros_like(goal), goal, 0
    z = precondition(residual)
    direction, rho = z, residual @ z
    while done < most:
        image = times(direction)
        step = ratio(rho, direction @ image)
        found = found + step * direction
        residual = residual - step * image
        done += 1
        if done % look == 0 and holds(residual.norm() <= limit):
            return found, done, True
        z = precondition(residual)
        before, rho = rho, residual @ z
        direction = z + ratio(rho, before) * direction
    return found, done, False


def holds(small: Tensor) -> bool:
    """What a residual's size says: whether it is small enough."""
    return bool(on_host(small, "whether the conjugate gradients have converged, every so many iterations", often=True))


def _times(kernel: Tensor, v: Tensor) -> Tensor:
    """K v (N,) in float64, for K in float32."""
    return torch.cat([rows.double() @ v for rows in kernel.split(BLOCK)])


def ratio(a: Tensor, b: Tensor) -> Tensor:
    """a / b, and 0 where b is 0: a system that is solved exactly stands still."""
    return torch.where(b == 0, torch.zeros_like(a), a / b)
