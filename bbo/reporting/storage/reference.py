"""Results that come with the package (`bbo/reporting/data/NAME.csv.gz`, by `tools/ship_reference.py`), to put beside one's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from bbo.errors import BBOError
from bbo.record import Record
from bbo.reporting.storage import sources
from bbo.reporting.storage.sources import Results

FOLDER = Path(str(files("bbo.reporting"))) / "data"
SUFFIX = ".csv.gz"


def names() -> list[str]:
    """What the shipped results are called wherever a path of results is asked for."""
    return sorted(path.name.removesuffix(SUFFIX) for path in FOLDER.glob(f"*{SUFFIX}"))


def path(asked: Path) -> Path:
    """The path itself, or that of shipped results where it is one of `names` and no such file or folder is there.

    Raises:
        BBOError: it is neither.
    """
    if asked.exists():
        return asked
    if str(asked) in names():
        return FOLDER / f"{asked}{SUFFIX}"
    known = ", ".join(names()) or "none"
    raise BBOError(f"no results folder or table {asked}; results that come with the package, by name: {known}")


def beside(own: Results, asked: Path) -> Results:
    """Your results, and those of `asked` on the same tasks under the name "METHOD (NAME)"; floors keep their names.

    Tasks are the same if their version, visible table, budget and protocol are.

    Raises:
        BBOError: there are no such results, or none on a task of yours.
    """
    theirs = sources.load([path(asked)])
    tasks = {_task(record) for record in own.records}
    shared = [record for record in theirs.records if _task(record) in tasks]
    if not shared:
        held = ", ".join(sorted({record.spec.task for record in theirs.records}))
        raise BBOError(
            f"{asked} holds no result on a task of yours (of the same version, data, budget and protocol); it holds: {held}"
        )
    cells = {record.spec.hash for record in own.records}
    return replace(own, records=(*own.records, *_renamed(shared, asked.name.partition(".")[0], cells)))


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
