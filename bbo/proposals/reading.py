"""Reads a table of experiments and normalises its cells, so that every later rule is the same for files and DataFrames."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bbo import bounded
from bbo.bounded import Missing
from bbo.catalogue import missing_packages
from bbo.errors import BBOError, Unavailable, unknown
from bbo.text import active

#: Cells that hold nothing. "None" and "none" are not among them: they name an option in many tables.
MISSING = frozenset({"", "NA", "N/A", "#N/A", "NaN", "nan", "NULL", "null"})
#: By the ending of a file: the package that pandas needs to read or write it, and our extra that brings it.
ENGINES = {".parquet": ("pyarrow", "parquet"), ".xlsx": ("openpyxl", "excel")}
TEXT = (".csv", ".tsv", ".txt")
#: A number whose decimals come after a comma, as tables are written in many countries.
COMMA = re.compile(r"[+-]?\d+(,\d+)?([eE][+-]?\d+)?")
#: Rows that a message names.
NAMED = 8


@dataclass(frozen=True)
class Cells:
    """A table's cells as they are written.

    Attributes:
        columns: by name, an object array (N,) of floats, texts, and None where a cell is empty.
        rows: what each row is called in messages: the row of the file, its header being row 1, or a DataFrame's index.
    """

    columns: dict[str, np.ndarray]
    rows: list[Hashable]

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, name: str, what: str = "column") -> np.ndarray:
        """The cells of a column.

        Raises:
            UnknownName: the table has no such column.
        """
        if name not in self.columns:
            raise unknown(f"{what} of the table", name, self.columns)
        return self.columns[name]

    def only(self, keep: np.ndarray) -> Cells:
        """Some of the rows, by a mask (N,)."""
        rows = [row for row, kept in zip(self.rows, keep, strict=True) if kept]
        return Cells({name: column[keep] for name, column in self.columns.items()}, rows)


def read(path: Path) -> Cells:
    """The cells of a .csv, .tsv, .parquet or .xlsx file.

    Raises:
        Unavailable: the package that reads such files is not installed.
        BBOError: the file cannot be read, or is no table.
    """
    if path.is_dir():
        raise BBOError(f"{path} cannot be read as a table: it is a folder; name a file in it")
    _need_engine(path)
    try:
        frame = _read(path)
    except Missing:
        raise BBOError(f"no file {path}") from None
    except BBOError:
        raise
    except Exception as error:
        raise BBOError(f"{path} cannot be read as a table: {str(error).strip()}") from None
    return from_frame(frame, range(2, len(frame) + 2), str(path))


def ending(path: Path) -> str:
    """The ending of a file's name, by which its format is known: ".csv" of `runs.CSV` too."""
    return path.suffix.lower()


def _read(path: Path) -> pd.DataFrame:
    if ending(path) in TEXT:
        return _read_text(path)
    if ending(path) == ".parquet":
        return bounded.parquet(path).to_pandas()
    content = bounded.content(path)
    bounded.check_archive(path, content)
    return pd.read_excel(io.BytesIO(content), keep_default_na=False)


def _need_engine(path: Path) -> None:
    if ending(path) in ENGINES:
        package, extra = ENGINES[ending(path)]
        if missing := missing_packages((package,), extra):
            raise Unavailable(f"{path.suffix} files: {missing}; or save the table as .csv")
    elif ending(path) not in TEXT:
        raise BBOError(f"{path}: tables are {', '.join((*TEXT, *ENGINES))} files; got '{path.suffix}'")


def _read_text(path: Path) -> pd.DataFrame:
    """A text table, every cell as text; the separator is the one of comma, semicolon and tab that the header has most of."""
    words = bounded.text(path)
    header = io.StringIO(words, newline="").readline()
    if not header.strip():
        raise BBOError(f"{path} is empty: a table has a header with the columns' names, and rows below it")
    separator = max(",;\t", key=header.count)
    csv.field_size_limit(max(csv.field_size_limit(), len(words)))
    rows = csv.reader(io.StringIO(words, newline=""), delimiter=separator)
    names = next(rows)
    if twice := {name for name in names if names.count(name) > 1}:
        raise BBOError(f"{path} has more than one column '{sorted(twice)[0]}'; give each column a name of its own")
    sign = "a tab" if separator == "\t" else f"a '{separator}'"
    for place, cells in enumerate(rows, 2):  # pandas would take the first columns of such a table for its index
        if len(cells) > len(names):
            raise BBOError(
                f"{path}: row {place} has {len(cells)} cells, but the header names {len(names)} columns; put texts with {sign} in them "
                f"into double quotes, take out what is too much, such as {sign} at the end of a row, or name every column"
            )
    frame = pd.read_csv(io.StringIO(words), sep=separator, dtype=str, keep_default_na=False, skip_blank_lines=False)
    frame = frame.rename(columns=active).map(active)  # as `bbo.proposals.writing` wrote it
    for name in frame.columns:
        cells = [cell.strip() for cell in frame[name] if cell.strip() not in MISSING]
        if any("," in cell for cell in cells) and all(COMMA.fullmatch(cell) for cell in cells):
            shown = next(cell for cell in cells if "," in cell)
            raise BBOError(
                f"{path}: column '{name}' holds numbers with a comma, such as '{shown}'; write decimals with a point, and thousands "
                "without a separator"
            )
    return frame


def from_frame(frame: pd.DataFrame, rows: Iterable[Hashable] | None = None, place: str = "the table") -> Cells:
    """The cells of a DataFrame; dates and other objects become text.

    Raises:
        BBOError: no rows, or two columns of one name.
    """
    names = [str(name).strip() for name in frame.columns]
    if twice := {name for name in names if names.count(name) > 1}:
        raise BBOError(f"{place} has more than one column '{sorted(twice)[0]}'; give each column a name of its own")
    if not len(frame):
        raise BBOError(f"{place} has no rows below its header")
    columns = {name: np.array([_cell(v) for v in frame.iloc[:, j]], dtype=object) for j, name in enumerate(names)}
    return Cells(columns, list(frame.index if rows is None else rows))


def _cell(value: Any) -> float | str | None:
    """A number as a float, anything else as stripped text, nothing as None."""
    if isinstance(value, str):
        value = value.strip()
        return None if value in MISSING else value
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, bool | np.bool_):
        return str(value)
    if isinstance(value, int | float | np.number):
        return None if np.isnan(value) else float(value)
    return str(value)


def number(cell: float | str | None) -> float | None:
    """The finite number that a cell holds, or None."""
    if isinstance(cell, float):
        return cell if np.isfinite(cell) else None
    try:
        found = float(cell) if cell is not None else np.nan
    except ValueError:
        return None
    return found if np.isfinite(found) and cell is not None and "_" not in cell else None


def text(cell: float | str) -> str:
    """A cell as the name of an option: whole numbers without a point."""
    return f"{cell:.15g}" if isinstance(cell, float) else cell


def named(rows: Iterable[Hashable]) -> str:
    """Rows in words: "row 3", "rows 3, 7 and 2 more"."""
    rows = list(rows)
    shown = ", ".join(map(str, rows[:NAMED]))
    more = f" and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
    return f"row{'s' if len(rows) > 1 else ''} {shown}{more}"
