"""Rules of Design-Bench (Trabucco et al. 2022) that several tasks follow to the row."""

from __future__ import annotations

import numpy as np


def uniform_rows(count: int, size: int) -> np.ndarray:
    """Row numbers (size,), ascending, that `max_samples` draws from `count` visible rows after numpy.random.seed(0).

    `DatasetBuilder.subsample` calls numpy.random.choice with equal float32 probabilities, which takes another way through the
    generator than a call without probabilities; NumPy keeps the legacy generator's streams for good.
    """
    p = np.ones(count, np.float32)
    return np.sort(np.random.RandomState(0).choice(count, size, replace=False, p=p / p.sum()))
