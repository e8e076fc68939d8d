"""Exact Gaussian-process regression on a grid of sequences: the RBF kernel as a Kronecker product.

A space of L positions with C_1, ..., C_L letters is a grid of prod C_p points, and on it the RBF kernel of encoded designs is
variance * K_1 x ... x K_L (Kronecker), with K_p the kernel between the letters of position p. Two consequences, both exact:

- A product with the kernel matrix of all grid points costs two matrix products of the size of the square root of the grid, so the
  visible rows, however many, are fitted by conjugate gradients. Rows with the same design are merged: their mean, with the
  noise divided by their number, gives the same posterior mean.
- The posterior mean at n points of R^d and its gradient cost two products with an (A, B) coefficient matrix, A * B = grid.

Solves are float64, queries float32. The conjugate gradients are preconditioned by the exact inverse on the span of the kernel's
leading eigenvectors: their eigenvalues spread over seven decades, those of the rest hardly over one. On TFBind8 that takes 15 to 60
iterations. Accuracy there (lengthscale 6.35, variance 6.1, noise 0.01, 4096 rows, 2048 query points): against a float64 Cholesky
the mean is off by at most 4e-3 at a scale of 3.8 and the gradient by 2e-4 at a scale of 1.5, all of it the rounding of the
float32 query, where coefficients of size 10^3 cancel; the float32 query of `gaussian_process` is off by 1e-2 and 7e-4. On TFBind10's
grid of 4^10, same kernel and numbers: 1.4e-3 at a scale of 3.5, and 8e-5 at 1.6; `gaussian_process` 8e-3 and 5e-4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from bbo.device import on_host
from bbo.errors import NumericalError
from bbo.surrogates.gaussian_process import RBF

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 2  # 2: the preconditioner of tables that cover two thirds of their grid is computed from the rest

#: Grids up to this many points are handled; on larger ones the coefficient matrix is not worth its cost.
LARGEST_GRID = 2**21
#: At most this many eigenvectors in the preconditioner; its Cholesky factor is cubic in them.
LARGEST_BASIS = 2000


@dataclass(frozen=True)
class Grid:
    """A grid of sequences in encoded coordinates, split into two halves A and B of positions.

    Args:
        letters: number of letters of each position.
        corners: for each position the encoded coordinates (C_p, C_p - 1) of its letters.
        split: number of positions in half A.
    """

    letters: tuple[int, ...]
    corners: tuple[Tensor, ...]
    split: int

    @classmethod
    def of(cls, letters: tuple[int, ...], encoded: Tensor) -> Grid:
        """From `encoded` (max C, d): row c is the encoding of the design with letter min(c, C_p - 1) at every position."""
        columns = torch.split(encoded, [c - 1 for c in letters], dim=1)
        corners = tuple(block[:c].contiguous() for block, c in zip(columns, letters, strict=True))
        sizes = torch.tensor(letters, dtype=torch.float64, device="cpu").log().cumsum(0)
        split = (
            on_host((sizes - sizes[-1] / 2).abs().argmin(), "where the grid is cut in two: computed on the CPU from the space") + 1
        )
        return cls(letters, corners, min(split, len(letters) - 1) or 1)

    @property
    def shape(self) -> tuple[int, int]:
        """(A, B), the numbers of points of the two halves."""
        a = b = 1
        for p, count in enumerate(self.letters):
            a, b = (a * count, b) if p < self.split else (a, b * count)
        return a, b

    @property
    def parts(self) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """The corners of half A's positions and of half B's."""
        return self.corners[: self.split], self.corners[self.split :]

    def halves(self, factors: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Kronecker products of the factors of half A and of half B."""
        return _kron(factors[: self.split]), _kron(factors[self.split :])


def _kron(factors: list[Tensor]) -> Tensor:
    product = factors[0]
    for factor in factors[1:]:
        product = torch.kron(product, factor)
    return product.contiguous()


@dataclass(frozen=True)
class GridData:
    """Visible rows merged by design: grid numbers (m,), mean z-scored scores (m,), rows of each (m,), float64."""

    grid: Grid
    cells: Tensor
    mean: Tensor
    count: Tensor

    @classmethod
    def of(cls, grid: Grid, numbers: Tensor, y: Tensor) -> GridData:
        """From each row's grid number (N,) and score (N,)."""
        cells, inverse, count = torch.unique(numbers, return_inverse=True, return_counts=True)
        total = torch.zeros(len(cells), dtype=torch.float64, device=y.device).index_add_(0, inverse, y.double())
        return cls(grid, cells, total / count, count.double())


