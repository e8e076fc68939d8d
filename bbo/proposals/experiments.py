"""The rows of a table as designs and scores, with stated rules for missing cells, duplicates and repeats; nothing is dropped silently."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from bbo.errors import BBOError
from bbo.proposals.layout import Layout, answer, place_of
from bbo.proposals.reading import Cells, named, number
from bbo.space import Mixed, Number
from bbo.text import counted

#: Fewest different designs that something can be learned from.
FEWEST = 5


@dataclass(frozen=True)
class Experiments:
    """Different designs with their scores.

    Attributes:
        space: their space.
        x: designs (N, D). y: scores (N,), float64, in the target's unit; of repeats, the mean.
        rows: what each design's first row is called.
        notes: what was left out, merged or averaged, one sentence each.
        noise: standard deviation of a measurement as repeats show it; 0 where there are none.
    """

    space: Mixed
    x: np.ndarray
    y: np.ndarray
    rows: list[Hashable]
    notes: tuple[str, ...] = ()
    noise: float = 0.0


def experiments(cells: Cells, layout: Layout) -> Experiments:
    """The measured rows of a table.

    Raises:
        BBOError: a cell that its column does not allow, or too few rows; the message names row and column.
    """
    notes: list[str] = []
    if written := [name for name in answer(cells.columns, layout.target) if name in layout.ignored]:
        notes.append(f"columns in which bbo propose wrote what it says of its proposals are ignored: {', '.join(written)}")
    y = _scores(cells, layout)
    cells, y = _left_out(cells, np.isnan(y), y, f"no {layout.target}", notes, "give runs that are under way with --pending")
    cells, y = _without_gaps(cells, layout, y, notes)
    x = designs(cells, layout)
    notes += _outside(layout, x, cells.rows)
    return _merged(layout.space, x, y, cells.rows, notes)


def _scores(cells: Cells, layout: Layout) -> np.ndarray:
    """Scores (N,), NaN where there is none."""
    found = np.full(len(cells), np.nan)
    for place, cell in enumerate(cells.column(layout.target, "target column")):
        value = number(cell)
        if value is None and cell is not None:
            raise BBOError(
                f"row {cells.rows[place]}, column '{layout.target}': the target '{cell}' is not a number; correct it, or leave it empty"
            )
        found[place] = np.nan if value is None else value
    return found


def _left_out(cells: Cells, gone: np.ndarray, y: np.ndarray, why: str, notes: list[str], hint: str) -> tuple[Cells, np.ndarray]:
    if gone.any():
        rows = [row for row, out in zip(cells.rows, gone, strict=True) if out]
        notes.append(
            f"{len(rows)} of {len(gone)} rows with {why} {'is' if len(rows) == 1 else 'are'} left out ({named(rows)}); {hint}"
        )
    return cells.only(~gone), y[~gone]


def _without_gaps(cells: Cells, layout: Layout, y: np.ndarray, notes: list[str]) -> tuple[Cells, np.ndarray]:
    """Rows that have a value in every design column."""
    gaps = {name: np.array([cell is None for cell in cells.columns[name]], bool) for name in layout.order}
    found = {name: gap for name, gap in gaps.items() if gap.any()}
    if not found:
        return cells, y
    gone = np.logical_or.reduce(list(found.values()))
    if 2 * gone.sum() > len(gone):
        name = max(found, key=lambda name: int(found[name].sum()))
        raise BBOError(
            f"{gone.sum()} of {len(gone)} rows have a design column without a value, column '{name}' most often ({found[name].sum()} "
            f"rows, first row {cells.rows[int(np.argmax(found[name]))]}); fill it in, or leave it out with --ignore {name}"
        )
    words = ", ".join(f"'{name}' {gap.sum()}" for name, gap in found.items())
    return _left_out(cells, gone, y, f"an empty cell ({words})", notes, "if empty means something, write it as a value")


def designs(cells: Cells, layout: Layout) -> np.ndarray:
    """The design columns that vary as rows (N, D) of the space; numbers as they are written.

    Raises:
        BBOError: a cell that its column does not allow; the message names row and column.
    """
    parts = []
    for column in layout.columns:
        part = np.empty((len(cells), column.width))
        for place, cell in enumerate(cells.column(column.name, "design column")):
            try:
                if cell is None:
                    raise BBOError("the cell is empty")
                if isinstance(column, Number):
                    value = number(cell)
                    if value is None or (column.log and value <= 0):
                        raise BBOError(f"'{cell}' is not a {'positive ' if column.log else ''}number")
                    part[place] = value
                else:
                    part[place] = place_of(column, cell)
            except BBOError as error:
                raise BBOError(f"row {cells.rows[place]}, column '{column.name}': {error}") from None
        parts.append(part)
    return np.concatenate(parts, axis=1)


def _outside(layout: Layout, x: np.ndarray, rows: list[Hashable]) -> list[str]:
    """Notes about numbers that proposals cannot take."""
    space, notes = layout.space, []
    for place, column in enumerate(space.columns):
        if not isinstance(column, Number):
            continue
        own = x[:, space.owner == place][:, 0]
        out = (own < column.low) | (own > column.high)
        between = ~out & (np.abs(space.settle(x)[:, space.owner == place][:, 0] - own) > 1e-6 * (column.high - column.low))
        for some, what in ((out, "outside its bounds"), (between, "between its allowed values")):
            if some.any():
                where = named(row for row, one in zip(rows, some, strict=True) if one)
                notes.append(
                    f"column '{column.name}', a {column.describe()}: {counted(int(some.sum()), 'row')} "
                    f"{'lies' if some.sum() == 1 else 'lie'} {what} ({where}); {'it is' if some.sum() == 1 else 'they are'} learned from"
                )
    return notes


def _merged(space: Mixed, x: np.ndarray, y: np.ndarray, rows: list[Hashable], notes: list[str]) -> Experiments:
    """One row for each design: duplicates once, repeats averaged."""
    _, first, inverse, counts = np.unique(x, axis=0, return_index=True, return_inverse=True, return_counts=True)
    if len(first) < FEWEST:
        raise BBOError(f"the table has {len(first)} different designs with a score; at least {FEWEST} are needed to learn from")
    inverse = inverse.reshape(-1)
    differ = np.bincount(inverse, y != y[first][inverse]) > 0
    mean = np.where(differ, np.bincount(inverse, y) / counts, y[first])  # the mean of equal scores may miss them by rounding
    squares = np.bincount(inverse, (y - mean[inverse]) ** 2)
    repeated, same = differ, (counts > 1) & ~differ
    noise = 0.0
    if same.any():
        notes.append(
            f"{counted(int(same.sum()), 'design')} came more than once with the same score and counted once "
            f"({counted(int((counts[same] - 1).sum()), 'row')} more)"
        )
    if repeated.any():
        noise = float(np.sqrt(squares[repeated].sum() / (counts[repeated] - 1).sum()))
        notes.append(
            f"{counted(int(repeated.sum()), 'design')} had more than one score ({counts[repeated].sum()} rows); they are averaged, "
            f"and differ by a standard deviation of {noise:.3g}"
        )
    order = np.argsort(first, kind="stable")
    keep = first[order]
    return Experiments(space, x[keep], mean[order], [rows[row] for row in keep], tuple(notes), noise)
