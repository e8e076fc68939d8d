"""CMA-ES for many starts at once: R independent runs in lock-step, one call of the objective a generation.

Active CMA-ES with cumulative step-size adaptation, with the formulas and constants of pycma 4.5 (Hansen, "The CMA evolution
strategy: a tutorial", arXiv 1604.00772; github.com/CMA-ES/pycma). Beyond some dimension the covariance is kept diagonal (Ros and
Hansen, "A simple modification in CMA-ES achieving linear time and space complexity", 2008), with positive weights only. Float64:
eigenvalues of the covariance spread over many decades.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 2


def population(dim: int) -> int:
    """Hansen's default population, 4 + floor(3 ln d)."""
    return 4 + math.floor(3 * math.log(dim))


@dataclass(frozen=True)
class Constants:
    """Weights (lam,) by rank, best first, and learning rates; names as in the tutorial.

    `gap` is the number of generations between two eigendecompositions, as pycma has it.
    """

    weights: tuple[float, ...]
    mu: int
    mueff: float
    cc: float
    cs: float
    c1: float
    cmu: float
    damps: float
    chi: float
    gap: float

    @classmethod
    def of(cls, n: int, lam: int, diagonal: bool = False) -> Constants:
        """The strategy's usual constants for n dimensions and lam designs a generation."""
        raw = [math.log((lam + 1) / 2) - math.log(rank) for rank in range(1, lam + 1)]
        mu = lam // 2
        above, below = raw[:mu], [w for w in raw[mu:] if w < 0]
        mueff = sum(above) ** 2 / sum(w * w for w in above)
        cc = (4 + mueff / n) / (n + 4 + 2 * mueff / n)
        c1 = min(1, lam / 6) * 2 / ((n + 1.3) ** 2 + mueff)
        cmu = min(1 - c1, 2 * (mueff - 2 + 1 / mueff + 0.25) / ((n + 2) ** 2 + mueff))
        if diagonal:
            c1 = min(1.0, c1 * (n + 2) / 3)
            cmu = min(1 - c1, cmu * (n + 2) / 3)
        effective = sum(below) ** 2 / sum(w * w for w in below) if below else 0.0
        size = min(1 + c1 / cmu, 1 + 2 * effective / (mueff + 2), (1 - c1 - cmu) / (n * cmu)) if not diagonal else 0.0
        weights = [w / sum(above) for w in above] + [size * min(w, 0.0) / -sum(below) if below else 0.0 for w in raw[mu:]]
        cs = min(0.5, (mueff + 2) / (n + mueff + 3))
        damps = 1 + cs + 2 * max(0.0, math.sqrt((mueff - 1) / (n + 1)) - 1)
        chi = math.sqrt(2) * math.exp(math.lgamma((n + 1) / 2) - math.lgamma(n / 2))
        return cls(tuple(weights), mu, mueff, cc, cs, c1, cmu, damps, chi, 1 / (c1 + cmu) / n / 10)


