"""Hard variants of saturated tasks: the same designs and the same order of designs, a score that tells good from best, little data.

On tfbind8, the tables of NAS-Bench-201 and HPOLib, and Branin, 128 random designs come close to the optimum, so the best of 128 says
little of a method. What they miss is not a matter of data but of scale. These variants score the logarithm of the regret:
log(r + e) / log(e), with r = (best - y) / (best - worst) from the parent task. Every tenfold smaller regret gains the same, so random
designs stay far below 1, and 1 is the optimum. Labels are on the same scale. Visible are few rows of the lowest 20 %, drawn once
from a fixed stream of random numbers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np

from bbo import data
from bbo.task import Dataset, TableTask, TaskSpec
from bbo.tasks.controls import FILE, Branin, Control, pool
from bbo.tasks.hpo import Naval
from bbo.tasks.nas_bench_201 import ImageNet16
from bbo.tasks.parts import pools
from bbo.tasks.parts.regret import log_regret
from bbo.tasks.tfbind8 import TFBind8

VISIBLE_PERCENTILE = 20
#: Regrets below these are equal: in tables, and of Branin, whose optimum can be approached as closely as one likes.
TABLE, BOX = 1e-3, 1e-6


def hard_spec(parent: TaskSpec, name: str, rows: int, resolution: float, best_visible: float, why: str) -> TaskSpec:
    """The facts of a hard variant, from its parent's."""
    return replace(
        parent,
        id=f"{name}-hard",
        version="1",
        title=f"{parent.title}: log regret, {rows} rows",
        visible_rows=rows,
        best_visible=best_visible,
        y_min=float(log_regret(np.array(0.0), 0.0, 1.0, resolution)),
        y_max=1.0,
        optimum=1.0,
        hidden=f"all designs but {rows}, drawn from the lowest {VISIBLE_PERCENTILE} %",
        saturated=False,
        note=f"the order of designs is that of {parent.id}; {why}",
    )


class HardTable(TableTask):
    """The logarithm of the regret in another task's table; base of the three tables."""

    #: Logarithms may differ in the last digit from one machine to the next.
    tolerance = 1e-6
    parent: ClassVar[type[TableTask]]

    def table(self) -> np.ndarray:
        parent = self.parent()
        return log_regret(parent.table(), parent.spec.y_min, parent.spec.y_max, TABLE).astype(np.float32)

    def listed(self) -> np.ndarray:
        y = self.parent().table()
        low = np.flatnonzero(y <= np.percentile(y, VISIBLE_PERCENTILE))
        return pools.drawn(low, self.spec.visible_rows, seed=0)


class TFBind8Hard(HardTable):
    """TFBind8, 1000 rows of the lowest 20 %."""

    parent = TFBind8
    spec = hard_spec(
        TFBind8().spec, "tfbind8", 1000, TABLE, 0.054374322295188904, "random designs reach 0.94 there, so a gain of 0.01 decides"
    )


class NASBench201Hard(HardTable):
    """NAS-Bench-201 on ImageNet16-120, 1000 rows of the lowest 20 %."""

    parent = ImageNet16
    spec = hard_spec(ImageNet16.spec, "nas-bench-201", 1000, TABLE, 0.13082866370677948, "random designs reach 0.97 there")


class HPOHard(HardTable):
    """HPOLib naval propulsion, 1000 rows of the lowest 20 %."""

    parent = Naval
    spec = hard_spec(
        Naval.spec,
        "hpo",
        1000,
        TABLE,
        0.07748749107122421,
        "random designs reach 0.93 there, and up to 0.99 on the other three tables",
    )


class BraninHard(Control):
    """Branin, 200 rows of the lowest 20 % of its pool."""

    botorch = Branin.botorch
    spec = hard_spec(
        Branin.spec, "branin", 200, BOX, 0.08144227415323257, "random designs reach 0.999 there, so a gain of 0.001 decides"
    )

    def dataset(self) -> Dataset:
        x = pool(self.spec.space)
        y = data.load(FILE)[Branin.spec.id]
        low = np.flatnonzero(y <= np.percentile(y, VISIBLE_PERCENTILE))
        rows = pools.drawn(low, self.spec.visible_rows, seed=0)
        return Dataset(x[rows], self._scaled(y[rows]).astype(np.float32))

    def oracle(self, x: np.ndarray) -> np.ndarray:
        return self._scaled(super().oracle(x))

    def _scaled(self, y: np.ndarray) -> np.ndarray:
        return log_regret(y, Branin.spec.y_min, Branin.spec.y_max, BOX)
