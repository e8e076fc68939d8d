"""TFBind10: DNA 10-mers and the binding of Pho4; Design-Bench's own task, and a clean one on the same measurements.

Measurements: Le et al. 2018, "Comprehensive, high-resolution binding energy landscapes reveal context dependencies of
transcription factor binding", PNAS 115; ddG as in the source, not negated, maximised as Design-Bench (Trabucco et al. 2022)
does.

What the data show. Design-Bench's table has 8321066 rows: each of the 4^10 sequences 5 to 8 times, always with differing
scores. Its second half repeats the scores of the first for the letter-wise complement (not the reverse complement). The exact
oracle is a dictionary filled row by row, so the last row wins: it returns a score that was measured for the complement of the
query. Over the visible rows its correlation with the stored scores is 0.08. A method that learns the visible table perfectly
learns next to nothing about this oracle, and a normalised score near 0.63 is what 128 random designs reach by chance.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

import numpy as np

from bbo import data
from bbo.errors import DamagedFile, unknown
from bbo.space import Sequence
from bbo.task import Dataset, TableTask, Task, TaskSpec
from bbo.tasks.parts import design_bench

FILE = "tfbind10/tfbind10_pho4_rows.npz"
SPACE = Sequence.uniform(10, 4, "ACGT")
#: 50th percentile of all rows: Design-Bench's threshold of visibility, the highest visible score.
THRESHOLD = 0.005328223
#: First rows of the four replicates in the first half of the table; each holds no sequence twice.
REPLICATES = (0, 1027148, 2063398, 3111959, 4160533)


def pack(x: np.ndarray, y: np.ndarray) -> data.Arrays:
    """The data file's arrays from Design-Bench's x (8321066, 10) and y (8321066,), without loss; `rows` undoes it.

    They hold the first half of the rows: the second is its letter-wise complement with the same y in the same order.
    """
    keys = SPACE.key(x)
    half = len(keys) // 2
    first = keys[:half]
    if not ((keys[half:] == complement(first)).all() and (y[half:] == y[:half]).all()):
        raise DamagedFile("the second half of tf_bind_10-pho4 is not the complement of the first")
    values, index = np.unique(y[:half], return_inverse=True)
    return {
        "key_low": (first % 65536).astype(np.uint16),
        "key_high": (first // 65536).astype(np.uint8),
        "y_index": index.astype(np.uint16),
        "y_values": values,
    }


def complement(keys: np.ndarray) -> np.ndarray:
    """Keys of the letter-wise complements: every digit d becomes 3 - d."""
    return SPACE.size - 1 - keys


@cache
def rows() -> tuple[np.ndarray, np.ndarray]:
    """Keys (8321066,) int64 and scores (8321066,) float32 of Design-Bench's table, in its order."""
    packed = data.load(FILE)
    first = packed["key_low"].astype(np.int64) + 65536 * packed["key_high"].astype(np.int64)
    y = packed["y_values"][packed["y_index"]]
    return np.concatenate([first, complement(first)]), np.concatenate([y, y])


@cache
def last_row_wins() -> np.ndarray:
    """Scores (4^10,), float32, by key, of Design-Bench's exact oracle."""
    keys, y = rows()
    table = np.empty(SPACE.size, np.float32)
    table[keys] = y  # of repeated keys the last one stays
    return table


@cache
def replicates_mean() -> np.ndarray:
    """Mean of replicates 3 and 4 (4^10,), float32, by key: the two that agree (correlation 0.81; all other pairs 0.03 to 0.18).

    Where only one of them measured a sequence it is that value; one sequence that neither holds takes the mean of the others.
    """
    keys, y = rows()
    mean = _mean(keys[REPLICATES[2] : REPLICATES[4]], y[REPLICATES[2] : REPLICATES[4]])
    others = _mean(keys[: REPLICATES[2]], y[: REPLICATES[2]])
    return np.where(np.isnan(mean), others, mean)


def _mean(keys: np.ndarray, y: np.ndarray) -> np.ndarray:
    count = np.bincount(keys, minlength=SPACE.size)
    total = np.bincount(keys, weights=y, minlength=SPACE.size)  # float64
    with np.errstate(invalid="ignore"):
        return (total / count).astype(np.float32)


def drawn(y: np.ndarray, size: int) -> np.ndarray:
    """Row numbers (size,) that Design-Bench draws with seed 0 from visible scores y (N,)."""
    return design_bench.uniform_rows(len(y), size)


