"""Where a board's records come from: results folders, committed leaderboards (CSV), collected results (Parquet)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bbo.errors import BBOError
from bbo.leaderboard.storage import cell_table, parquet
from bbo.record import Outcome, Record, Trace, folders, read_cell, read_outcome, read_trace


@dataclass(frozen=True)
class Results:
    """Records, each cell once, and the folders of those whose arrays are at hand."""

    records: tuple[Record, ...]
    folders: dict[str, Path] = field(default_factory=dict)

    def outcome(self, record: Record) -> Outcome | None:
        """A done cell's arrays; None where only its record is at hand (tables hold no designs).

        Raises:
            DamagedCell: designs.npz cannot be read.
        """
        folder = self.folders.get(record.spec.hash)
        return read_outcome(folder, record.spec) if folder and record.done else None

    def trace(self, record: Record) -> Trace | None:
        """The scores along the way, where the cell was traced.

        Raises:
            DamagedCell: trace.npz is there but cannot be read.
        """
        folder = self.folders.get(record.spec.hash)
        return read_trace(folder) if folder else None


def load(paths: Sequence[Path]) -> Results:
    """Records of results folders and tables, each cell once; a done cell wins over a failed one.

    Raises:
        BBOError: a path is neither, or holds no cells.
        DamagedCell: a cell is damaged.
    """
    found: dict[str, Record] = {}
    places: dict[str, Path] = {}
    for path in paths:
        for record, folder in _records(path):
            key = record.spec.hash
            if key not in found or (record.done and not found[key].done):
                found[key] = record
            if folder and found[key] is record:
                places[key] = folder
    if not found:
        raise BBOError(f"no finished cells in {', '.join(map(str, paths))}; make some with: bbo run ... --out DIR")
    order = sorted(found.values(), key=lambda r: (r.spec.task, r.spec.method, r.spec.seed, r.spec.hash))
    return Results(tuple(order), places)


def _records(path: Path) -> list[tuple[Record, Path | None]]:
    if path.is_file():
        try:
            if path.suffix == ".csv":
                return [(r, None) for r in cell_table.from_csv(path.read_text(encoding="utf-8"))]
            if path.suffix == ".parquet":
                return [(r, None) for r in parquet.read(path)]
        except (OSError, UnicodeDecodeError) as error:
            raise BBOError(f"{path} cannot be read: {error}") from None
        except BBOError as error:
            raise BBOError(f"{path}: {error}") from None
        raise BBOError(f"{path} is no results: give a results folder, a .csv or a .parquet made by bbo collect")
    return [(read_cell(folder), folder) for folder in folders(path)]
