"""Pools of designs that are drawn again whenever they are needed, so that only their scores are stored."""

from __future__ import annotations

import numpy as np

from bbo.space import Space


def unit(count: int, seed: int) -> np.ndarray:
    """Uniform numbers (count,), float64 in [0, 1).

    From raw 64-bit words: NumPy promises that these stay the same, which it does not for distributions.
    """
    return (np.random.PCG64(seed).random_raw(count) >> np.uint64(11)) * 2.0**-53


def uniform(space: Space, rows: int, seed: int) -> np.ndarray:
    """Uniform designs (rows, *shape) of a space."""
    return space.from_unit(unit(rows * int(np.prod(space.shape)), seed).reshape(rows, *space.shape))


def drawn(rows: np.ndarray, count: int, seed: int) -> np.ndarray:
    """`count` of some row numbers (n,), each at most once, all equally likely; ascending."""
    return np.sort(rows[np.argsort(unit(len(rows), seed), kind="stable")[:count]])
