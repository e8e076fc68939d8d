"""The rows of one board against a reference row, paired by task and seed: the effect of a setting or a regulariser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bbo.errors import BBOError, unknown
from bbo.reporting.board import statistics
from bbo.reporting.board.scores import Board, Row
from bbo.reporting.board.statistics import Estimate
from bbo.reporting.documents import footer, marks
from bbo.reporting.documents.changes import RELEVANT, paired_scores
from bbo.reporting.documents.document import ABSENT, Document, Item, Table, check_percentile, interval, slug, spread


def reference(board: Board, name: str) -> Row:
    """The row of a label, or of a method that has one row.

    Raises:
        UnknownName: there is no such row.
        BBOError: the method has several rows.
    """
    found = [row for row in board.rows if row.label == name] or [row for row in board.rows if row.method == name]
    if not found:
        raise unknown("row", name, (row.label for row in board.rows))
    if len(found) > 1:
        raise BBOError(f"{name} has several rows, give one of them: {', '.join(repr(row.label) for row in found)}")
    return found[0]


def document(
    board: Board,
    against: Sequence[str],
    percentile: int | None,
    command: str,
    relevant: float = RELEVANT,
    only_variants: bool = False,
) -> Document:
    """One table per percentile and reference row: its scores, then the difference of each other row to it, by task and over all tasks.

    Differences are paired by task and seed and hold only seeds that both rows have. Intervals are Student's t, over all tasks with
    Satterthwaite's degrees of freedom; there is none where the rows share fewer than `FEWEST_SEEDS` seeds on a task.

    Args:
        board: the rows.
        against: the reference rows, as labels, or as methods that have one row.
        percentile: the one to show; None for the default ones.
        command: what made the document.
        relevant: smallest difference that matters.
        only_variants: leaves out rows that are not the reference's method with other settings or with a regulariser.

    Raises:
        BBOError: no such row, or none that shares a task and a seed with it.
    """
    references = [reference(board, name) for name in dict.fromkeys(against)]
    notes = marks.Footnotes()
    tables = []
    for first in references:
        own = [_table(board, first, p, relevant, notes, only_variants) for p in check_percentile(percentile)]
        if all(len(table.rows) < 2 for table in own):
            what = f"variant of {first.label} shares a task and a seed with it"
            rows = what if only_variants else f"row shares a task and a seed with {first.label}"
            raise BBOError(f"no {rows}; run another method or setting into the same folder")
        tables += own if len(references) == 1 else [replace(t, title=f"{first.label}: {t.title}") for t in own]
    names = ", ".join(first.label for first in references)
    scores = f"scores of {names}" if len(references) == 1 else "scores of the reference"
    lines = [
        f"First row: {scores}, mean ± standard deviation (ddof 0) over seeds. Other rows: the difference to it of the mean "
        "normalised score [95% interval], paired by task and seed over the seeds both have; Student's t, over all tasks with Satterthwaite's "
        f"degrees of freedom. An interval takes {statistics.FEWEST_SEEDS} shared seeds on each task. pairs: how many cells of the row have "
        "a matching cell of the reference.",
        f"Bold: the interval excludes 0 and the difference is {relevant:g} or more (--relevant). Intervals are not corrected for the "
        "number of comparisons.",
        *footer.lines(board, command, "Rows are in the order of their names, below the first."),
    ]
    return Document(f"Against {names}", tuple(tables), tuple(notes.items()), tuple(lines))


def _table(
    board: Board,
    first: Row,
    percentile: int,
    relevant: float,
    notes: marks.Footnotes,
    only_variants: bool,
) -> Table:
    columns = [column for column in board.columns if board.entry(first, column).done]
    own = [board.entry(first, column).scores(percentile) for column in columns]
    scores = [Item(spread(values), key=float(values.mean())) for values in own]
    overall = Item(f"{np.mean([values.mean() for values in own]):.3f}") if own else Item(ABSENT)
    rows = [(_name(board, first, notes), Item(ABSENT), *scores, overall)]
    for row in board.rows:
        pairs = [paired_scores(board.entry(first, column), board.entry(row, column), percentile) for column in columns]
        shared = [pair for pair in pairs if len(pair[0])]
        if row is first or not shared or (only_variants and row.base != first.base):
            continue
        differences = [
            _difference(statistics.difference(y, x, paired=True), relevant) if len(x) else Item(ABSENT) for x, y in pairs
        ]
        mean = statistics.paired_difference([y for _, y in shared], [x for x, _ in shared])
        count = sum(len(x) for x, _ in shared)
        rows.append((_name(board, row, notes), Item(str(count), key=count), *differences, _difference(mean, relevant)))
    header = tuple(map(Item, ("method", "pairs", *(column.label for column in columns), "all tasks")))
    return Table(f"against-{slug(first.label)}-{percentile}", f"{percentile}th percentile of the designs", header, tuple(rows))


def _name(board: Board, row: Row, notes: marks.Footnotes) -> Item:
    return Item(row.label, notes.letters(marks.of_row(board, row, ranked=False)))


def _difference(estimate: Estimate, relevant: float) -> Item:
    item = interval(estimate, "+")
    beyond_noise = estimate.low > 0 or estimate.high < 0
    bold = frozenset({"changed"} if beyond_noise and abs(estimate.value) >= relevant else ())
    return Item(item.text, styles=bold, key=item.key)
