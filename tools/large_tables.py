"""Two tasks with 140,000 visible rows, to see that `fast` stays fast: 4 letters of 20, nearly the whole grid, and 50 of 20.

    bbo run -t tools/large_tables.py:Grid -t tools/large_tables.py:Long -b METHOD --seeds 0 --out DIR

Made up: skewed scores with an effect of every letter and of every pair of neighbours.
"""

from __future__ import annotations

import numpy as np

from bbo.space import Sequence
from bbo.task import Dataset, Task, TaskSpec

ROWS = 140_000


class Grid(Task):
    """The worst 140,000 of all 160,000 sequences of 4 letters of 20."""

    spec = TaskSpec(
        id="large-grid",
        version="1",
        title="A nearly full grid",
        space=Sequence.uniform(4, 20),
        visible_rows=ROWS,
        best_visible=2.0148277,
        y_min=0.0,
        y_max=30.0,
        oracle="exact",
        hidden="the best eighth",
        source="made up",
        licence="MIT",
    )

    def dataset(self) -> Dataset:
        x = self.designs()
        y = self.oracle(x)
        keep = np.sort(np.argsort(y, kind="stable")[:ROWS])
        return Dataset(x[keep], y[keep].astype(np.float32))

    def designs(self) -> np.ndarray:
        """All designs, of which the worst are visible."""
        return np.stack(np.meshgrid(*[np.arange(20)] * 4, indexing="ij"), axis=-1).reshape(-1, 4)

    def oracle(self, x: np.ndarray) -> np.ndarray:
        length = x.shape[1]
        rng = np.random.default_rng(7)
        single, pair = rng.normal(size=(length, 20)), 0.5 * rng.normal(size=(length, 20, 20))
        places = np.arange(length)
        effect = single[places, x].sum(1) + pair[places[:-1], x[:, :-1], x[:, 1:]].sum(1)
        return np.exp(effect / np.sqrt(length))


class Long(Grid):
    """The worst 140,000 of 160,000 random sequences of 50 letters of 20."""

    spec = TaskSpec(
        id="large-long",
        version="1",
        title="Long sequences, many rows",
        space=Sequence.uniform(50, 20),
        visible_rows=ROWS,
        best_visible=1.9340789,
        y_min=0.0,
        y_max=100.0,
        oracle="exact",
        hidden="the best eighth",
        source="made up",
        licence="MIT",
    )

    def designs(self) -> np.ndarray:
        return np.random.default_rng(3).integers(0, 20, (160_000, 50))
