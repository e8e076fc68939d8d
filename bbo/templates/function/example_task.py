"""example-task: what is optimized, in one line.

Say here where the function comes from (paper, code), what a design means, in which unit the score is, and why it is worth optimizing.
"""

from __future__ import annotations

import numpy as np

from bbo.space import Continuous
from bbo.task import Dataset, Task, TaskSpec

ROWS, VISIBLE = 2500, 2000


class ExampleTask(Task):
    """A narrow peak in a box of six numbers."""

    #: How far the oracle may be from the stored scores, as a share of y_max - y_min: here, rounding to float32.
    tolerance = 1e-6
    spec = TaskSpec(
        id="example-task",
        version="1",  # raise it whenever a score can change; results of different versions are never mixed
        title="a narrow peak in six dimensions",
        space=Continuous.box(6, -1.0, 1.0),
        visible_rows=VISIBLE,
        best_visible=0.12559317,  # the largest visible score; `bbo check` prints it if this one is wrong
        y_min=0.0,  # 0 and 1 of the normalised score: constants, never taken from results
        y_max=1.0,
        oracle="exact",
        hidden="the better fifth of 2500 uniform designs",
        source="made up for this template",
        licence="MIT",
        family="synthetic",  # sequences, materials, architectures, robots, synthetic or learned; tables group tasks by it
        optimum=1.0,  # leave it out where it is not known
    )

    def dataset(self) -> Dataset:
        """The visible table: the worse four fifths of uniform designs. Rows in a fixed order, the same on every call."""
        x = self.spec.space.from_unit(np.random.default_rng(0).random((ROWS, 6)))
        y = self.oracle(x)
        visible = np.sort(np.argsort(y, kind="stable")[:VISIBLE])
        return Dataset(x[visible], y[visible].astype(np.float32))

    def oracle(self, x: np.ndarray) -> np.ndarray:
        """True scores (n,), float64, of designs (n, 6); larger is better. Negate a cost here, once."""
        return np.exp(-((x.astype(np.float64) - 0.5) ** 2).sum(axis=1))
