"""Reference results: tables of cells that come with the package (`bbo/reference/*.csv`), to put beside one's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from bbo.errors import BBOError
from bbo.record import Record
from bbo.reporting.storage import sources
from bbo.reporting.storage.sources import Results

#: The name that stands for the shipped tables wherever a path of results is asked for.
NAME = "reference"


def paths(asked: Path, folder: Path | None = None) -> list[Path]:
    """The path itself, or the shipped tables where it is `NAME` and no such file or folder is there.

    Args:
        asked: a results folder, a table, or `NAME`.
        folder: where the shipped tables are; by default in the package.

    Raises:
        BBOError: no tables are shipped.
    """
    if str(asked) != NAME or asked.exists():
        return [asked]
    folder = folder or Path(str(files("bbo"))) / NAME
    found = sorted(folder.glob("*.csv"))
    if not found:
        raise BBOError(
            "this version comes with no reference results yet; give a results folder, or a table made by bbo collect, instead of "
            f"'{NAME}'"
        )
    return found


def beside(own: Results, asked: Path, folder: Path | None = None) -> Results:
    """Your results, and those of `asked` on the same tasks under the name "METHOD (NAME)"; floors keep their names.

    Tasks are the same if their version, visible table, budget and protocol are.

    Raises:
        BBOError: there are no such results, or none on a task of yours.
    """
    theirs = sources.load(paths(asked, folder))
    tasks = {_task(record) for record in own.records}
    shared = [record for record in theirs.records if _task(record) in tasks]
    if not shared:
        raise BBOError(f"{asked} holds no result on a task of yours (of the same version, data, budget and protocol)")
    name = NAME if str(asked) == NAME else asked.stem
    cells = {record.spec.hash for record in own.records}
    return replace(own, records=(*own.records, *_renamed(shared, name, cells)))


def _task(record: Record) -> Sequence[object]:
    spec = record.spec
    return (spec.task, spec.task_version, spec.data_hash, spec.budget, spec.protocol)


def _renamed(records: Iterable[Record], name: str, own: set[str]) -> list[Record]:
    found = []
    for record in records:
        if record.method.get("kind") != "floor":
            record = replace(record, spec=replace(record.spec, method=f"{record.spec.method} ({name})"))
        if record.spec.hash not in own:
            found.append(record)
    return found
