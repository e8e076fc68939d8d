"""two-peaks: a broad peak in the visible half of a box, and a higher, narrower one beside it."""

from __future__ import annotations

import numpy as np

from bbo.space import Continuous
from bbo.task import Dataset, Task, TaskSpec


class TwoPeaks(Task):
    """The better of two peaks in four dimensions."""

    tolerance = 1e-6
    spec = TaskSpec(
        id="two-peaks",
        version="1",
        title="a broad peak and a higher, narrower one",
        space=Continuous.box(4, 0.0, 1.0),
        visible_rows=1600,
        best_visible=0.20745914,
        y_min=0.0,
        y_max=1.0,
        oracle="exact",
        hidden="the better fifth of 2000 uniform designs",
        source="made up for this example",
        licence="MIT",
        family="synthetic",
        optimum=1.0,
    )

    def dataset(self) -> Dataset:
        """The worse four fifths of 2000 uniform designs."""
        x = self.spec.space.from_unit(np.random.default_rng(0).random((2000, 4)))
        y = self.oracle(x)
        visible = np.sort(np.argsort(y, kind="stable")[:1600])
        return Dataset(x[visible], y[visible].astype(np.float32))

    def oracle(self, x: np.ndarray) -> np.ndarray:
        """True scores (n,), float64, from 0 to 1."""
        x = x.astype(np.float64)
        broad = 0.6 * np.exp(-((x - 0.3) ** 2).sum(axis=1) / 0.2)
        narrow = np.exp(-((x - 0.7) ** 2).sum(axis=1) / 0.05)
        return np.maximum(broad, narrow)
