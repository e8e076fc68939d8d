"""Writes proposals in the format that the name of a file asks for, whole or not at all, and such that spreadsheets run no formulas."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from bbo import files
from bbo.catalogue import missing_packages
from bbo.errors import BBOError, Unavailable
from bbo.proposals import reading
from bbo.proposals.layout import answer
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


def check_places(read: Mapping[str, Path | None], written: Mapping[str, Path | None]) -> None:
    """Raise where a file that is to be written would replace another, or has no place, before any work is done.

    Args:
        read: the files that are read, by what they are in words. written: those to be written, by option.

    Raises:
        BBOError: a file would overwrite one that is read or another that is written, or cannot be written.
    """
    taken = {what: path for what, path in read.items() if path}
    for option, path in written.items():
        if not path:
            continue
        for what, other in taken.items():
            if files.same(path, other):
                raise BBOError(f"{option} {path} would overwrite {what}; choose another name")
        _try(option, path)
        taken[f"the file of {option}"] = path


def check_replaced(path: Path, target: str) -> None:
    """Raise where the file that `path` would replace is more than proposals, which can be made again: measured scores, or another table.

    Raises:
        BBOError: it holds values of the target, or is no table of proposals.
    """
    if not path.exists() or not path.stat().st_size:
        return
    try:
        columns = reading.read(path).columns
    except BBOError as error:
        raise BBOError(
            f"--out {path} would overwrite a file that cannot be read as proposals ({error}); choose another name"
        ) from None
    if not answer(columns, target):
        raise BBOError(f"--out {path} would overwrite a table that holds no proposals for '{target}'; choose another name")
    if any(cell is not None for cell in columns.get(target, ())):
        raise BBOError(f"--out {path} holds values of '{target}', which would be lost; choose another name")


def _try(option: str, path: Path) -> None:
    """Write a file of the same length of name, and remove it, in the folder or, where that is to be made, in the one that it goes to."""
    if os.path.isdir(path):
        raise BBOError(f"{option} {path} is a folder; name a file in it")
    folder = next(parent for parent in path.absolute().parents if os.path.exists(parent))
    trial = files.temporary(folder / path.name)
    try:
        trial.open("xb").close()
        trial.unlink()
    except OSError as error:
        raise BBOError(f"{option}: cannot write {path}: {error.strerror or error}; choose another place") from None


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
