"""Cells as a flat table, one row a cell: the form of committed leaderboards (CSV) and of collected results (Parquet).

The table keeps what leaderboards need. Designs, tracebacks and warnings stay in the results folder.

Schema 2, in this order (schema 1 had `baseline` and `baseline_version` for the method):

| column | type | meaning |
| --- | --- | --- |
| schema | int | version of this table, 2 |
| cell | text | hash of the cell's spec, 20 hex digits |
| task, task_version, data_hash | text | the task, and the sha256 of its visible table |
| method, method_version | text | the method |
| config | JSON | its settings, resolved |
| seed, budget, protocol | int | seed asked for, number of designs, version of the protocol |
| status | text | done or failed |
| score_100, score_80, score_50 | float | normalised score at the percentiles; empty when failed |
| diversity, duplicates, nearest_offline, novel_share | float | how the designs lie (`bbo.designs`) |
| wall_seconds, cpu_seconds, peak_memory_mb | float | cost of the method |
| error | JSON | reason, type and message of a failed cell; empty when done |
| task_facts, method_facts, provenance | JSON | as in the record |
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from typing import Any

from bbo.errors import BBOError
from bbo.protocol import PERCENTILES
from bbo.record import NAMES, CellSpec, Record

SCHEMA = 2
SPEC = ("task", "task_version", "data_hash", "method", "method_version", "config", "seed", "budget", "protocol")
SCORES = tuple(f"score_{p}" for p in PERCENTILES)
DESIGNS = ("diversity", "duplicates", "nearest_offline", "novel_share")
COST = ("wall_seconds", "cpu_seconds", "peak_memory_mb")
COLUMNS = ("schema", "cell", *SPEC, "status", *SCORES, *DESIGNS, *COST, "error", "task_facts", "method_facts", "provenance")
JSON = ("config", "error", "task_facts", "method_facts", "provenance")
INTEGERS = ("schema", "seed", "budget", "protocol")
FLOATS = (*SCORES, *DESIGNS, *COST)
#: Facts of the stack that are kept: those that decide scores, and the command.
PROVENANCE = ("packages", "commit", "python", "command", "device")


def row(record: Record) -> dict[str, Any]:
    """A record as a row: every column, JSON columns as text, None where there is nothing."""
    error = {k: v for k, v in (record.error or {}).items() if k != "traceback"}
    return {
        "schema": SCHEMA,
        "cell": record.spec.hash,
        **{name: getattr(record.spec, name) for name in SPEC},
        "config": _json(record.spec.config),
        "status": record.status,
        **{f"score_{p}": record.percentiles.get(str(p)) for p in PERCENTILES},
        **{name: record.designs.get(name) for name in DESIGNS},
        **{name: record.cost.get(name) for name in COST},
        "error": _json(error) if error else None,
        "task_facts": _json(record.task),
        "method_facts": _json(record.method),
        "provenance": _json({k: record.provenance[k] for k in PROVENANCE if k in record.provenance}),
    }


def record(row: Mapping[str, Any]) -> Record:
    """The record of a row; the inverse of `row` but for what it leaves out.

    Raises:
        BBOError: the row is of a newer schema, lacks a column, or does not agree with its own hash.
    """
    if int(row["schema"]) > SCHEMA:
        raise BBOError(f"the table has schema {row['schema']}, this version reads up to {SCHEMA}; update offline-bbo")
    if int(row["schema"]) == 1:
        row = {NAMES.get(name, name): value for name, value in row.items()}
    missing = [name for name in COLUMNS if name not in row]
    if missing:
        raise BBOError(f"the table lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}")
    spec = CellSpec(**{**{name: row[name] for name in SPEC}, "config": json.loads(row["config"])})
    if spec.hash != row["cell"]:
        raise BBOError(f"row of {spec.label()}: its hash is {spec.hash}, but it says {row['cell']}; the table was changed by hand")
    return Record(
        spec,
        row["status"],
        {str(p): row[f"score_{p}"] for p in PERCENTILES if row[f"score_{p}"] is not None},
        json.loads(row["task_facts"]),
        json.loads(row["method_facts"]),
        error=json.loads(row["error"]) if row["error"] else None,
        provenance=json.loads(row["provenance"]),
        cost={name: row[name] for name in COST if row[name] is not None},
        designs={name: row[name] for name in DESIGNS if row[name] is not None},
    )


def to_csv(records: Iterable[Record]) -> str:
    """Rows in the records' order; floats with all their digits, so that nothing is lost on the way back."""
    file = io.StringIO()
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(row(r) for r in records)
    return file.getvalue()


def from_csv(text: str) -> list[Record]:
    """Records of a committed leaderboard.

    Raises:
        BBOError: it is not such a table.
    """
    reader = csv.DictReader(io.StringIO(text))
    if not reader.fieldnames or "schema" not in reader.fieldnames:
        raise BBOError("this is not a table of cells (no column schema); make one with: bbo collect DIR --to FILE.csv")
    return [record({name: _typed(name, value) for name, value in line.items()}) for line in reader]


def _typed(name: str, text: str | None) -> Any:
    if not text:
        return None if name in FLOATS or name == "error" else text
    try:
        return int(text) if name in INTEGERS else float(text) if name in FLOATS else text
    except ValueError:
        raise BBOError(f"column {name} holds '{text}', which is not a number") from None


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
