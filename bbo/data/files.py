"""Data files: where they are found, and how they are checked.

Every file has an entry in the manifest (`tasks/data/manifest.json`, written by `tools/build_manifest.py`). A file is looked for
below the folder named by the environment variable BBO_DATA_DIR, in the package, and in the user's cache, in this order; the first
one found is taken and checked before any array of it is used. A file that users make themselves (`DataFile.build`) has no arrays that
are known beforehand; its task checks their shapes, and every record holds the hash of the visible table.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from bbo import bounded, files
from bbo.bounded import Unreadable
from bbo.errors import BBOError, DamagedFile, Unavailable, unknown


@dataclass(frozen=True)
class DataFile:
    """What the manifest says about one npz file.

    Args:
        name: path below a data folder, with forward slashes.
        sha256: of the file as we packed it.
        content: sha256 of its arrays (`content_hash`). This hash decides: the same arrays packed with another compressor are accepted.
        size: bytes of the file as we packed it.
        licence, origin, mirrors, get: as in the file's source (`bbo.data.Source`).
        source: the short name of that source; may be empty.
        build: as in the source. Such a file may hold other arrays than the manifest's: another machine may make others.
    """

    name: str
    sha256: str
    content: str
    size: int
    licence: str
    origin: str
    mirrors: tuple[str, ...] = ()
    source: str = ""
    get: str = ""
    build: str = ""


@cache
def manifest() -> dict[str, DataFile]:
    """All known data files by name."""
    entries = json.loads((package_dir() / "manifest.json").read_text())
    return {name: DataFile(name=name, **{**entry, "mirrors": tuple(entry["mirrors"])}) for name, entry in entries.items()}


def entry(name: str) -> DataFile:
    """The manifest entry of a file.

    Raises:
        UnknownName: no such file.
    """
    if name not in manifest():
        raise unknown("data file", name, manifest(), "see: bbo data list")
    return manifest()[name]


def package_dir() -> Path:
    """Folder of the data that the package ships."""
    return Path(str(importlib.resources.files("bbo.tasks") / "data"))


def cache_dir() -> Path:
    """Folder into which `bbo data fetch` and `bbo data import` write."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("offline-bbo")) / "data"


def search_path() -> list[Path]:
    """Folders in the order in which they are searched."""
    own = os.environ.get("BBO_DATA_DIR", "")
    return [*([Path(own).expanduser()] if own else []), package_dir(), cache_dir()]


def find(name: str) -> Path | None:
    """Where a file is, unchecked; None if it is nowhere."""
    return next((path for path in (folder / entry(name).name for folder in search_path()) if path.is_file()), None)


def missing(names: tuple[str, ...]) -> str:
    """Which of these files are missing, with the one command that gets them; empty if all are there."""
    absent = [name for name in names if find(name) is None]
    if not absent:
        return ""
    commands = list(dict.fromkeys(entry(name).get or "reinstall the package" for name in absent))
    return f"needs the data file {', '.join(absent)}: {' && '.join(commands)}{_hint(absent)}"


def _hint(absent: list[str]) -> str:
    """What is wrong with BBO_DATA_DIR, if files that are said to be missing show it."""
    own = os.environ.get("BBO_DATA_DIR", "")
    folder = Path(own).expanduser()
    if own and not folder.is_dir():
        return f"; BBO_DATA_DIR is {own}, which is not a folder"
    for name in absent if own else ():
        inside, _, file = name.rpartition("/")
        if folder.resolve().name == inside and (folder / file).is_file():
            return f"; {file} is in BBO_DATA_DIR itself, but looked for in its folder {inside}: set BBO_DATA_DIR to {folder.resolve().parent}"
    return ""


def load(name: str) -> dict[str, np.ndarray]:
    """All arrays of a file, checked against the manifest.

    Raises:
        Unavailable: the file is nowhere.
        DamagedFile: it is there, but truncated or altered.
    """
    path = find(name)
    if path is None:
        raise Unavailable(missing((name,)))
    stat = path.stat()
    return dict(_load(name, path, stat.st_mtime_ns, stat.st_size))


# A task asks for its file at every call; a process reads and checks each table once and keeps it (read-only).
@cache
def _load(name: str, path: Path, mtime: int, size: int) -> dict[str, np.ndarray]:
    arrays = check(name, path)
    for array in arrays.values():
        array.flags.writeable = False
    return arrays


def check(name: str, path: Path) -> dict[str, np.ndarray]:
    """Arrays of the file at `path`, which claims to be `name`.

    Raises:
        DamagedFile: it cannot be read, or its arrays are not those of the manifest and it is not a file that users make.
    """
    remedy = f"delete it and get it again: {entry(name).get or 'reinstall the package'}"
    try:
        arrays = read_npz(path)
    except DamagedFile as error:
        raise DamagedFile(f"{error}; {remedy}") from error
    found, expected = content_hash(arrays), entry(name).content
    if found != expected and not entry(name).build:
        raise DamagedFile(f"data file {path} is not {name}: its arrays hash to {found[:16]}.., not {expected[:16]}..; {remedy}")
    return arrays


def read_npz(path: Path, names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """All arrays of an npz file, or those of some names; never unpickles.

    Raises:
        DamagedFile: not an npz file, truncated, with objects inside, or without an array of these names.
    """
    try:
        return bounded.npz(path, names)
    except Unreadable as error:
        size = f" ({path.stat().st_size} bytes)" if path.exists() else ""
        raise DamagedFile(f"data file {path}{size} cannot be read: {error.reason}") from error


def content_hash(arrays: dict[str, np.ndarray]) -> str:
    """sha256 of arrays with their names, types and shapes, in the order of names; independent of compression."""
    digest = hashlib.sha256()
    for key in sorted(arrays):
        array = np.ascontiguousarray(arrays[key])
        digest.update(f"{key} {array.dtype.str} {arrays[key].shape} ".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def file_hash(path: Path) -> str:
    """sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def store(name: str, arrays: dict[str, np.ndarray], folder: Path | None = None) -> Path:
    """Write arrays as the data file `name` below `folder` (default: the cache), whole or not at all; returns its path.

    Raises:
        BBOError: it cannot be written there.
    """
    path = (folder or cache_dir()) / name
    try:
        with files.whole(path) as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    except OSError as error:
        raise BBOError(f"cannot write {path}: {error.strerror or error}; make room, or choose another place") from None
    return path
