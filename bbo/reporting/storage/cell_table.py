"""Cells as a flat table, one row per cell: the form of committed leaderboards (CSV) and of collected results (Parquet).

The table keeps what leaderboards need. Designs, traces, tracebacks and notes stay in the results folder.

Schema 4, in this order. Schema 3 had no design_hash, schema 2 no sum; schema 1 had no warnings, and `baseline` and `baseline_version` for
the method:

| column | type | meaning |
| --- | --- | --- |
| schema | int | version of this table, 4 |
| cell | text | hash of the cell's spec, 20 hex digits |
| task, task_version, data_hash | text | the task, and the sha256 of its visible table |
| method, method_version | text | the method |
| config | JSON | its settings, resolved |
| seed, budget, protocol | int | seed asked for, number of designs, version of the protocol |
| status | text | done, failed or not applicable |
| score_100, score_80, score_50 | float | normalised score at the percentiles; empty when failed |
| diversity, duplicates, nearest_offline, novel_share | float | how the designs are spread (`bbo.designs`) |
| design_hash | text | of the designs (`bbo.designs.digest`), by which `bbo rerun` compares; empty when failed or not known |
| wall_seconds, cpu_seconds, peak_memory_mb | float | cost of the method |
| error | JSON | reason, type and message of a failed cell; message: why it is not applicable; empty when done |
| warnings | JSON | messages of warnings, a list |
| task_facts, method_facts, provenance | JSON | as in the record |
| sum | text | of all other columns (`row_sum`), compared when the row is read, so that no altered number is taken for a result |

A row that is not applicable is a pair of a method and a task it does not fit: only schema, task, method, status and error are filled.

In CSV, a text that a spreadsheet would run as a formula (it begins with =, +, -, @, a tab or a line break) gets an apostrophe in
front, which is removed on reading. A spreadsheet that saves with semicolons is understood; one that changes numbers is noticed.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from bbo import bounded, schema
from bbo.bounded import Unreadable
from bbo.errors import BBOError
from bbo.protocol import PERCENTILES
from bbo.record import NAMES, CellSpec, Record
from bbo.reporting.storage.unsuitable import Unsuitable
from bbo.text import clean, inert, line

SCHEMA = 4
SPEC = ("task", "task_version", "data_hash", "method", "method_version", "config", "seed", "budget", "protocol")
SCORES = tuple(f"score_{p}" for p in PERCENTILES)
DESIGNS = ("diversity", "duplicates", "nearest_offline", "novel_share")
COST = ("wall_seconds", "cpu_seconds", "peak_memory_mb")
COLUMNS = (
    "schema",
    "cell",
    *SPEC,
    "status",
    *SCORES,
    *DESIGNS,
    "design_hash",
    *COST,
    "error",
    "warnings",
    "task_facts",
    "method_facts",
    "provenance",
    "sum",
)
#: Columns that earlier schemas did not have.
SINCE_2, SINCE_3, SINCE_4 = ("warnings",), ("sum",), ("design_hash",)
JSON = ("config", "error", "warnings", "task_facts", "method_facts", "provenance")
INTEGERS = ("schema", "seed", "budget", "protocol")
FLOATS = (*SCORES, *DESIGNS, *COST)
NOT_APPLICABLE = "not applicable"
#: Facts of the stack that are kept: those that may change a score, the command, and when the cell was finished.
PROVENANCE = (
    "packages", "commit", "python", "command", "device", "device_name", "os", "cpu", "threads", "tf32", "blas", "numerics", "fingerprint",
    "finished", "sandbox",
)  # fmt: skip
#: Characters of the longest cell of a CSV: warnings at their longest, escaped as JSON.
LONGEST_CELL = 2**22


class Contents(NamedTuple):
    """What a table of cells holds."""

    records: list[Record]
    unsuitable: list[Unsuitable]
    #: How many rows carry no sum, since an earlier version wrote them.
    unsummed: int = 0


def row(record: Record) -> dict[str, Any]:
    """A record as a row: every column, JSON columns as text, None where there is nothing."""
    error = {k: v for k, v in (record.error or {}).items() if k != "traceback"}
    found = {
        "schema": SCHEMA,
        "cell": record.spec.hash,
        **{name: getattr(record.spec, name) for name in SPEC},
        "config": _json(record.spec.config),
        "status": record.status,
        **{f"score_{p}": record.percentiles.get(str(p)) for p in PERCENTILES},
        **{name: record.designs.get(name) for name in DESIGNS},
        "design_hash": record.design_hash or None,
        **{name: record.cost.get(name) for name in COST},
        "error": _json(error) if error else None,
        "warnings": _json(record.warnings),
        "task_facts": _json(record.task),
        "method_facts": _json(record.method),
        "provenance": _json({k: record.provenance[k] for k in PROVENANCE if k in record.provenance}),
    }
    return {**found, "sum": row_sum(found)}


def row_sum(row: Mapping[str, Any]) -> str:
    """First 16 hex digits of the sha256 of a row's values: numbers with all their digits, texts as they stand."""
    left_out = ("sum", *(SINCE_4 if int(row["schema"]) < 4 else ()))
    values = [_plain(name, row.get(name)) for name in COLUMNS if name not in left_out]
    return hashlib.sha256(json.dumps(values, separators=(",", ":")).encode()).hexdigest()[:16]


