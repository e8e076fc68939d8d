"""The evaluation protocol: how 128 scores become the numbers of a table. NumPy only.

Normalised score s = (y - y_min) / (y_max - y_min) with the task's frozen normalisers, not clipped. The percentile rule is
"higher" (the smallest score that is at least the quantile), as in ROOT (`BaseRunner.py`, `torch.quantile(...,
interpolation="higher")`): of 128 scores the 100th percentile is the largest and the 50th the 65th smallest.
"""

from __future__ import annotations

import numpy as np

#: Raised whenever a rule of the protocol changes; part of every cell's identity.
VERSION = 1
BUDGET = 128
PERCENTILES = (100, 80, 50)


def percentiles(normalised: np.ndarray) -> dict[str, float]:
    """{"100": .., "80": .., "50": ..} of normalised scores (n,)."""
    return {str(p): float(np.quantile(normalised, p / 100, method="higher")) for p in PERCENTILES}
