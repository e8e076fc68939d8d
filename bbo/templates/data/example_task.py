"""example-task: what is optimized, in one line.

Say here who measured the data, what a design means, in which unit the score is, and under which licence the data are.
The file example_task.csv has one row for each measured design and a column `score`, larger is better. It does not cover the space, so
the oracle is a model fitted to all rows, the hidden ones too: the task is marked "learned". State how good that model is on rows left out.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import numpy as np

from bbo.space import Continuous
from bbo.task import Dataset, Task, TaskSpec

FILE = Path(__file__).with_name("example_task.csv")
#: Columns of the file that make a design, with the bounds of the search.
COLUMNS = {"temperature": (20.0, 90.0), "pressure": (1.0, 10.0), "time": (5.0, 60.0), "share": (0.0, 1.0)}
SPACE = Continuous(tuple(low for low, _ in COLUMNS.values()), tuple(high for _, high in COLUMNS.values()))
#: Rows with a higher score are hidden: the 80th percentile.
BEST_VISIBLE = 44.78
#: Length of the oracle's kernel, in shares of the bounds, and the noise it assumes.
LENGTH, NOISE = 0.4, 0.05


@cache
def measured() -> tuple[np.ndarray, np.ndarray]:
    """Designs (N, 4), float32, and scores (N,), float32, of the whole file."""
    with FILE.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    x = np.array([[float(row[name]) for name in COLUMNS] for row in rows], np.float32)
    return x, np.array([float(row["score"]) for row in rows], np.float32)


def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """RBF kernel (len(a), len(b)) of designs scaled by their bounds."""
    low, high = np.asarray(SPACE.low), np.asarray(SPACE.high)
    a, b = (a - low) / (high - low), (b - low) / (high - low)
    return np.exp(-((a[:, None] - b) ** 2).sum(axis=2) / (2 * LENGTH**2))


@cache
def weights() -> np.ndarray:
    """Coefficients (N,) of the oracle, float64: kernel matrices are ill-conditioned."""
    x, y = measured()
    x = x.astype(np.float64)
    return np.linalg.solve(kernel(x, x) + NOISE * np.eye(len(x)), y - y.mean(dtype=np.float64))


class ExampleTask(Task):
    """Quality of a product for four process settings."""

    #: The oracle is a model of the scores, so it does not return them.
    tolerance = float("inf")
    spec = TaskSpec(
        id="example-task",
        version="1",  # raise it whenever a score can change; results of different versions are never mixed
        title="quality of a product from four process settings",
        space=SPACE,
        visible_rows=192,  # `bbo check` prints it
        best_visible=BEST_VISIBLE,
        y_min=0.0,  # 0 and 1 of the normalised score: constants, never taken from results
        y_max=100.0,
        oracle="learned",
        hidden="rows above the 80th percentile",
        source="made up for this template",
        licence="MIT",
        family="learned",  # the oracle is a fitted model; tables group such tasks
        note="the oracle is kernel regression on all rows; say here how well it predicts rows left out",
    )

    def dataset(self) -> Dataset:
        """The rows whose score is at most `BEST_VISIBLE`, in the order of the file."""
        return Dataset.up_to(*measured(), BEST_VISIBLE)

    def hidden(self) -> Dataset:
        """The other rows: `bbo diagnose` tests surrogates on them."""
        x, y = measured()
        better = y > np.float32(BEST_VISIBLE)
        return Dataset(x[better], y[better])

    def oracle(self, x: np.ndarray) -> np.ndarray:
        """Predicted scores (n,), float64, of designs (n, 4); larger is better."""
        known, y = measured()
        return kernel(x.astype(np.float64), known.astype(np.float64)) @ weights() + y.mean(dtype=np.float64)
