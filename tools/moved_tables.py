"""Tasks whose visible scores are one float32 step higher than the registered task's, for `tools/sensitivity.py`.

They keep the id of their task, so that a method draws the same random numbers, and their data hash differs, so that no result of theirs
can pass for one of the task. Every score moves up by one step: order and ties stay, so the same designs are the best ones.
"""

from __future__ import annotations

import numpy as np

from bbo.task import Dataset, Task
from bbo.tasks.tfbind8 import TFBind8
from bbo.tasks.thin_film import ThinFilm


class Moved(Task):
    """Mixed in before a task: its table with each y replaced by the next larger float32."""

    def dataset(self) -> Dataset:
        table = super().dataset()  # type: ignore[safe-super]  # the task's own, which follows in the order of the bases
        return Dataset(table.x, np.nextafter(table.y, np.float32(np.inf)))


class MovedTFBind8(Moved, TFBind8):
    """`tfbind8`, moved."""


class MovedThinFilm(Moved, ThinFilm):
    """`thin-film`, moved."""