@dataclass(frozen=True)
class Half:
    """Encoded points (A, d_A) of one half of a grid, prepared for kernels with any query."""

    points: Tensor
    scaled: Tensor
    offset: Tensor

    @classmethod
    def of(cls, corners: tuple[Tensor, ...], lengthscale: float) -> Half:
        """All combinations of the letters of some positions, the first position slowest."""
        points = corners[0]
        for corner in corners[1:]:
            first, second = points.repeat_interleave(len(corner), dim=0), corner.repeat(len(points), 1)
            points = torch.cat([first, second], dim=1)
        return cls(points, points.T.contiguous() * lengthscale**-2, -0.5 * lengthscale**-2 * points.square().sum(1))

    def kernel(self, q: Tensor, lengthscale: float) -> Tensor:
        """exp(-|q - point|^2 / (2 l^2)) (n, A) for q (n, d_A), built in place."""
        k = torch.addmm(self.offset, q, self.scaled)
        k.sub_(0.5 * lengthscale**-2 * q.square().sum(1, keepdim=True))
        return k.exp_()


@dataclass(frozen=True)
class GridPosterior:
    """Posterior mean g(q) = sum_ij k_A(q, i) W_ij k_B(q, j), W (A, B) the variance times the coefficients; and its gradient."""

    kernel: RBF
    left: Half
    right: Half
    weights: Tensor

    def mean(self, q: Tensor) -> Tensor:
        """Posterior mean (n,) at q (n, d)."""
        left, right = self._kernels(q)
        return ((left @ self.weights) * right).sum(1)

    def mean_and_gradient(self, q: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior mean (n,) and its gradient (n, d) at q (n, d).

        As d/dq k(q, e) = k(q, e) (e - q) / l^2, each half's gradient is a product of kernel shares with that half's points.
        """
        left, right = self._kernels(q)
        left_share = (right @ self.weights.T).mul_(left)
        right_share = (left @ self.weights).mul_(right)
        mean = right_share.sum(1)
        pull = torch.cat([left_share @ self.left.points, right_share @ self.right.points], dim=1)
        return mean, pull.addcmul_(mean[:, None], q, value=-1).mul_(self.kernel.lengthscale**-2)

    def _kernels(self, q: Tensor) -> tuple[Tensor, Tensor]:
        a, b = q.split([self.left.points.shape[1], self.right.points.shape[1]], dim=1)
        return self.left.kernel(a, self.kernel.lengthscale), self.right.kernel(b, self.kernel.lengthscale)


class GridRegression:
    """Fits posteriors with kernels near `centre` to one set of visible rows.

    The preconditioner is computed once, for `centre`; kernels a few per cent away converge as quickly.
    """

    def __init__(self, data: GridData, centre: RBF) -> None:
        self.data, self.centre = data, centre
        grid = data.grid
        pairs = [torch.linalg.eigh(_letter_kernel(corner, centre.lengthscale)) for corner in grid.corners]
        self._left, self._right = grid.halves([vectors for _, vectors in pairs])
        left, right = grid.halves([values[:, None] for values, _ in pairs])
        spectrum = (centre.variance * left * right.T).flatten()
        noise = centre.noise / data.count.mean()
        large = on_host((spectrum > noise).sum(), "the size of the preconditioner's basis, once a fitter", often=True)
        wanted = min(large, LARGEST_BASIS, len(data.cells), len(spectrum))
        values, self._basis = torch.topk(spectrum, max(wanted, 1))
        # Outside the basis the kernel acts like added noise: its remaining trace, spread over the grid.
        rest = (spectrum.sum() - values.sum()) / len(spectrum)
        self._floor = noise + rest
        gram = self._gram()
        gram.diagonal().add_(self._floor / values)
        self._factor, info = torch.linalg.cholesky_ex(gram)
        if row := on_host(info, "whether the preconditioner can be factorised, once a fitter", often=True):
            raise NumericalError(f"the preconditioner of {len(values)} eigenvectors is not positive definite at row {row}")

    def fit(self, kernels: list[RBF], tolerance: float = 1e-5, most: int = 500) -> list[GridPosterior]:
        """Posteriors of several kernels, solved side by side.

        Raises:
            NumericalError: the residual is above `tolerance` after `most` iterations.
        """
        grid, data = self.data.grid, self.data
        halves = [grid.halves([_letter_kernel(corner, k.lengthscale) for corner in grid.corners]) for k in kernels]
        left, right = torch.stack([a for a, _ in halves]), torch.stack([b for _, b in halves])
        variance = torch.tensor([k.variance for k in kernels], dtype=torch.float64, device=data.mean.device)[:, None]
        noise = torch.tensor([k.noise for k in kernels], dtype=torch.float64, device=data.mean.device)[:, None] / data.count

        def product(v: Tensor) -> Tensor:
            table = self._scatter(v)
            return variance * (left @ table @ right.transpose(1, 2)).flatten(1)[:, data.cells] + noise * v

        target = data.mean.expand(len(kernels), -1)
        scale = target.norm(dim=1)
        x = torch.zeros_like(target)
        residual = target.clone()
        z = self._precondition(residual)
        direction = z.clone()
        rho = (residual * z).sum(1, keepdim=True)
        worst = math.inf
        for _ in range(most):
            image = product(direction)
            step = _ratio(rho, (direction * image).sum(1, keepdim=True))
            x = x + step * direction
            residual = residual - step * image
            largest = (residual.norm(dim=1) / scale.clamp(min=1e-300)).max()
            worst = on_host(largest, "whether the conjugate gradients have converged, once an iteration", often=True)
            if worst < tolerance:
                break
            z = self._precondition(residual)
            before, rho = rho, (residual * z).sum(1, keepdim=True)
            direction = z + _ratio(rho, before) * direction
        if not worst < tolerance:
            raise NumericalError(
                f"conjugate gradients on {len(data.cells)} designs reached residual {worst:.1e} after {most} iterations, "
                f"wanted {tolerance:g}, for kernels {kernels} preconditioned for {self.centre}: a larger noise or a shorter lengthscale "
                f"helps, or a fit of fewer rows by a Cholesky factor (setting largest_grid=0 of the methods that have it)"
            )
        tables = self._scatter(variance * x)
        return [
            GridPosterior(
                k, Half.of(grid.corners[: grid.split], k.lengthscale), Half.of(grid.corners[grid.split :], k.lengthscale), w
            )
            for k, w in zip(kernels, tables.float(), strict=True)
        ]

    def _scatter(self, v: Tensor) -> Tensor:
        """Values (b, m) at the visible cells as tables (b, A, B), zero elsewhere."""
        table = v.new_zeros(len(v), self._left.shape[0] * self._right.shape[0])
        table[:, self.data.cells] = v
        return table.view(len(v), *self.data.grid.shape)

    def _to_basis(self, v: Tensor) -> Tensor:
        return (self._left.T @ self._scatter(v) @ self._right).flatten(1)[:, self._basis]

    def _from_basis(self, u: Tensor) -> Tensor:
        table = u.new_zeros(len(u), self._left.shape[0] * self._right.shape[0])
        table[:, self._basis] = u
        table = table.view(len(u), *self.data.grid.shape)
        return (self._left @ table @ self._right.T).flatten(1)[:, self.data.cells]

    def _precondition(self, v: Tensor) -> Tensor:
        """(U D U^T + floor I)^-1 v by Woodbury's identity, with U the basis at the visible cells."""
        inner = torch.cholesky_solve(self._to_basis(v).T, self._factor).T
        return (v - self._from_basis(inner)) / self._floor

    def _gram(self) -> Tensor:
        """U^T U (r, r) of the basis vectors at the visible cells; in float32, since it affects only the number of iterations.

        The vectors are orthonormal over the grid, so where most of it is visible, the few other cells give I - U^T U at less cost.
        """
        cells, size = self.data.cells, self._left.shape[0] * self._right.shape[0]
        if len(cells) <= 2 * (size - len(cells)):
            return self._gram_at(cells)
        hidden = torch.ones(size, dtype=torch.bool, device=cells.device).index_fill_(0, cells, False).nonzero()[:, 0]
        return torch.eye(len(self._basis), dtype=torch.float64, device=cells.device) - self._gram_at(hidden)

    def _gram_at(self, cells: Tensor) -> Tensor:
        columns = self._right.shape[0]
        rows = torch.div(cells, columns, rounding_mode="floor")
        left = self._left.float()[rows][:, torch.div(self._basis, columns, rounding_mode="floor")]
        u = left.mul_(self._right.float()[cells % columns][:, self._basis % columns])
        return (u.T @ u).double()


def _ratio(a: Tensor, b: Tensor) -> Tensor:
    """The quotient a / b, and 0 where b is 0: a system that is solved exactly stays as it is while the others go on."""
    return torch.where(b == 0, torch.zeros_like(a), a / b)


def _letter_kernel(corner: Tensor, lengthscale: float) -> Tensor:
    """Kernel (C, C) between the letters of one position, float64."""
    distances = torch.cdist(corner.double(), corner.double(), compute_mode="donot_use_mm_for_euclid_dist")
    return (-0.5 * (distances / lengthscale) ** 2).exp()
