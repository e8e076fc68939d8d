"""Results as Parquet: one file with a row per cell, and beside it one with a row per design. Exports of the cells, never their source.

`NAME.parquet` has the columns of `bbo.reporting.storage.cell_table`. `NAME.designs.parquet` has

| column | type | meaning |
| --- | --- | --- |
| cell | text | hash of the cell |
| task, method | text | ids |
| seed, index | int | seed of the cell, number of the design within it |
| score, normalised | float | raw and normalised score |
| design | list of float | the design, letters as whole numbers |

Both carry `bbo_schema` in the file's metadata. Needs pyarrow: `pip install offline-bbo[parquet]`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bbo import bounded, files
from bbo.errors import BBOError, Unavailable
from bbo.record import Outcome, Record
from bbo.reporting.storage import cell_table
from bbo.reporting.storage.unsuitable import Unsuitable


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise Unavailable("Parquet needs the package pyarrow: pip install 'offline-bbo[parquet]'") from None
    return pyarrow, pyarrow.parquet


def designs_path(path: Path) -> Path:
    """`results.designs.parquet` for `results.parquet`."""
    return path.with_name(f"{path.stem}.designs.parquet")


def write(
    path: Path, records: Sequence[Record], outcome: Callable[[Record], Outcome], unsuitable: Sequence[Unsuitable] = ()
) -> tuple[int, int]:
    """Write both files, each whole or not at all; returns how many cells and designs they hold.

    Args:
        path: the file of cells; the file of designs is put beside it.
        records: the cells.
        outcome: returns the arrays of a done cell.
        unsuitable: pairs of task and method that do not fit, stored as rows without a cell.

    Raises:
        Unavailable: pyarrow is missing.
        BBOError: the files cannot be written.
    """
    arrow, _ = _arrow()
    cells = arrow.Table.from_pylist(cell_table.rows(records, unsuitable), schema=_cell_schema(arrow))
    tables = [arrow.Table.from_pydict(_designs(r, outcome(r)), schema=_design_schema(arrow)) for r in records if r.done]
    designs = arrow.concat_tables(tables) if tables else _design_schema(arrow).empty_table()
    _write(designs_path(path), designs)
    _write(path, cells)
    return len(records), len(designs)


def read(path: Path) -> cell_table.Contents:
    """What a file of cells holds.

    Raises:
        Unavailable: pyarrow is missing.
        Unreadable: it is no Parquet file, damaged, or too large.
        BBOError: it is not such a table.
    """
    _arrow()
    rows = bounded.parquet(path).to_pylist()
    if rows and "schema" not in rows[0]:
        raise BBOError(f"{path} is not a table of cells (no column schema); make one with: bbo collect DIR --to {path}")
    return cell_table.contents(rows)


def _cell_schema(arrow: Any) -> Any:
    def kind(name: str) -> Any:
        return arrow.int64() if name in cell_table.INTEGERS else arrow.float64() if name in cell_table.FLOATS else arrow.string()

    fields = [(name, kind(name)) for name in cell_table.COLUMNS]
    return arrow.schema(fields, metadata={"bbo_schema": str(cell_table.SCHEMA)})


def _design_schema(arrow: Any) -> Any:
    text, whole, real = arrow.string(), arrow.int64(), arrow.float64()
    fields = [("cell", text), ("task", text), ("method", text), ("seed", whole), ("index", whole)]
    fields += [("score", real), ("normalised", real), ("design", arrow.list_(real))]
    return arrow.schema(fields, metadata={"bbo_schema": str(cell_table.SCHEMA)})


def _designs(record: Record, outcome: Outcome) -> dict[str, Any]:
    n = len(outcome.designs)
    spec = record.spec
    return {
        "cell": [spec.hash] * n,
        "task": [spec.task] * n,
        "method": [spec.method] * n,
        "seed": [spec.seed] * n,
        "index": np.arange(n),
        "score": outcome.scores.astype(np.float64),
        "normalised": outcome.normalised.astype(np.float64),
        "design": list(outcome.designs.reshape(n, -1).astype(np.float64)),
    }


def _write(path: Path, table: Any) -> None:
    _, parquet = _arrow()
    file = io.BytesIO()
    parquet.write_table(table, file)
    files.write(path, file.getvalue())
