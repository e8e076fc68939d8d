"""Where a board's records come from: results folders, committed leaderboards (CSV, also gzipped), collected results (Parquet)."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isclose
from pathlib import Path

from bbo import bounded
from bbo.bounded import Unreadable
from bbo.errors import BBOError
from bbo.record import Outcome, Record, Trace, folders, read_cell, read_outcome, read_trace
from bbo.reporting.storage import cell_table, parquet, unsuitable
from bbo.reporting.storage.unsuitable import Unsuitable


@dataclass(frozen=True)
class Results:
    """Records, each cell once; pairs that are not applicable; and the folders of the cells whose arrays are available.

    `notes` are lines for the user, such as that a table is too old to notice an altered number.
    """

    records: tuple[Record, ...]
    unsuitable: tuple[Unsuitable, ...] = ()
    folders: dict[str, Path] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def outcome(self, record: Record) -> Outcome | None:
        """A done cell's arrays; None if only its record is available (tables hold no designs).

        Raises:
            DamagedCell: designs.npz cannot be read.
        """
        folder = self.folders.get(record.spec.hash)
        return read_outcome(folder, _own(record)) if folder and record.done else None

    def trace(self, record: Record) -> Trace | None:
        """The scores along the way, where the cell was traced.

        Raises:
            DamagedCell: trace.npz is there but cannot be read.
        """
        folder = self.folders.get(record.spec.hash)
        return read_trace(folder, _own(record)) if folder else None


def _own(record: Record) -> Record | None:
    """The record, or None, by which the folder's own is read: one from a table does not hold the hashes of the arrays."""
    return record if record.arrays else None


def load(paths: Sequence[Path]) -> Results:
    """Records of results folders and tables, each cell once; a done cell wins over a failed one.

    Raises:
        BBOError: a path is neither, no path holds a cell, or two hold different results of one cell.
        DamagedCell: a cell is damaged.
    """
    found: dict[str, Record] = {}
    came_from: dict[str, Path] = {}
    conflicts: list[str] = []
    places: dict[str, Path] = {}
    left_out: dict[tuple[str, str], Unsuitable] = {}
    notes: list[str] = []
    for path in paths:
        records, pairs, note = _read(path)
        notes += [note] if note else []
        left_out |= {(pair.task, pair.method): pair for pair in pairs}
        for record, folder in records:
            key = record.spec.hash
            if key in found and differ(record, found[key]):
                conflicts.append(f"{record.spec.label()} in {came_from[key]} and {path}")
            if key not in found or (record.done and not found[key].done):
                found[key], came_from[key] = record, path
                places.pop(key, None)
            if folder and alike(record, found[key]):
                places.setdefault(key, folder)
    if conflicts:
        more = f", and {len(conflicts) - 3} more" if len(conflicts) > 3 else ""
        raise BBOError(
            f"two different results of one cell: {'; '.join(conflicts[:3])}{more}. They may come from two machines or numerics modes; "
            "leave one of the sources out"
        )
    if not found:
        raise BBOError(f"no finished cells in {', '.join(map(str, paths))}; make some with: bbo run ... --out DIR")
    order = sorted(found.values(), key=lambda r: (r.spec.task, r.spec.method, r.spec.seed, r.spec.hash))
    return Results(tuple(order), tuple(pair for _, pair in sorted(left_out.items())), places, tuple(notes))


def alike(a: Record, b: Record) -> bool:
    """Whether two records of one cell tell the same result; tables of earlier versions hold no hash of the designs.

    Facts about equal designs may differ in their last digits, where two machines computed them.
    """
    hashes = {a.design_hash, b.design_hash} - {""}
    near = a.designs.keys() == b.designs.keys() and all(
        isclose(value, b.designs[name], abs_tol=1e-12) for name, value in a.designs.items()
    )
    return a.percentiles == b.percentiles and near and len(hashes) < 2


def differ(a: Record, b: Record) -> bool:
    """Whether two records of one cell contradict each other; a failure is no second result."""
    return a.done and b.done and not alike(a, b)


def _read(path: Path) -> tuple[list[tuple[Record, Path | None]], list[Unsuitable], str]:
    if not path.is_file():
        return [(read_cell(folder), folder) for folder in folders(path)], unsuitable.read(path), ""
    try:
        if path.suffix == ".csv":
            contents = cell_table.from_csv(bounded.text(path))
        elif path.name.endswith(".csv.gz"):
            contents = cell_table.from_csv(bounded.unzipped(path))
        elif path.suffix == ".parquet":
            contents = parquet.read(path)
        else:
            raise BBOError("these are not results: give a results folder, or a .csv, .csv.gz or .parquet made by bbo collect")
    except Unreadable as error:
        raise BBOError(f"{error}; use another copy, or make it again with: bbo collect DIR --to {path}") from None
    except csv.Error as error:
        raise BBOError(f"{path} cannot be read: {error}") from None
    except BBOError as error:
        raise BBOError(f"{path}: {error}") from None
    note = ""
    if contents.unsummed:
        note = f"{path} was written by an earlier version, without row sums: an altered number in it would not be noticed"
    return [(record, None) for record in contents.records], contents.unsuitable, note
