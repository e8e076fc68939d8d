"""Superconductor: amounts of 86 elements in a material with a high critical temperature.

Data: Hamidieh 2018, "A data-driven statistical model for predicting the critical temperature of a superconductor" (UCI,
unique_m.csv, from NIMS SuperCon); design space and visible set of Design-Bench's Superconductor-RandomForest-v0: 21263 rows of
86 element amounts, y the critical temperature in kelvin, visible where y <= the 80th percentile. Our oracle is a random forest
of our own training, since Design-Bench's is no longer available. The box reaches from 0 to the largest amount of each element in the
data (1 for the nine elements that never occur, which the oracle ignores).
"""

from __future__ import annotations

import numpy as np

from bbo import data
from bbo.space import Continuous
from bbo.task import Dataset, Task, TaskSpec
from bbo.tasks.parts import quality
from bbo.tasks.parts.forest import predict

FILE, ORACLE = "superconductor/superconductor.npz", "superconductor_oracle.npz"
#: Largest amount of each element, H to Rn, in the data.
LARGEST = (
    14.0, 1.0, 3.0, 40.0, 105.0, 120.0, 12.8, 66.0, 4.0, 1.0, 4.0, 12.0, 99.925, 100.0, 20.0, 15.0,
    3.0, 1.0, 3.3, 24.0, 5.0, 75.0, 79.5, 34.9, 14.0, 30.0, 35.38, 45.0, 98.0, 20.0, 41.0, 46.0,
    18.0, 19.0, 5.0, 1.0, 4.0, 16.7, 9.0, 96.71, 99.976, 99.992, 6.0, 64.0, 45.0, 50.99745, 7.0,
    99.995, 31.5, 99.2, 83.5, 66.7, 4.0, 1.0, 3.0, 24.0, 98.0, 4.998, 185.0, 6.0, 1.0, 12.0, 6.0,
    4.0, 5.0, 5.0, 5.0, 5.0, 5.0, 16.0, 7.0, 25.0, 55.0, 14.0, 97.24, 10.0, 45.0, 5.8, 64.0, 8.0,
    7.0, 19.0, 14.0, 1.0, 1.0, 1.0,
)  # fmt: skip


class Superconductor(Task):
    """Critical temperature of a superconducting material from its composition."""

    #: The oracle is a model of the labels.
    tolerance = float("inf")
    spec = TaskSpec(
        id="superconductor",
        version="1",
        title="critical temperature of a superconductor, in K, from element amounts",
        space=Continuous((0.0,) * len(LARGEST), LARGEST),
        visible_rows=17_014,
        best_visible=74.0,
        y_min=0.00021,
        y_max=185.0,
        oracle="learned",
        family="learned",
        hidden="rows above the 80th percentile of 21263",
        source="UCI Superconductivity Data (Hamidieh 2018); layout of Design-Bench Superconductor; own random forest",
        licence="CC BY 4.0 (data), MIT (oracle)",
        data=(FILE,),
        note=quality.note("superconductor"),
    )

    @classmethod
    def sources(cls) -> tuple[data.Source, ...]:
        origin = "UCI Superconductivity Data, unique_m.csv (Hamidieh 2018)"
        return data.Source.packed(FILE, "CC BY 4.0", origin), quality.source("superconductor")

    def dataset(self) -> Dataset:
        arrays = data.load(FILE)
        return Dataset.up_to(arrays["x"], arrays["y"], self.spec.best_visible)

    def oracle(self, x: np.ndarray) -> np.ndarray:
        return predict(data.load(ORACLE), x)
