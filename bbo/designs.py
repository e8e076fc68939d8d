"""How a set of designs is spread, relative to its space and the visible table: spread, repeats, distance, novelty. NumPy only.

Distances are the space's own (`Space.distances`): in [0, 1], with the same meaning in every space of a kind.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from bbo.space import Space

#: Distances computed at a time, which bounds the memory: some three float64 numbers for each of them.
HELD = 1 << 22


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
    # Up to 2048 different designs this is one product over the whole matrix of distances.
    total = sum(
        counts[some] @ space.distances(different[some], different) @ counts
        for some in _blocks(len(different), HELD // len(different))
    )
    nearest = np.full(len(different), np.inf)
    for some in _blocks(len(different), 1024):
        for rows in _blocks(len(visible), HELD // 1024):
            distances = space.distances(different[some], visible[rows])
            nearest[some] = np.minimum(nearest[some], distances.min(axis=1))
    return {
        "diversity": float(total / (n * (n - 1))) if n > 1 else 0.0,
        "duplicates": 1 - len(different) / n,
        "nearest_offline": float(counts @ nearest / n),
        "novel_share": float(counts @ (nearest > 0) / n),
    }


def digest(designs: np.ndarray) -> str:
    """16 hex digits that change with any bit of an array of designs (n, *shape), with its type or its shape."""
    array = np.ascontiguousarray(designs)
    return hashlib.sha256(f"{array.dtype.str}{array.shape}".encode() + array.tobytes()).hexdigest()[:16]


def _blocks(count: int, size: int) -> Iterator[slice]:
    """Slices that cut `count` rows into blocks of `size`, at least 1 each."""
    size = max(size, 1)
    return (slice(start, start + size) for start in range(0, count, size))
