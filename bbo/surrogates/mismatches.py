"""Gaussian processes on sequences: kernels of the number of mismatches, k(a, b) = sum_s variance_s exp(-mismatches(a, b) / (2 l_s^2)).

These are RBF kernels on one-hot letters over sqrt 2, whose squared distances count mismatches, so what fits RBF kernels fits them.
Unlike z-scored logits, such features treat all letters alike. Where only mismatches are needed they are counted letter by letter, in
bytes: on 10^4 designs of 64 positions of 32 letters that takes a tenth of the time of a product of one-hot matrices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence as Several
from dataclasses import dataclass

import torch
from torch import Tensor

from bbo.space import Sequence
from bbo.surrogates import conjugate_gradients
from bbo.surrogates.gaussian_process import RBF
from bbo.surrogates.two_scale_gaussian_process import TwoScales

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1

#: Rows whose mismatches are counted at once: few enough that their counts stay in the cache.
BLOCK = 64


def count(a: Tensor, b: Tensor, space: Sequence) -> Tensor:
    """The number of positions in which designs a (n, L) and b (m, L) of a space differ; (n, m), in bytes where they hold all of it."""
    largest = max(a.shape[1], *space.letters)
    kind = torch.uint8 if largest < 256 else torch.int16 if largest < 2**15 else torch.int32
    left, right = (designs.T.to(kind).contiguous() for designs in (a, b))
    found = left.new_zeros(len(a), len(b))
    for rows, counts in zip(left.split(BLOCK, 1), found.split(BLOCK), strict=True):
        other = torch.empty_like(counts)
        for mine, theirs in zip(rows, right, strict=True):
            counts += torch.bitwise_xor(mine[:, None], theirs, out=other).clamp_(max=1)
    return found


@dataclass(frozen=True)
class Letters:
    """One-hot letters over sqrt 2, positions one after the other.

    `column` (L,) is where each position's letters start; `valid` (L, C) says which of the C letters a position has, C the most
    that any has.
    """

    space: Sequence
    column: Tensor
    valid: Tensor

    @classmethod
    def of(cls, space: Sequence, device: torch.device) -> Letters:
        """The letters of a space, on a device."""
        counts = torch.tensor(space.letters, device=device)
        valid = torch.arange(max(space.letters), device=device) < counts[:, None]
        return cls(space, counts.cumsum(0) - counts, valid)

    def encode(self, designs: Tensor) -> Tensor:
        """Letters (n, L) to features (n, sum of letters), float32."""
        features = torch.zeros(len(designs), sum(self.space.letters), device=designs.device)
        return features.scatter_(1, designs + self.column, math.sqrt(0.5))

    def table(self, features: Tensor, fill: float) -> Tensor:
        """Features (n, sum of letters) as a table (n, L, C), `fill` where a position has no such letter."""
        return features.new_full((len(features), *self.valid.shape), fill).masked_scatter_(self.valid, features)


@dataclass(frozen=True)
class SequencePosterior:
    """Posterior mean sum_s variance_s sum_i coef_si exp(-mismatches(q, x_i) / (2 l_s^2)) of sequences and of all their single mutants.

    `points` (N, L) are the x_i, `present` (N, sum of letters) says which letters they have, `coefs` (N,) are the kernels' own.
    """

    letters: Letters
    points: Tensor
    present: Tensor
    kernels: tuple[RBF, ...]
    coefs: tuple[Tensor, ...]

    @classmethod
    def of(cls, letters: Letters, points: Tensor, kernels: Several[RBF], coefs: Several[Tensor]) -> SequencePosterior:
        """From designs (N, L), kernels, and the coefficients (N,) of each kernel."""
        present = (letters.encode(points) > 0).float()
        return cls(letters, points, present, tuple(kernels), tuple(coefs))

    def mean(self, designs: Tensor) -> Tensor:
        """Posterior mean (n,) of designs (n, L)."""
        counts = count(designs, self.points, self.letters.space)
        return torch.stack([part.sum(1) for part in self._parts(counts)]).sum(0)

    def mutants(self, designs: Tensor) -> Tensor:
        """Posterior means (n, L, C) of designs (n, L) with one letter changed; -inf where there is nothing to change to.

        Exact: a mutation p -> c multiplies the kernel with points that have c at p by exp(1 / (2 l^2)), with those that have the
        design's own letter there by its inverse, and leaves the others. So one product with `present` gives what all letters would
        gain, and another what the own letters would lose. Nothing to change to: a position without such a letter, or the own letter.
        """
        parts = self._parts(count(designs, self.points, self.letters.space))
        gain, loss = torch.zeros_like(parts[0]), torch.zeros_like(parts[0])
        for kernel, part in zip(self.kernels, parts, strict=True):
            gain += part * math.expm1(0.5 / kernel.lengthscale**2)
            loss += part * math.expm1(-0.5 / kernel.lengthscale**2)
        gains, losses = gain @ self.present, loss @ self.present
        mean = torch.stack([part.sum(1) for part in parts]).sum(0)
        values = (
            self.letters.table(gains, -math.inf) + (mean[:, None] + losses.gather(1, designs + self.letters.column))[:, :, None]
        )
        return values.scatter_(2, designs[:, :, None], -math.inf)

    def _parts(self, counts: Tensor) -> list[Tensor]:
        """What each point contributes (n, N), by kernel, given the mismatches (n, N)."""
        pairs = zip(self.kernels, self.coefs, strict=True)
        return [_kernel(kernel, counts).mul_(coef * kernel.variance) for kernel, coef in pairs]


def fit(letters: Letters, designs: Tensor, y: Tensor, kernel: TwoScales) -> SequencePosterior:
    """The exact posterior given designs (N, L) and scores y (N,), by conjugate gradients.

    Raises:
        NumericalError: they did not converge.
    """
    counts = count(designs, designs, letters.space)
    matrix = torch.empty(counts.shape, device=counts.device)
    for rows, some in zip(matrix.split(BLOCK), counts.split(BLOCK), strict=True):
        torch.add(*(_kernel(part, some).mul_(part.variance) for part in kernel.parts), out=rows)
    coef = conjugate_gradients.solve(matrix, kernel.noise, y).float()
    return SequencePosterior.of(letters, designs, kernel.parts, (coef, coef))


def _kernel(kernel: RBF, counts: Tensor) -> Tensor:
    """The kernel without its variance, given mismatches of any shape."""
    return (counts * (-0.5 / kernel.lengthscale**2)).exp_()
