"""Results that come with the package (`bbo/reporting/data/NAME.csv.gz`, by `tools/ship_reference.py`), to put beside one's own."""

from __future__ import annotations

from collections.abc import Sequence
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

    Tasks are the same if their version, visible table, budget and protocol are. The new name gives a cell another hash; `origin` in
    its provenance says where it can be found: `results` is `asked`, and `cell` the hash there. Of a cell that both hold, yours is kept;
    a note says where theirs differs.

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
    ids, names = {record.spec.task for record in shared}, {record.spec.method: _shown(record, asked) for record in shared}
    kept, folders, other = {record.spec.hash: record for record in own.records}, dict(own.folders), []
    for record in shared:
        origin = {"results": str(asked), "cell": record.spec.hash}
        spec = replace(record.spec, method=names[record.spec.method])
        mine = kept.setdefault(spec.hash, replace(record, spec=spec, provenance={**record.provenance, "origin": origin}))
        if sources.differ(mine, record):
            other.append(spec.label())
        elif origin["cell"] in theirs.folders and sources.alike(mine, record):
            folders.setdefault(spec.hash, theirs.folders[origin["cell"]])
    unfit = [pair._replace(method=names[pair.method]) for pair in theirs.unsuitable if pair.task in ids and pair.method in names]
    notes = [*own.notes, *theirs.notes]
    if other:
        notes.append(
            f"{asked} holds other results of cells that are here too, which are left out: {len(other)}, such as {other[0]}"
        )
    return Results(tuple(kept.values()), (*own.unsuitable, *unfit), folders, tuple(notes))


def _task(record: Record) -> Sequence[object]:
    spec = record.spec
    return (spec.task, spec.task_version, spec.data_hash, spec.budget, spec.protocol)


def _shown(record: Record, asked: Path) -> str:
    """What a method of other results is called beside one's own."""
    floor = record.method.get("kind") == "floor"
    return record.spec.method if floor else f"{record.spec.method} ({asked.name.partition('.')[0]})"
