"""How a set of designs lies in its space and to the visible table: spread, repeats, distance, novelty. NumPy only.

Distances are in [0, 1] and mean the same in every space of a kind: between sequences the share of positions that differ
(Hamming), in a box the root mean square of the coordinate differences, each as a share of its coordinate's range.
"""

from __future__ import annotations

import numpy as np

from bbo.space import Continuous, Space

#: Visible rows compared at a time: bounds the memory at (designs x this) float64 numbers.
CHUNK = 8192


def describe(designs: np.ndarray, visible: np.ndarray, space: Space) -> dict[str, float]:
    """Figures of one cell's designs (n, *shape), n at least 1, against the visible table (N, *shape).

    Returns:
        diversity: mean distance between two of the designs; 0 for one design many times, or a single one.
        duplicates: share of the designs that repeat an earlier one.
        nearest_offline: mean distance from a design to the nearest visible one.
        novel_share: share of the designs that are not in the visible table, letter for letter or bit for bit.
    """
    n = len(designs)
    different, counts = np.unique(designs, axis=0, return_counts=True)
    among = _distances(different, different, space)
    nearest = np.full(len(different), np.inf)
    known = np.zeros(len(different), bool)
    for start in range(0, len(visible), CHUNK):
        rows = visible[start : start + CHUNK]
        distances = _distances(different, rows, space)
        nearest = np.minimum(nearest, distances.min(axis=1))
        known |= (distances == 0).any(axis=1)
    return {
        "diversity": float(counts @ among @ counts / (n * (n - 1))) if n > 1 else 0.0,
        "duplicates": 1 - len(different) / n,
        "nearest_offline": float(counts @ nearest / n),
        "novel_share": float(counts @ ~known / n),
    }


def _distances(a: np.ndarray, b: np.ndarray, space: Space) -> np.ndarray:
    """Distances (len(a), len(b)), float64, summed coordinate by coordinate so that equal designs are at exactly 0."""
    if isinstance(space, Continuous):
        total = np.zeros((len(a), len(b)))
        for j, (low, high) in enumerate(zip(space.low, space.high, strict=True)):
            x, y = (v[:, j].astype(np.float64) / (high - low) for v in (a, b))
            total += (x[:, None] - y) ** 2
        return np.sqrt(total / space.dim)
    # Small integers: every cell pays for this, and narrow types are several times faster.
    kind = np.min_scalar_type(max(space.letters))
    a, b = (np.ascontiguousarray(v.T.astype(kind)) for v in (a, b))
    differing = np.zeros((a.shape[1], b.shape[1]), np.min_scalar_type(len(a)))
    for x, y in zip(a, b, strict=True):
        differing += x[:, None] != y
    return differing / len(a)
