"""Reads designs of a mixed space from rows of text: one cell for each column, or one for each number of a design."""

from __future__ import annotations

from collections.abc import Sequence as Many

import numpy as np

from bbo.errors import DesignError
from bbo.space import Category, Column, Letters, Mixed, Number


def header(cells: Many[str], space: Mixed) -> bool:
    """Whether a first row is names of columns: it has those of the space, or none of its cells can be a value."""
    names = [column.name for column in space.columns]
    if set(names) <= set(cells):
        return True
    if len(cells) != len(names):
        return False
    return not any(_fits(cell, column) for cell, column in zip(cells, space.columns, strict=True))


def order(first: Many[str], space: Mixed) -> list[int]:
    """Where the columns are under a header: by name where it has all names, else as they stand."""
    names = [column.name for column in space.columns]
    return [list(first).index(name) for name in names] if set(names) <= set(first) else list(range(len(first)))


def parsed(rows: Many[tuple[Many[str], str]], space: Mixed) -> np.ndarray:
    """Designs (n, D) from cells and the place of each row, which messages name.

    Options and letters are written as their names, or, in the whole file, as their numbers from 0. `solvent=THF`, as a design is
    printed, is the cell `THF`.

    Raises:
        DesignError: a cell that its column does not allow, or a row with another number of cells.
    """
    columns = space.columns
    bare = [([_bare(cell, columns, p) for p, cell in enumerate(cells)], place) for cells, place in rows]
    width = space.shape[0]
    if width != len(columns) and bare and all(len(cells) == width for cells, _ in bare):
        return np.array([[_number(cell, f"{place}, column {p + 1}") for p, cell in enumerate(cells)] for cells, place in bare])
    for cells, place in bare:
        if len(cells) != len(columns):
            numbers = f", or {width} numbers" if width != len(columns) else ""
            raise DesignError(f"{place} has {len(cells)} columns; a design here has {len(columns)}{numbers}")
    numbered = {p for p, column in enumerate(columns) if isinstance(column, Category) and _all_numbers(bare, p, column)}
    x = [
        [
            value
            for p, (cell, column) in enumerate(zip(cells, columns, strict=True))
            for value in _values(cell, column, f"{place}, column {p + 1} ({column.name})", p in numbered)
        ]
        for cells, place in bare
    ]
    return np.array(x, np.float64).reshape(len(bare), width)


def _all_numbers(rows: Many[tuple[Many[str], str]], place: int, column: Category) -> bool:
    """Whether a category is written as numbers of options: no cell is a name of one, all are whole."""
    cells = [cells[place] for cells, _ in rows]
    return not any(_option(cell, column) is not None for cell in cells) and all(cell.isdigit() for cell in cells)


def _values(cell: str, column: Column, place: str, numbered: bool) -> list[float]:
    if isinstance(column, Number):
        return [_number(cell, place)]
    if isinstance(column, Letters):
        if len(cell) != column.length or set(cell) - set(column.alphabet):
            raise DesignError(f"{place}: '{cell}' is not a {column.describe()}")
        return [float(column.alphabet.index(letter)) for letter in cell]
    if numbered:
        if int(cell) >= len(column.options):
            raise DesignError(f"{place}: '{cell}' is no option, allowed 0 to {len(column.options) - 1}, or {column.describe()}")
        return [float(cell)]
    found = _option(cell, column)
    if found is None:
        raise DesignError(f"{place}: '{cell}' is no option, allowed {column.describe()}")
    return [float(found)]


def _option(cell: str, column: Category) -> int | None:
    """The number of an option from its name; "16" and "16.0" are the same."""
    if cell in column.options:
        return column.options.index(cell)
    value = _float(cell)
    same = [i for i, name in enumerate(column.options) if value is not None and _float(name) == value]
    return same[0] if same else None


def _number(cell: str, place: str) -> float:
    value = _float(cell)
    if value is None:
        raise DesignError(f"{place}: '{cell}' is not a number")
    if not np.isfinite(value):
        raise DesignError(f"{place}: {cell} is not finite")
    return value


def _float(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _fits(cell: str, column: Column) -> bool:
    if cell.startswith(f"{column.name}="):
        return True
    if isinstance(column, Number):
        return _float(cell) is not None
    if isinstance(column, Category):
        return _option(cell, column) is not None or cell.isdigit()
    return len(cell) == column.length and not set(cell) - set(column.alphabet)


def _bare(cell: str, columns: Many[Column], place: int) -> str:
    """`solvent=THF`, as `bbo show` writes it, without the name."""
    return cell.removeprefix(f"{columns[place].name}=") if place < len(columns) else cell
