"""example-task: what is optimized, in one line.

Say here who measured the table, what a design means, in which unit the score is, and under which licence the data are.
The file example_task.csv has one row for every combination of the choices, in any order, and a column `score`, larger is better.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import numpy as np

from bbo.space import Sequence
from bbo.task import TableTask, TaskSpec

FILE = Path(__file__).with_name("example_task.csv")
#: The choices, by the names of the file's columns; the options as they are written there.
CHOICES = {
    "solvent": ("water", "ethanol", "toluene", "acetone"),
    "catalyst": ("none", "Pd", "Ni", "Cu", "Fe"),
    "ligand": ("none", "L1", "L2", "L3"),
    "temperature": ("20", "40", "60", "80"),
}
SPACE = Sequence.choices(CHOICES)


@cache
def scores() -> np.ndarray:
    """Scores (320,), float32, by `SPACE.key`; NaN where the file has no row, which `bbo check` finds."""
    found = np.full(SPACE.size, np.nan, np.float32)
    with FILE.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            design = [options.index(row[name]) for name, options in CHOICES.items()]
            key = SPACE.key(np.array([design]))[0]
            if not np.isnan(found[key]):
                raise ValueError(f"{FILE.name} has two rows of {', '.join(row[name] for name in CHOICES)}; keep one")
            found[key] = float(row["score"])
    return found


class ExampleTask(TableTask):
    """Yield of a reaction for every combination of four choices."""

    spec = TaskSpec(
        id="example-task",
        version="1",  # raise it whenever a score can change; results of different versions are never mixed
        title="yield of a reaction, in percent",
        space=SPACE,
        visible_rows=160,  # how many rows have a score up to best_visible; `bbo check` prints it
        best_visible=30.9,  # rows with a higher score are hidden: here, the better half
        y_min=0.0,  # 0 and 1 of the normalised score: constants, never taken from results
        y_max=66.0,
        oracle="exact",
        hidden="rows above the 50th percentile",
        source="made up for this template",
        licence="MIT",
        family="materials",  # sequences, materials, architectures, robots, synthetic or learned; tables group tasks by it
        optimum=66.0,
    )

    def table(self) -> np.ndarray:
        """Scores by key. `TableTask` makes the visible table and the oracle of them."""
        return scores()
