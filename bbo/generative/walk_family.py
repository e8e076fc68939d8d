"""Walks on every function of a family, interpolated from walks on a few of them.

ROOT's functions differ only in two numbers, lengthscale and variance, drawn from a narrow box. Where a walk ends is a smooth function of
the two, so the ends on any function of the box follow from those on the functions at a few Chebyshev nodes. How far off they are is
measured at two other places of the box; more nodes are taken until that is within a tolerance.

On TFBind8 (published family, all 32898 rows, walks of length 11.9) 4 x 2 nodes leave 4e-3 at the 99th percentile of walks, 4e-4 of
their length. Float32 rounding alone moves the ends by 2e-3, and the authors' float32 Cholesky factor by 3e-2 (at 2048 rows) to
0.2 (at 15000).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bbo.device import on_host

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1

#: A place in the box: both numbers scaled to [-1, 1].
Place = tuple[float, float]
#: Walks on the functions at k places: ends (k, 2, n, d + 1), low first, coordinates and value.
Walks = Callable[[list[Place]], Tensor]

#: Orders that are tried: nodes of the first and of the second number. The second, a GP's variance, changes a posterior mean much less.
ORDERS = ((4, 2), (6, 3), (9, 4))
#: Where the error is measured: no node of any order, one of them near the rim.
CHECKS: list[Place] = [(0.36, -0.81), (-0.93, 0.44)]


@dataclass(frozen=True)
class WalkFamily:
    """Ends (a, b, 2, n, d + 1) of walks on the functions at a x b Chebyshev nodes of the box."""

    nodes: Tensor

    def at(self, place: Place) -> Tensor:
        """Ends (2, n, d + 1) on the function at a place."""
        weights = np.outer(*(_weights(order, number) for order, number in zip(self.nodes.shape[:2], place, strict=True)))
        return torch.tensordot(torch.tensor(weights, dtype=self.nodes.dtype, device=self.nodes.device), self.nodes, dims=2)


def affordable(functions: int) -> int:
    """How many of the orders, tried one after another, take walks on no more than `functions` functions."""
    used = itertools.accumulate((a * b for a, b in ORDERS), initial=len(CHECKS))
    return sum(count <= functions for count in used) - 1 if functions >= len(CHECKS) else 0


def interpolate(walks: Walks, orders: int, tolerance: float) -> WalkFamily | None:
    """A family whose error is within `tolerance`, or None where that takes more than the first `orders` of the orders.

    The error is the distance between interpolated and true ends, as a share of the median distance between a walk's two ends: its
    99th percentile over all walks, at the worse of two places.
    """
    truth = walks(CHECKS)
    for order in ORDERS[:orders]:
        ends = walks([(a, b) for a in _nodes(order[0]) for b in _nodes(order[1])])
        family = WalkFamily(ends.view(*order, *ends.shape[1:]))
        # Not the largest error: among NaN the largest may be any of them.
        if all(_error(family.at(place), true) <= tolerance for place, true in zip(CHECKS, truth, strict=True)):
            return family
    return None


def _error(found: Tensor, truth: Tensor) -> float:
    length = (truth[1] - truth[0])[:, :-1].norm(dim=1).median()
    off = (found - truth)[..., :-1].norm(dim=2).flatten().sort().values
    share = off[int(0.99 * (len(off) - 1))] / length.clamp_min(1e-12)
    return float(on_host(share, "whether the interpolated walks are within the tolerance, twice an order"))


def _angles(order: int) -> np.ndarray:
    return np.pi * (2 * np.arange(order) + 1) / (2 * order)


def _nodes(order: int) -> list[float]:
    """Chebyshev points of the first kind (order,)."""
    return [float(x) for x in np.cos(_angles(order))]


def _weights(order: int, number: float) -> np.ndarray:
    """Weights (order,) of the values at the nodes for the value at `number`: the barycentric formula.

    Berrut and Trefethen, "Barycentric Lagrange interpolation" (2004), equations 4.2 and 5.4.
    """
    away = number - np.array(_nodes(order))
    if (away == 0).any():
        return (away == 0).astype(float)
    terms = (-1.0) ** np.arange(order) * np.sin(_angles(order)) / away
    return np.asarray(terms / terms.sum())
