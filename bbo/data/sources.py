"""Where data files come from: the facts that tasks declare of them, and how original forms are recognised, checked and converted."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from bbo import bounded
from bbo.data import files
from bbo.errors import DamagedFile, Unavailable

#: What a data file holds.
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Source:
    """Data files of one origin, as a task declares them (`Task.sources`). The manifest repeats these facts beside the hashes.

    Args:
        files: names of the data files.
        licence, origin: of the data.
        name: a short name, by which `bbo data fetch` knows it where it can be fetched; may be empty.
        get: the one command that gets the files, where they are not shipped.
        mirrors: base addresses from which the original files can be fetched; may be empty.
        accepts: what `bbo data import` takes as the original form, in a few words; empty if there is the packed form only.
        build: a module that makes the files on the user's machine: `python -m MODULE FOLDER` leaves them in FOLDER, and goes on where it
            was stopped; empty if there is none.
    """

    files: tuple[str, ...]
    licence: str
    origin: str
    name: str = ""
    get: str = ""
    mirrors: tuple[str, ...] = ()
    accepts: str = ""
    build: str = ""

    @classmethod
    def packed(cls, file: str, licence: str, origin: str) -> Source:
        """A file that exists in packed form only: it is imported from wherever the user has it."""
        return cls((file,), licence, origin, get=f"bbo data import FOLDER (one that holds {file})")

    def found(self, path: Path) -> Iterator[tuple[str, Arrays]]:
        """(file, arrays) of every data file whose original form is at `path`, converted; none by default.

        Raises:
            Unavailable: the original form is there in part only.
            DamagedFile: it is truncated or altered.
        """
        return iter(())

    def fault(self, arrays: Arrays) -> str:
        """What is wrong with the arrays of a file that a user made (`build`), to be said after its name; empty, the default, if nothing."""
        return ""


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
    with (files.package_dir() / "design_bench_shards.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            shard = Shard(row["path_in_design_bench_data"], int(row["bytes"]), row["sha256"])
            folders.setdefault(shard.path.split("/")[0], []).append(shard)
    return {folder: sorted(of_folder, key=_shard_number) for folder, of_folder in folders.items()}


def _shard_number(shard: Shard) -> tuple[str, int]:
    stem, _, number = shard.path.removesuffix(".npy").rpartition("-")
    return stem, int(number)


@dataclass(frozen=True, kw_only=True)
class Shards(Source):
    """One data file made from a folder of Design-Bench.

    Args:
        folder: its name below `design_bench_data`.
        pack: makes the arrays of the data file from the joined x (N, L) and y (N,).
    """

    folder: str
    pack: Callable[[np.ndarray, np.ndarray], Arrays]

    def found(self, path: Path) -> Iterator[tuple[str, Arrays]]:
        """`path` may be the folder itself, `design_bench_data`, or a folder around that."""
        roots = [path.parent] if path.name == self.folder else [path, path / "design_bench_data"]
        for root in roots:
            if (root / self.folder).is_dir():
                yield self.files[0], self.arrays(root)

    def arrays(self, root: Path) -> Arrays:
        """Arrays of the data file from the shards below `root`/FOLDER, each checked by its sha256 first.

        Raises:
            Unavailable: a shard is missing.
            DamagedFile: a shard is truncated or altered.
        """
        parts: dict[str, list[np.ndarray]] = {"x": [], "y": []}
        for shard in shards()[self.folder]:
            path = root / shard.path
            if not path.is_file():
                raise Unavailable(f"{root} lacks {shard.path}, one of {len(shards()[self.folder])} files of {self.folder}")
            if files.file_hash(path) != shard.sha256:
                raise DamagedFile(
                    f"{path} ({path.stat().st_size} bytes, expected {shard.size}) is not Design-Bench's: its sha256 differs"
                )
            parts["x" if "-x-" in shard.path else "y"].append(bounded.npy(path))
        return self.pack(np.concatenate(parts["x"]), np.concatenate(parts["y"]).ravel())


def imported(path: Path, sources: Iterable[Source]) -> Iterator[tuple[str, Arrays]]:
    """(name, arrays) of every known data file that `path` holds: each checked and converted, none stored.

    `path` may be the original form of one of the `sources`, one of our packed npz files, or a folder with such files.

    Raises:
        Unavailable: nothing known there, or no such path.
        DamagedFile: something known, but truncated or altered.
    """
    if not path.exists():
        raise Unavailable(f"there is no {path}")
    sources = list(sources)
    by_file = {file: source for source in sources for file in source.files}
    nothing = True
    for name, arrays in _candidates(path, sources):
        nothing = False
        if files.content_hash(arrays) != files.entry(name).content and not files.entry(name).build:
            raise DamagedFile(f"{path}: what should become {name} does not have the arrays of the manifest")
        if name in by_file and (fault := by_file[name].fault(arrays)):
            raise DamagedFile(f"{path}: what should become {name} {fault}")
        yield name, arrays
    if nothing:
        accepted = ", ".join(source.accepts for source in sources if source.accepts)
        raise Unavailable(f"nothing known in {path}; it must be {accepted}, or packed npz files (see: bbo data list)")


def _candidates(path: Path, sources: Iterable[Source]) -> Iterator[tuple[str, Arrays]]:
    packed = [path] if path.suffix == ".npz" else sorted(path.rglob("*.npz")) if path.is_dir() else []
    by_file = {name.rpartition("/")[2]: name for name in files.manifest()}
    for file in packed:
        if file.name in by_file:
            yield by_file[file.name], files.check(by_file[file.name], file)
    if path.suffix != ".npz":
        for source in sources:
            yield from source.found(path)