def _plain(name: str, value: Any) -> Any:
    """A value as CSV and Parquet both give it: a missing text is an empty one, a score of 1 is 1.0."""
    if name in FLOATS:
        return None if value is None else float(value)
    return value if name in INTEGERS else value or ""


def unsuitable_row(pair: Unsuitable) -> dict[str, Any]:
    """A pair that is not applicable as a row."""
    filled = {"schema": SCHEMA, "task": pair.task, "method": pair.method, "status": NOT_APPLICABLE}
    found = {**dict.fromkeys(COLUMNS), **filled, "error": _json({"message": pair.reason})}
    return {**found, "sum": row_sum(found)}


def rows(records: Iterable[Record], unsuitable: Iterable[Unsuitable]) -> list[dict[str, Any]]:
    """Rows in the given order, first the cells, then what is not applicable."""
    return [*map(row, records), *map(unsuitable_row, unsuitable)]


def contents(rows: Sequence[Mapping[str, Any]]) -> Contents:
    """The inverse of `rows`, except for what a row leaves out of its record.

    Raises:
        BBOError: as `record` does.
    """
    pairs = [_pair(one) for one in rows if one.get("status") == NOT_APPLICABLE]
    unsummed = sum(one.get("sum") is None for one in rows)
    return Contents([record(one) for one in rows if one.get("status") != NOT_APPLICABLE], pairs, unsummed)


def _pair(row: Mapping[str, Any]) -> Unsuitable:
    try:
        _check_schema(row)
        _check_sum(row, " / ".join((str(row.get("task")), str(row.get("method")))))
        return Unsuitable(row["task"], row["method"], str(json.loads(row["error"])["message"]))
    except (KeyError, TypeError, ValueError, RecursionError):
        raise BBOError(
            "a row that is not applicable lacks its task, its method or its reason; the table was changed by hand"
        ) from None


def record(row: Mapping[str, Any]) -> Record:
    """The record of a row; the inverse of `row`, except for what it leaves out.

    Raises:
        BBOError: the row is of a newer schema, lacks a column, holds what cannot be read, or does not agree with its own hash or sum.
    """
    try:
        return _record(row)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError, Unreadable) as error:
        where = " / ".join(str(row.get(name)) for name in ("task", "method", "seed"))
        raise BBOError(line(f"row of {where} cannot be read ({error}); the table was changed by hand", 1000)) from None


def _check_schema(row: Mapping[str, Any]) -> None:
    """Before anything else of a row, since a newer schema may have other columns and another sum."""
    if int(row["schema"]) > SCHEMA:
        raise BBOError(f"the table has schema {row['schema']}, this version reads up to {SCHEMA}; update offline-bbo")


def _check_sum(row: Mapping[str, Any], where: str) -> None:
    if int(row["schema"]) >= 3 and row["sum"] != row_sum(row):
        raise BBOError(
            f"row of {where}: its sum does not agree with its values, so one of them was changed by hand or by a spreadsheet; "
            "use the original file, or collect it again"
        )


