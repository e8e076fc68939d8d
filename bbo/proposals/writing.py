"""Writes proposals in the format that the name of a file asks for, whole or not at all."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd

from bbo import files
from bbo.catalogue import missing_packages
from bbo.errors import BBOError, Unavailable
from bbo.proposals.reading import ENGINES, TEXT


def check(path: Path) -> None:
    """Raise where a file of this name cannot be written, before any work is done.

    Raises:
        BBOError: no such format. Unavailable: a package is missing.
    """
    if path.suffix not in (*TEXT, *ENGINES):
        raise BBOError(f"--out {path}: tables are {', '.join((*TEXT, *ENGINES))} files; got '{path.suffix}'")
    if path.suffix in ENGINES:
        package, extra = ENGINES[path.suffix]
        if missing := missing_packages((package,), extra):
            raise Unavailable(f"{path.suffix} files: {missing}; or write .csv")


def write(frame: pd.DataFrame, path: Path) -> None:
    """Write a table atomically.

    Raises:
        BBOError: it cannot be written there.
    """
    check(path)
    if path.suffix in TEXT:
        files.write(path, frame.to_csv(index=False, sep="\t" if path.suffix == ".tsv" else ","))
        return
    held = io.BytesIO()
    if path.suffix == ".parquet":
        frame.to_parquet(held, index=False)
    else:
        frame.to_excel(held, index=False)
    files.write(path, held.getvalue())


def write_text(text: str, path: Path) -> None:
    """Write a text atomically; errors as for `write`."""
    files.write(path, text)
