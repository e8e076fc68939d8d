"""Gaussian processes on small sequence spaces: the posterior means of all designs at once.

Kernels of the number of mismatches, as in `bbo.surrogates.mismatches`, which is for larger spaces.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bbo.errors import NumericalError
from bbo.space import Sequence
from bbo.surrogates.conjugate_gradients import descend, holds
from bbo.surrogates.two_scale_gaussian_process import TwoScales

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 3  # 3: tables with many visible designs are solved for in the basis of the designs

#: Spaces of up to this many designs are handled as a table of all of them.
LARGEST_TABLE = 2**21
#: Positions are transformed in groups of up to this many combinations of letters: small matrices, few passes over the table.
GROUP = 16
TOLERANCE = 1e-4
#: With more visible designs than this, `table` solves in the basis: an iteration then costs a third, and there are fewer.
MANY = 2**17
#: Residual of that system, which its small eigenvalues need to be lower; and how far float32 goes between two looks in float64.
BASIS_TOLERANCE, BASIS_STEP = 2e-6, 1e-4
MOST_ITERATIONS = 2000
#: Iterations between two looks at the residual, which each wait for the device.
LOOK = 20


def small(space: Sequence) -> bool:
    """Whether `table` can handle the space."""
    return space.size <= LARGEST_TABLE


def design(space: Sequence, numbers: Tensor) -> Tensor:
    """The designs (n, L) with numbers (n,), as `Space.key` gives them; on their device."""
    return torch.stack(torch.unravel_index(numbers, space.letters), 1)


def table(space: Sequence, designs: Tensor, y: Tensor, kernel: TwoScales) -> Tensor:
    """Exact posterior means (number of designs,) of all designs of a small space, given designs (N, L) and scores y (N,); float64.

    All rows are used: those of one design are merged into their mean, with the noise divided by their number, which gives the
    same posterior. The kernel matrix of all designs is a sum of Kronecker products over positions, and the eigenvectors of
    each factor (ones, and what is orthogonal to ones) do not depend on the lengthscale. So the sum is diagonal in one basis, into
    which a vector is carried position by position. Conjugate gradients in float64, preconditioned by the inverse of
    (share of designs that are visible) * K + noise in that basis, which float32 is good enough for. With more than `MANY` visible
    designs the unknowns are the coefficients in the basis instead (`_in_basis`).

    Raises:
        NumericalError: the residual did not fall below the tolerance.
    """
    numbers = space.key(designs)
    cells, inverse, count = torch.unique(numbers, return_inverse=True, return_counts=True)
    target = torch.zeros(len(cells), dtype=torch.float64, device=y.device).index_add_(0, inverse, y.double()) / count
    noise = kernel.noise / count.double()
    basis = _basis(space, y.device)
    spectrum = _spectrum(space, kernel, y.device)
    total = len(spectrum)
    if len(cells) > MANY:
        return _in_basis(cells, target, noise, spectrum, basis)
    weight = 1 / (spectrum * (len(cells) / total) + noise.mean())

    def filtered(v: Tensor, factors: Tensor, basis: list[Tensor]) -> Tensor:
        """V diag(factors) V^T v for values v (m,) at the cells, at all designs; V the eigenvectors."""
        spread = v.new_zeros(total).index_copy_(0, cells, v)
        return _transform(_transform(spread, basis) * factors, [u.T for u in basis])

    low_weight, low_basis = weight.float(), [u.float() for u in basis]

    def preconditioned(v: Tensor) -> Tensor:
        return filtered(v.float(), low_weight, low_basis)[cells].double()

    def times(v: Tensor) -> Tensor:
        return filtered(v, spectrum, basis)[cells] + noise * v

    coef, _, converged = descend(times, target, TOLERANCE * target.norm(), LOOK, MOST_ITERATIONS, preconditioned)
    if converged:
        return filtered(coef, spectrum, basis)
    raise NumericalError(
        f"conjugate gradients on {len(cells)} designs did not converge in {MOST_ITERATIONS} iterations; a larger noise helps"
    )


def _in_basis(cells: Tensor, target: Tensor, noise: Tensor, spectrum: Tensor, basis: list[Tensor]) -> Tensor:
    """What `table` returns, from the mean scores `target` (n,) of the designs `cells` (n,), with noise (n,).

    The posterior mean V a minimises sum_cells (V a - target)^2 / noise + sum a^2 / spectrum. Its normal equations, scaled to a unit
    diagonal (on average over the cells), have eigenvalues between nearly 0 and a few, so float32 serves for conjugate gradients; they start
    again from a residual in float64 until that is small. An iteration carries one vector into the basis and back; there is nothing to
    precondition.

    Raises:
        NumericalError: the residual did not fall below the tolerance.
    """
    weight = torch.zeros_like(spectrum).index_copy_(0, cells, 1 / noise)
    scale = (weight.mean() + 1 / spectrum).rsqrt()
    own = scale.square() / spectrum
    back = [u.T.contiguous() for u in basis]
    goal = scale * _transform(torch.zeros_like(spectrum).index_copy_(0, cells, target / noise), basis)
    system = (weight, scale, own, basis, back)
    low = (weight.float(), scale.float(), own.float(), [u.float() for u in basis], [u.float() for u in back])

    found, limit, done = torch.zeros_like(goal), BASIS_TOLERANCE * goal.norm(), 0
    while done < MOST_ITERATIONS:
        residual = goal - _normal(found, *system)
        size = residual.norm()
        if holds(size <= limit):
            return _transform(scale * found, back)
        enough = torch.clamp(0.5 * limit / size, min=BASIS_STEP).float()
        change, iterations, _ = descend(lambda v: _normal(v, *low), (residual / size).float(), enough, LOOK, MOST_ITERATIONS - done)
        done += iterations
        found += size * change.double()
    raise NumericalError(
        f"conjugate gradients on {len(cells)} designs did not converge in {MOST_ITERATIONS} iterations; a larger noise helps"
    )


def _normal(v: Tensor, weight: Tensor, scale: Tensor, own: Tensor, basis: list[Tensor], back: list[Tensor]) -> Tensor:
    """The scaled normal equations' matrix times coefficients v (number of designs,)."""
    return _transform(_transform(scale * v, back).mul_(weight), basis).mul_(scale).addcmul_(own, v)