def _record(row: Mapping[str, Any]) -> Record:
    _check_schema(row)
    if int(row["schema"]) == 1:
        row = {**dict.fromkeys(SINCE_2), **{NAMES.get(name, name): value for name, value in row.items()}}
    if int(row["schema"]) < 3:
        row = {**row, **dict.fromkeys(SINCE_3)}
    if int(row["schema"]) < 4:
        row = {**row, **dict.fromkeys(SINCE_4)}
    missing = [name for name in COLUMNS if name not in row]
    if missing:
        raise BBOError(f"the table lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}")
    if row["status"] not in ("done", "failed"):
        raise ValueError(f"status is {row['status']!r}")
    spec = CellSpec(**{**{name: row[name] for name in SPEC}, "config": _object(row, "config")})
    if spec.hash != row["cell"]:
        raise BBOError(f"row of {spec.label()}: its hash is {spec.hash}, but it says {row['cell']}; the table was changed by hand")
    _check_sum(row, spec.label())
    facts = {
        "status": row["status"],
        "percentiles": {str(p): row[f"score_{p}"] for p in PERCENTILES if row[f"score_{p}"] is not None},
        "task": _object(row, "task_facts"),
        "method": _object(row, "method_facts"),
        "error": _object(row, "error"),
        "provenance": _object(row, "provenance"),
        "cost": {name: row[name] for name in COST if row[name] is not None},
        "designs": {name: row[name] for name in DESIGNS if row[name] is not None},
        "warnings": _object(row, "warnings") or [],
        "design_hash": row["design_hash"] or "",
    }
    schema.check({"hash": row["cell"], "spec": {name: getattr(spec, name) for name in SPEC}, **facts})
    return Record(spec, **facts)


def _object(row: Mapping[str, Any], name: str) -> Any:
    """The value of a JSON column; None where it is empty."""
    return bounded.parsed_json(f"column {name}", row[name]) if row[name] else None


def to_csv(records: Iterable[Record], unsuitable: Iterable[Unsuitable] = ()) -> str:
    """The table of `rows`; floats with all their digits, so that reading gives them back exactly."""
    return csv_text(COLUMNS, ({name: inert(value) for name, value in one.items()} for one in rows(records, unsuitable)))


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as CSV with line feeds at their ends; a carriage return within a cell is quoted, which `csv` omits with such ends."""
    lines = []
    for row in ({name: name for name in columns}, *rows):
        file = io.StringIO()
        csv.DictWriter(file, columns, lineterminator="\r\n").writerow(row)
        lines.append(file.getvalue().removesuffix("\r\n") + "\n")
    return "".join(lines)


def hashes(text: str) -> set[str] | None:
    """Hashes of the cells of a CSV, unchecked, so that a damaged table has them too; None if it is no table of cells."""
    reader = _reader(text)
    if not {"schema", "cell"} <= set(reader.fieldnames or ()):
        return None
    return {row["cell"] for row in reader if row["cell"]}


def _reader(text: str) -> csv.DictReader[str]:
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_CELL))
    head = text.partition("\n")[0]
    return csv.DictReader(io.StringIO(text), delimiter=max(",;\t", key=head.count))


def from_csv(text: str) -> Contents:
    """What a committed leaderboard holds.

    Raises:
        BBOError: it is not such a table.
    """
    reader = _reader(text)
    names = reader.fieldnames or ()
    if twice := [name for name in names if names.count(name) > 1]:
        raise BBOError(f"its head names the column {twice[0]} twice; the table was changed by hand")
    if "percentile" in names and "schema" not in names:
        raise BBOError(
            "this is a summary written by bbo report --format csv, which holds means without their seeds; "
            "a table that can be read back is made by: bbo collect DIR --to FILE.csv"
        )
    if "schema" not in names:
        raise BBOError("this is not a table of cells (no column schema); make one with: bbo collect DIR --to FILE.csv")
    lines = []
    for one in reader:
        if None in one or None in one.values():
            raise BBOError(
                f"line {reader.line_num} does not have {len(names)} fields, as the head has; the table was changed by hand"
            )
        lines.append({name: _typed(name, value) for name, value in one.items()})
    return contents(lines)


def _typed(name: str, text: str) -> Any:
    if not text:
        return None if name in (*FLOATS, *INTEGERS, *JSON) else text
    try:
        return int(text) if name in INTEGERS else float(text) if name in FLOATS else text.removeprefix("'")
    except ValueError:
        hint = "; a spreadsheet wrote it with a decimal comma: use the original file" if "," in text else ""
        raise BBOError(f"column {name} holds '{clean(text, 100)}', which is not a number{hint}") from None


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
