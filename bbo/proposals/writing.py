"""Writes proposals in the format that the name of a file asks for, whole or not at all, and such that spreadsheets run no formulas."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pandas as pd

from bbo import files
from bbo.catalogue import missing_packages
from bbo.errors import BBOError, Unavailable
from bbo.proposals.reading import ENGINES, TEXT, ending
from bbo.text import inert


def check(path: Path) -> None:
    """Raise where a file of this name cannot be written, before any work is done.

    Raises:
        BBOError: no such format. Unavailable: a package is missing.
    """
    if ending(path) not in (*TEXT, *ENGINES):
        raise BBOError(f"--out {path}: tables are {', '.join((*TEXT, *ENGINES))} files; got '{path.suffix}'")
    if ending(path) in ENGINES:
        package, extra = ENGINES[ending(path)]
        if missing := missing_packages((package,), extra):
            raise Unavailable(f"{path.suffix} files: {missing}; or write .csv")


def write(frame: pd.DataFrame, path: Path) -> None:
    """Write a table atomically.

    Raises:
        BBOError: it cannot be written there.
    """
    check(path)
    if ending(path) in TEXT:
        files.write(path, csv_text(frame, "\t" if ending(path) == ".tsv" else ","))
        return
    held = io.BytesIO()
    if ending(path) == ".parquet":
        frame.to_parquet(held, index=False)
    else:
        _excel(frame, held)
    files.write(path, held.getvalue())


def csv_text(frame: pd.DataFrame, separator: str = ",") -> str:
    """The table as CSV: texts that a spreadsheet would run get an apostrophe in front, which `bbo.proposals.reading` takes off."""
    return frame.map(inert).rename(columns=inert).to_csv(index=False, sep=separator)


def _excel(frame: pd.DataFrame, held: io.BytesIO) -> None:
    """The table as .xlsx; a text that looks like a formula is a cell of text there, and stays one when it is edited."""
    with pd.ExcelWriter(held, engine="openpyxl") as writer:
        frame.to_excel(writer, index=False, sheet_name="Sheet1")
        rows: Any = writer.sheets["Sheet1"].iter_rows()
        for cell in (cell for row in rows for cell in row):
            if isinstance(cell.value, str) and inert(cell.value) != cell.value:
                cell.data_type, cell.quotePrefix = "s", True


def write_text(text: str, path: Path) -> None:
    """Write a text atomically; errors as for `write`."""
    files.write(path, text)