def search(
    objective: Callable[[Tensor], Tensor],
    start: Tensor,
    sigma: float,
    generations: int,
    generator: Generator,
    diagonal: bool = False,
    normal: Callable[[int], Tensor] | None = None,
    on_generation: Callable[[int, Tensor], None] | None = None,
) -> tuple[Tensor, Tensor]:
    """The best point of each run (R, d) and its value (R,), after `generations` generations.

    Args:
        objective: points (n, d) to values (n,); larger is better, and NaN is worst.
        start: first means (R, d).
        sigma: first step size, in the unit of the points.
        generations: how many.
        generator: source of the normal numbers, on the device of `start`.
        diagonal: diagonal covariances.
        normal: the generation's number, from 0, to its normal numbers (R, lam, d); from `generator` by default.
        on_generation: called with (generations done, best points so far).
    """
    runs, n = start.shape
    lam = population(n)
    c = Constants.of(n, lam, diagonal)
    weights = start.new_tensor(c.weights, dtype=torch.float64)
    mean = start.double()
    step = torch.full((runs, 1), sigma, dtype=torch.float64, device=start.device)
    # Square roots of the covariance's eigenvalues; first all but equal, as in pycma, so that each axis keeps a name of its own.
    shape = (5e-5 / n * torch.arange(n, dtype=torch.float64, device=start.device)).exp().expand(runs, n)
    basis = torch.eye(n, dtype=torch.float64, device=start.device).expand(runs, n, n) if not diagonal else None
    covariance = torch.diag_embed(shape.square()) if not diagonal else shape.square()
    pc, ps = torch.zeros_like(mean), torch.zeros_like(mean)
    best, value = start.clone(), start.new_full((runs,), -torch.inf)
    decomposed = 0
    for generation in range(generations):
        if generation and generation >= decomposed + c.gap:
            decomposed = generation
            if basis is None:
                shape = covariance.sqrt()
            else:
                covariance = (covariance + covariance.mT) / 2
                squares, basis = axes(covariance)
                shape = squares.clamp(min=1e-30).sqrt()
        z = (
            normal(generation)
            if normal
            else torch.randn(runs, lam, n, generator=generator, dtype=torch.float64, device=start.device)
        )
        y = z * shape[:, None]
        y = y if basis is None else y @ basis.mT
        x = (mean[:, None] + step[:, None] * y).to(start.dtype)
        values = objective(x.flatten(0, 1)).view(runs, lam)
        values = values.masked_fill(values.isnan(), -torch.inf)  # in an order NaN would come first

        top, place = values.max(1)
        better = top > value
        value = torch.where(better, top, value)
        best = torch.where(better[:, None], x[torch.arange(runs, device=x.device), place], best)

        order = values.argsort(dim=1, descending=True, stable=True)
        if basis is None:
            # Weights go to the points; to put thousands of numbers of every point in order would cost more than all the rest.
            placed = torch.zeros(runs, lam, dtype=torch.float64, device=y.device).scatter_(1, order, weights.expand(runs, lam))
            shift = (placed[:, None] @ y)[:, 0]
        else:
            y = y.gather(1, order[:, :, None].expand_as(y))
            shift = (weights[: c.mu, None] * y[:, : c.mu]).sum(1)
        mean = mean + step * shift
        ps = (1 - c.cs) * ps + math.sqrt(c.cs * (2 - c.cs) * c.mueff) * _whitened(shift[:, None], shape, basis)[:, 0]
        length = ps.square().sum(1, keepdim=True)
        limit = (2 + 4 / (n + 1)) * n * (1 - (1 - c.cs) ** (2 * (generation + 1)))
        moving = (length < limit).double()
        pc = (1 - c.cc) * pc + moving * math.sqrt(c.cc * (2 - c.cc) * c.mueff) * shift

        c1 = c.c1 * (1 - (1 - moving) * c.cc * (2 - c.cc))
        kept = 1 - c1 - c.cmu * weights.sum()
        if basis is None:
            covariance = kept * covariance + c.c1 * pc.square() + c.cmu * (placed[:, None] @ y.square())[:, 0]
        else:
            # A bad direction counts as one of the typical length, so that the covariance stays positive definite.
            norms = _whitened(y, shape, basis).square().sum(2)
            own = torch.where(weights < 0, c.cmu * weights * n / (norms.sqrt() + 1e-9).square(), c.cmu * weights)
            covariance = kept[:, :, None] * covariance + c.c1 * pc[:, :, None] * pc[:, None] + (own[:, :, None] * y).mT @ y
        step = step * (c.cs / c.damps * (length.sqrt() / c.chi - 1)).clamp(max=1).exp()
        if on_generation:
            on_generation(generation + 1, best)
    return best, value


def axes(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues (..., d), rising, and eigenvectors (..., d, d) as columns, the largest number of each positive.

    An eigenvector has no sign of its own, and a sample depends on it: this way rounding does not choose.
    """
    squares, basis = torch.linalg.eigh(covariance)
    largest = basis.gather(-2, basis.abs().argmax(-2, keepdim=True))
    return squares, basis * largest.sign()


def _whitened(y: Tensor, shape: Tensor, basis: Tensor | None) -> Tensor:
    """C^-1/2 y up to a rotation back: vectors (R, k, d) with the covariance taken out."""
    if basis is None:
        return y / shape[:, None]
    return ((y @ basis) / shape[:, None]) @ basis.mT