def spaced(y: np.ndarray, size: int, step: int) -> np.ndarray:
    """Row numbers (size,) of every `step`-th visible score in ascending order of score y (N,).

    As in the code of ICT (step 83) and Tri-mentoring (step 830). They sort unstably, so among equal scores their rows may differ.
    """
    return np.argsort(y, kind="stable")[::step][:size]


def everything(y: np.ndarray, size: int) -> np.ndarray:
    """All row numbers (N,)."""
    return np.arange(len(y))


class Subset(NamedTuple):
    """An offline subset as papers use it: number of rows, highest score, and how its rows are chosen from (scores, size)."""

    size: int
    best: float
    choose: Callable[[np.ndarray, int], np.ndarray]


DEFAULT = "10000-uniform"
SUBSETS = {
    "10000-uniform": Subset(10_000, THRESHOLD, drawn),
    "50000-uniform": Subset(50_000, THRESHOLD, drawn),
    "50000-quantile": Subset(50_000, 0.003831473644822836, partial(spaced, step=83)),
    "5000-quantile": Subset(5_000, 0.003831473644822836, partial(spaced, step=830)),
    "full": Subset(4_161_482, THRESHOLD, everything),
}


def sources() -> tuple[data.Source, ...]:
    """The data file, packed from Design-Bench's shards."""
    origin = "Design-Bench tf_bind_10-pho4; measurements: Le et al. 2018"
    return (design_bench.shards("tfbind10", "tf_bind_10-pho4", FILE, origin, pack),)


class TFBind10(Task):
    """Design-Bench's TFBind10-Exact-v0, to the row; `tfbind10` is the subset `10000-uniform` of ROOT, IGNITE and RaM."""

    #: Visible rows disagree with each other, so no oracle can return them all.
    tolerance = float("inf")

    def __init__(self, variant: str = DEFAULT) -> None:
        if variant not in SUBSETS:
            raise unknown("variant of tfbind10", variant, SUBSETS)
        self._subset = SUBSETS[variant]
        self.spec = TaskSpec(
            id="tfbind10" if variant == DEFAULT else f"tfbind10:{variant}",
            version="1",
            title=f"Pho4 binding to 10-mers (Design-Bench TFBind10, {variant})",
            space=SPACE,
            visible_rows=self._subset.size,
            best_visible=self._subset.best,
            y_min=-1.8585268,
            y_max=2.1287067,
            oracle="exact",
            family="sequences",
            hidden="rows above the 50th percentile of 8321066, and the lower ones outside the subset (drawn with seed 0)",
            source="Le et al. 2018; Design-Bench TFBind10-Exact-v0, tf_bind_10-pho4",
            licence=design_bench.LICENCE,
            optimum=2.1287067,
            data=(FILE,),
            note="oracle and visible scores correlate by 0.08 only (last of differing rows wins): scores near 0.63 are chance; "
            "see tfbind10-clean",
        )

    @classmethod
    def variants(cls) -> list[str]:
        return [name for name in SUBSETS if name != DEFAULT]

    @classmethod
    def sources(cls) -> tuple[data.Source, ...]:
        return sources()

    def dataset(self) -> Dataset:
        visible = Dataset.up_to(*rows(), THRESHOLD)
        chosen = self._subset.choose(visible.y, self._subset.size)
        return Dataset(SPACE.from_key(visible.x[chosen]), visible.y[chosen])

    def oracle(self, x: np.ndarray) -> np.ndarray:
        return last_row_wins()[SPACE.key(x)].astype(np.float64)


class TFBind10Clean(TableTask):
    """Pho4 binding to 10-mers with one score per sequence, the mean of the two replicates that agree."""

    spec = TaskSpec(
        id="tfbind10-clean",
        version="1",
        title="Pho4 binding to 10-mers, one score per sequence",
        space=SPACE,
        visible_rows=524_288,
        best_visible=-0.00028137024492025375,
        y_min=-1.8585268259048462,
        y_max=1.5121523141860962,
        oracle="exact",
        family="sequences",
        hidden="sequences above the 50th percentile of all 4^10",
        source="Le et al. 2018, replicates 3 and 4 of Design-Bench's tf_bind_10-pho4",
        licence=design_bench.LICENCE,
        optimum=1.5121523141860962,
        data=(FILE,),
        note="not comparable with published TFBind10 scores",
    )

    @classmethod
    def sources(cls) -> tuple[data.Source, ...]:
        return sources()

    def table(self) -> np.ndarray:
        return replicates_mean()
