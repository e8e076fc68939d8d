"""Cells as a pandas DataFrame: the columns of `cell_table`, with its JSON columns as Python objects.

Pairs that are not applicable are no cells; they are kept beside the rows, in `frame.attrs`.
"""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from bbo.errors import BBOError
from bbo.reporting.storage import cell_table
from bbo.reporting.storage.sources import Results
from bbo.reporting.storage.unsuitable import Unsuitable

#: Where `frame.attrs` keeps the pairs.
NOT_APPLICABLE = "bbo not applicable"
COLUMNS = tuple(name for name in cell_table.COLUMNS if name not in ("schema", "sum"))


def to_frame(results: Results) -> pd.DataFrame:
    """One row for each record, in their order."""
    lines = [_decoded(cell_table.row(record)) for record in results.records]
    frame = pd.DataFrame(lines, columns=list(COLUMNS))
    frame = frame.astype(dict.fromkeys(cell_table.FLOATS, float))
    frame.attrs[NOT_APPLICABLE] = [tuple(pair) for pair in results.unsuitable]
    return frame


def from_frame(frame: pd.DataFrame) -> Results:
    """The results of some rows of such a frame; the inverse of `to_frame`, except that folders of cells are not known.

    Raises:
        BBOError: there are no rows, columns are missing, or a row was changed.
    """
    if frame.empty:
        raise BBOError("there are no cells in this DataFrame; make some with bbo.run, or read them with bbo.read_results")
    if missing := [name for name in COLUMNS if name not in frame.columns]:
        raise BBOError(
            f"this DataFrame lacks the columns {', '.join(missing)} of bbo.read_results; filter its rows, not its columns"
        )
    records = [cell_table.record(_encoded(line)) for line in frame.to_dict("records")]
    return Results(tuple(records), tuple(Unsuitable(*pair) for pair in frame.attrs.get(NOT_APPLICABLE, ())))


def _decoded(line: dict[str, Any]) -> dict[str, Any]:
    return {name: json.loads(line[name]) if name in cell_table.JSON and line[name] else line[name] for name in COLUMNS}


def _encoded(line: dict[Any, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"schema": cell_table.SCHEMA}
    for name in COLUMNS:
        value = line[name]
        if isinstance(value, dict | list):
            found[name] = json.dumps(value, sort_keys=True)
        else:
            found[name] = None if pd.isna(value) else value
    return {**found, "sum": cell_table.row_sum(found)}
