"""Posteriors of a family of GPs on one visible table, by the exact algorithm that suits its space.

Small sequence spaces, up to a size that the caller chooses, go through `grid_gaussian_process` (Kronecker structure, conjugate
gradients), all others through `gaussian_process` (Cholesky). Both are the same posterior; only cost and rounding differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from bbo.encoding import Encoded
from bbo.space import Sequence
from bbo.surrogates.gaussian_process import RBF, Posterior, fit
from bbo.surrogates.grid_gaussian_process import LARGEST_GRID, Grid, GridData, GridPosterior, GridRegression

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1

#: Fits kernels near the family's centre, one posterior for each, in order.
Fit = Callable[[list[RBF]], Iterator[Posterior | GridPosterior]]


@dataclass(frozen=True)
class KernelBox:
    """Kernels with lengthscale and variance uniform in a box: `centre` +- `lengthscale_spread`, `variance_spread`; its noise."""

    centre: RBF
    lengthscale_spread: float
    variance_spread: float

    def kernel(self, place: tuple[float, float]) -> RBF:
        """The kernel at a place (lengthscale, variance), both scaled to [-1, 1]."""
        lengthscale, variance = place
        return RBF(
            self.centre.lengthscale + self.lengthscale_spread * lengthscale,
            self.centre.variance + self.variance_spread * variance,
            self.centre.noise,
        )


@dataclass(frozen=True)
class VisibleTable:
    """The visible table as GP fits need it: z-scored x (N, d), y (N,), and grid numbers (N,) where the space is a small grid."""

    x: Tensor
    y: Tensor
    grid: Grid | None = None
    numbers: Tensor | None = None

    @classmethod
    def of(cls, encoded: Encoded, designs: Tensor, largest_grid: int = LARGEST_GRID) -> VisibleTable:
        """From the encoded table and its designs (N, *shape); a grid of more than `largest_grid` points is not small."""
        space = encoded.space
        if not isinstance(space, Sequence) or space.size > min(largest_grid, LARGEST_GRID) or len(space.letters) < 2:
            return cls(encoded.x, encoded.y)
        corners = [[min(letter, count - 1) for count in space.letters] for letter in range(max(space.letters))]
        grid = Grid.of(space.letters, encoded.encode(torch.tensor(corners, device=designs.device)))
        return cls(encoded.x, encoded.y, grid, space.key(designs))

    def fitter(self, rows: Tensor, centre: RBF) -> Fit:
        """A function that fits kernels near `centre` to some rows (n,) of the table."""
        if self.grid is None or self.numbers is None:
            x, y = self.x[rows], self.y[rows]
            return lambda kernels: (fit(x, y, kernel) for kernel in kernels)
        regression = GridRegression(GridData.of(self.grid, self.numbers[rows], self.y[rows]), centre)
        return lambda kernels: iter(regression.fit(kernels))
