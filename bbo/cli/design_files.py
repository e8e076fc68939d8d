"""Reads designs from common file formats: NumPy arrays, text tables, FASTA, plain letters."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bbo import bounded
from bbo.bounded import Missing, Unreadable
from bbo.cli import mixed_designs
from bbo.errors import BBOError, DesignError
from bbo.space import Continuous, Mixed, Sequence, Space
from bbo.text import active

#: Bytes of the largest file, and of its designs in memory.
LARGEST = 2**30
#: Endings of Excel's files, which are archives as .npz files are.
EXCEL = (".xlsx", ".xlsm", ".xls")
#: The name of a lone column of sequences; any other word there must be a sequence.
HEADERS = {"sequence", "sequences", "seq", "design", "designs", "dna", "rna", "protein", "x"}


@dataclass(frozen=True)
class Row:
    """One design as text."""

    cells: list[str]
    place: str


@dataclass(frozen=True)
class Designs:
    """Designs (n, *shape), not checked yet, and the file's first row if it was read as column names."""

    x: np.ndarray
    header: str = ""


def read(file: Path, space: Space) -> Designs:
    """The designs of a file: .npy, .npz, .csv, .tsv, FASTA, or text with one design on a line.

    Of an .npz the array `designs` is taken, or its only one. Letters of a sequence may be written as letters of the space's alphabet
    ("ACGT", upper or lower case), as the names of the options, or as their numbers from 0; one file uses one of these. A table may
    have a header, which is how columns named as the space's positions are found in any order. Rows of a mixed space are read by
    `bbo.cli.mixed_designs`.

    Raises:
        BBOError: the file cannot be read.
        DesignError: it holds something else than designs; the message names row and column.
    """
    try:
        content = bounded.content(file, LARGEST)
    except Missing:
        raise BBOError(f"no file {file}") from None
    if file.suffix.lower() in EXCEL:
        raise BBOError(f"{file}: Excel is not read here; save it as .csv")
    if content.startswith((b"PK", b"\x93NUMPY")):
        array = _array(file, content)
        if array.dtype.kind not in "US":
            return Designs(array)
        return _parsed([Row(_words(row), f"{file}, design {i} from 0") for i, row in enumerate(array)], space)
    if file.suffix in (".npz", ".npy"):
        raise BBOError(f"{file} cannot be read as {file.suffix[1:]}: it is not a NumPy file, or it is cut off")
    try:
        text = bounded.decoded(file, content)
    except Unreadable as error:
        raise BBOError(f"{error}; designs are read from .npy, .npz, .csv, FASTA and text files") from None
    return _parsed(_fasta(text, file) if text.lstrip().startswith(">") else _table(text, file), space)


def _array(file: Path, content: bytes) -> np.ndarray:
    try:
        loaded = bounded.arrays(file, content, LARGEST)
    except Unreadable as error:
        raise BBOError(f"{file} cannot be read as {'npz' if content.startswith(b'PK') else 'npy'}: {error.reason}") from None
    if isinstance(loaded, np.ndarray):
        return loaded
    names = list(loaded)
    name = "designs" if "designs" in names else names[0] if len(names) == 1 else ""
    if name:
        return loaded[name]
    raise BBOError(f"{file} holds the arrays {', '.join(names) or '(none)'}; name the one to score 'designs'")


def _words(row: np.ndarray) -> list[str]:
    row = row.astype(str)
    return [str(row)] if row.ndim == 0 else [str(word) for word in row.ravel()]


def _fasta(text: str, file: Path) -> list[Row]:
    found: list[Row] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(">"):
            found.append(Row([""], f"{file}, row {number}"))
        elif found:
            found[-1].cells[0] += "".join(line.split())
    return found


def _table(text: str, file: Path) -> list[Row]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    separator = max(",;\t", key=lines[0].count) if lines else ","
    rows = csv.reader(text.splitlines(), delimiter=separator, skipinitialspace=True)
    found = []
    try:
        for cells in rows:
            cells = [active(cell.strip()) for cell in cells]  # as `bbo propose` wrote them
            if any(cells) and not cells[0].startswith("#"):
                # Without a separator a row is split at blanks.
                cells = cells[0].split() if len(cells) == 1 else cells
                found.append(Row(cells, f"{file}, row {rows.line_num}"))
    except csv.Error as error:
        raise BBOError(f"{file}, row {rows.line_num} cannot be read: {error}") from None
    return found


