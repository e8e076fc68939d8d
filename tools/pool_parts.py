"""What the scripts that make pools share: genetic algorithms, and the cut between visible and hidden rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def path(
    oracle: Callable[[np.ndarray], np.ndarray],
    first: np.ndarray,
    children: Callable[[np.ndarray, np.random.Generator], np.ndarray],
    generations: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """All designs (generations * n, L) that a genetic algorithm visits, and their scores.

    Args:
        oracle: scores designs; larger is better.
        first: the first generation (n, L).
        children: makes a generation from its parents: the best n / 2 of the two generations before it, at first of the only one.
        generations: how many there are.
        rng: what `children` draws from.
    """
    xs, ys = [first], [oracle(first)]
    for _ in range(generations - 1):
        x, y = np.concatenate(xs[-2:]), np.concatenate(ys[-2:])
        xs.append(children(x[np.argsort(-y, kind="stable")[: len(first) // 2]], rng))
        ys.append(oracle(xs[-1]))
    return np.concatenate(xs), np.concatenate(ys)


def cut(name: str, y: np.ndarray, percentile: float = 50) -> np.ndarray:
    """Which scores (n,) of a pool are visible, those up to a percentile; prints the facts that the task freezes."""
    visible = y <= np.percentile(y, percentile)
    low, best, high = (repr(float(v)) for v in (y.min(), y[visible].max(), y.max()))
    print(f"{name}: pool {len(y)}, visible {visible.sum()}, best visible {best}, lowest {low}, highest {high}")
    return visible