def _basis(space: Sequence, device: torch.device) -> list[Tensor]:
    """Orthonormal eigenvectors of groups of consecutive positions, as columns; in each position ones come first."""
    groups: list[Tensor] = []
    for count in space.letters:
        frame = torch.eye(count, dtype=torch.float64, device=device)
        frame[:, 0] = 1
        own = torch.linalg.qr(frame)[0]
        if groups and len(groups[-1]) * count <= GROUP:
            groups[-1] = torch.kron(groups[-1], own)
        else:
            groups.append(own)
    return groups


def _spectrum(space: Sequence, kernel: TwoScales, device: torch.device) -> Tensor:
    """Eigenvalues (number of designs,) in the order of the basis."""
    parts = []
    for part in kernel.parts:
        values = torch.full((1,), part.variance, dtype=torch.float64, device=device)
        match = math.exp(-0.5 / part.lengthscale**2)
        for count in space.letters:
            own = torch.full((count,), 1 - match, dtype=torch.float64, device=device)
            own[0] += count * match
            values = torch.kron(values, own)
        parts.append(values)
    return torch.stack(parts).sum(0)


def _transform(v: Tensor, factors: list[Tensor]) -> Tensor:
    """v (number of designs,) times the Kronecker product of factors: each group's axis, in turn, goes from first to last."""
    for factor in factors:
        v = (v.view(len(factor), -1).T @ factor).flatten()
    return v