def _parsed(rows: list[Row], space: Space) -> Designs:
    if isinstance(space, Mixed):
        return _of_columns(rows, space)
    length = math.prod(space.shape)
    header = ""
    if rows and _is_header(rows[0].cells, space):
        first, *rows = rows
        header = ", ".join(first.cells)
        order = _columns(first.cells, space)
        rows = [Row([row.cells[i] for i in order] if len(row.cells) == len(first.cells) else row.cells, row.place) for row in rows]
    alphabet = space.alphabet if isinstance(space, Sequence) else ""
    spelled = []
    for row in rows:
        cells, unit = row.cells, "columns"
        if alphabet and len(cells) == 1 and length > 1:
            cells, unit = list(cells[0]), "letters"
        if len(cells) != length:
            raise DesignError(f"{row.place} has {len(cells)} {unit}; a design here has {length}")
        spelled.append(Row(cells, row.place))
    reader = _letters(spelled, space) if isinstance(space, Sequence) else _numbers(space)
    x = np.array([[reader(row, p) for p in range(length)] for row in spelled])
    return Designs(x.reshape(len(spelled), *space.shape), header)


def _of_columns(rows: list[Row], space: Mixed) -> Designs:
    header = ""
    if rows and mixed_designs.header(rows[0].cells, space):
        first, *rows = rows
        header = ", ".join(first.cells)
        order = mixed_designs.order(first.cells, space)
        for row in rows:
            if len(row.cells) != len(first.cells):
                raise DesignError(f"{row.place} has {len(row.cells)} columns; the header has {len(first.cells)}")
        rows = [Row([row.cells[i] for i in order], row.place) for row in rows]
    return Designs(mixed_designs.parsed([(row.cells, row.place) for row in rows], space), header)


def _is_header(cells: list[str], space: Space) -> bool:
    if isinstance(space, Sequence):
        if len(cells) == 1 and space.alphabet:
            return cells[0].lower() in HEADERS
        options = [_options(space, min(p, len(space.letters) - 1)) for p in range(len(cells))]
        return not any(_key(cell) in known or _is_number(cell) or "=" in cell for cell, known in zip(cells, options, strict=True))
    return not any(_is_number(cell) for cell in cells)


def _columns(header: list[str], space: Space) -> list[int]:
    """Where the columns of a design are: by name where the header has all positions' names, else all columns as they stand."""
    positions = getattr(space, "positions", ())
    if positions and set(positions) <= set(header):
        return [header.index(name) for name in positions]
    return list(range(len(header)))


def _numbers(space: Space) -> Callable[[Row, int], float]:
    def number(row: Row, p: int) -> float:
        cell, place = row.cells[p], f"{row.place}, column {p + 1}"
        if not _is_number(cell):
            raise DesignError(f"{place}: '{cell}' is not a number")
        value = np.float32(cell)
        if not np.isfinite(value):
            raise DesignError(f"{place}: {cell} is not finite")
        if isinstance(space, Continuous) and not np.float32(space.low[p]) <= value <= np.float32(space.high[p]):
            raise DesignError(f"{place}: {cell} is outside the box, allowed [{space.low[p]:g}, {space.high[p]:g}]")
        return float(cell)

    return number


def _letters(rows: list[Row], space: Sequence) -> Callable[[Row, int], int]:
    """How the letters of these rows are read: by their names where there are any in the rows, else by their numbers."""
    options = [_options(space, p) for p in range(len(space.letters))]
    spelled = [Row([_bare(cell, space, p) for p, cell in enumerate(row.cells)], row.place) for row in rows]
    named = all(_key(cell) in options[p] for row in spelled for p, cell in enumerate(row.cells))
    numbered = not named and all(_is_whole(cell) for row in spelled for cell in row.cells)

    def letter(row: Row, p: int) -> int:
        cell, count = _bare(row.cells[p], space, p), space.letters[p]
        title = f" ({space.positions[p]})" if space.positions else ""
        place = f"{row.place}, column {p + 1}{title}"
        if numbered or not options[p]:
            if not _is_whole(cell) or not 0 <= float(cell) < count:
                raise DesignError(f"{place}: '{cell}' is not a letter, allowed 0 to {count - 1}")
            return int(float(cell))
        if _key(cell) not in options[p]:
            allowed = space.alphabet or ", ".join(space.names[p])
            raise DesignError(f"{place}: '{cell}' is not a letter here, allowed {allowed}; or numbers from 0 in the whole file")
        return options[p][_key(cell)]

    return letter


def _options(space: Sequence, p: int) -> Mapping[str, int]:
    """What the letters of a position are called; empty where they have only numbers."""
    names = space.alphabet or (space.names[p] if space.names else ())
    return {_key(name): i for i, name in enumerate(names)}


def _bare(cell: str, space: Sequence, p: int) -> str:
    """`batch_size=16`, as `bbo show` writes it, without the name."""
    return cell.removeprefix(f"{space.positions[p]}=") if space.positions else cell


def _key(name: str) -> str:
    """The same for "ReLU" and "relu", and for "16" and "16.0"."""
    return repr(float(name)) if _is_number(name) else name.lower()


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell  # Python reads 1_000 as a number; nothing that writes tables means one by it


def _is_whole(cell: str) -> bool:
    return _is_number(cell) and float(cell).is_integer()
