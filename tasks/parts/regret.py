"""The logarithm of the regret as a score, for tasks on which random designs come close to the optimum."""

from __future__ import annotations

import numpy as np


def log_regret(y: np.ndarray, worst: float, best: float, resolution: float) -> np.ndarray:
    """log(r + resolution) / log(resolution), float64, with r = (best - y) / (best - worst) the normalised regret of scores y, at most 1.

    1 at the optimum, about 0 at the worst score and below it; every tenfold smaller regret gains the same until `resolution`.
    """
    regret = (best - np.asarray(y, np.float64)) / (best - worst)
    return np.log(np.clip(regret, 0.0, 1.0) + resolution) / np.log(resolution)
