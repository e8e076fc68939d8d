"""Tables of a board: what stands in every cell, independent of the form it is printed in (markdown, latex, terminal, page)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bbo.errors import BBOError, unknown
from bbo.leaderboard.board import statistics
from bbo.leaderboard.board.metrics import DESIGNS_AND_COST, METRICS, Metric
from bbo.leaderboard.board.scores import CHANCE, Board, Column, Entry, Row
from bbo.leaderboard.board.standings import Standing, grouping, standings
from bbo.leaderboard.board.statistics import Estimate
from bbo.leaderboard.documents import footer, marks
from bbo.protocol import PERCENTILES

#: Percentiles shown where none is asked for: the field's headline, and the one that chance does not lift.
SHOWN = (100, 50)
ABSENT = "-"


@dataclass(frozen=True)
class Item:
    """One table cell: text, letters of its footnotes, styles (best, second, changed, chance, failed, text), a number to sort by."""

    text: str
    marks: tuple[str, ...] = ()
    styles: frozenset[str] = frozenset()
    key: float | None = None


@dataclass(frozen=True)
class Table:
    """`name` is the table's anchor on a page."""

    name: str
    title: str
    header: tuple[Item, ...]
    rows: tuple[tuple[Item, ...], ...]


@dataclass(frozen=True)
class Document:
    """Tables, their footnotes as (letter, text), and the lines of the footer."""

    title: str
    tables: tuple[Table, ...]
    notes: tuple[tuple[str, str], ...]
    footer: tuple[str, ...]


def check_percentile(percentile: int | None) -> tuple[int, ...]:
    """The percentiles to show.

    Raises:
        BBOError: not one that records carry.
    """
    if percentile is None:
        return SHOWN
    if percentile not in PERCENTILES:
        allowed = ", ".join(map(str, PERCENTILES))
        raise BBOError(f"no percentile {percentile}; allowed: {allowed} (100 is the best design, 50 the median)")
    return (percentile,)


def document(
    board: Board,
    percentile: int | None,
    command: str,
    generator: np.random.Generator,
    metric: str = "score",
    test: str = "nemenyi",
) -> Document:
    """The tables asked for: scores at one percentile or those shown by default, the standing across tasks, designs and cost.

    With a metric other than "score": that metric per task alone.

    Raises:
        BBOError: no such percentile or metric.
    """
    percentiles = check_percentile(percentile)
    if metric not in METRICS:
        raise unknown("metric", metric, METRICS)
    notes = marks.Footnotes()
    tables = []
    tests = []
    for p in percentiles if METRICS[metric].by_percentile else percentiles[:1]:
        ordered = board.ordered(p)
        found = standings(ordered, p, generator, test)
        if metric != "score":
            tables.append(metric_table(ordered, metric, p, notes))
            continue
        tables.append(score_table(ordered, p, found, notes))
        tables.append(standing_table(ordered, p, found))
        groups = grouping(ordered, p, test)
        tests += [f"{p}th percentile. {groups}"] if groups else []
    if metric == "score":
        tables.append(cost_table(board.ordered(percentiles[0]), percentiles[0]))
    kept = tuple(table for table in tables if table.rows)
    return Document("Leaderboard", kept, tuple(notes.items()), tuple(tests + footer.lines(board, command)))


def score_table(board: Board, percentile: int, found: Sequence[Standing], notes: marks.Footnotes) -> Table:
    """Methods by mean rank; each entry mean ± standard deviation (ddof 0) over seeds of the normalised score."""
    grouped, lifted = any(s.group for s in found), any(np.isfinite(s.above_chance) for s in found)
    table = metric_table(board, "score", percentile, notes)
    header = [Item("mean rank"), *([Item("group")] if grouped else []), *([Item("above chance")] if lifted else [])]
    rows = []
    for standing, items in zip(found, table.rows, strict=True):
        extra = [number(standing.rank, 2)]
        extra += [Item(standing.group or ABSENT)] if grouped else []
        extra += [number(standing.above_chance, 3)] if lifted else []
        rows.append((items[0], *extra, *items[1:]))
    return Table(table.name, table.title, (table.header[0], *header, *table.header[1:]), tuple(rows))


def metric_table(board: Board, name: str, percentile: int, notes: marks.Footnotes) -> Table:
    """Methods in the board's order; each entry mean ± standard deviation (ddof 0) over the seeds of one metric."""
    metric = METRICS[name]
    header = [Item("method"), *(Item(c.label, notes.letters(marks.of_column(c))) for c in board.columns)]
    places = [_column_places(board, metric, column, percentile) for column in board.columns]
    rows = []
    for i, row in enumerate(board.rows):
        shared = marks.of_row(board, row)
        items = [Item(row.label, notes.letters(shared))]
        for column, place in zip(board.columns, places, strict=True):
            letters = notes.letters(marks.of_entry(board, board.entry(row, column), shared))
            styles = {place[i], *(["chance"] if metric.by_percentile and like_chance(board, row, column, percentile) else [])}
            items.append(_entry_item(board, column, board.entry(row, column), metric, percentile, letters, styles - {""}))
        rows.append(tuple(items))
    anchor = f"{name}-{percentile}" if metric.by_percentile else name
    return Table(anchor, metric.title.format(percentile=percentile), tuple(header), tuple(rows))


def like_chance(board: Board, row: Row, column: Column, percentile: int) -> bool:
    """Whether an entry cannot be told from `random` at 95% (Welch's t test over seeds); never of `random` itself."""
    own, chance = board.entry(row, column).scores(percentile), board.chance(column).scores(percentile)
    return row.method != CHANCE and len(own) > 0 and len(chance) > 0 and not statistics.told_apart(own, chance)


def _entry_item(
    board: Board, column: Column, entry: Entry, metric: Metric, percentile: int, letters: tuple[str, ...], styles: set[str]
) -> Item:
    values = metric.values(board, column, entry, percentile)
    total = len(entry.done) + len(entry.failed)
    failed = f"failed {len(entry.failed)}/{total}" if entry.failed else ""
    if not entry.done and failed:
        return Item(failed, letters, frozenset({"failed"}))
    if not len(values) or not np.isfinite(values).all():
        return Item(ABSENT, letters if total else ())
    shown = number(float(values.mean()), metric.digits).text
    text = f"{shown} ± {values.std():.{metric.digits}f}" + (f" ({failed})" if failed else "")
    return Item(text, letters, frozenset(styles | ({"failed"} if failed else set())), float(values.mean()))


def _column_places(board: Board, metric: Metric, column: Column, percentile: int) -> list[str]:
    """Which rows are best and second among the printed means of one column; ties share a place.

    Nobody is where larger is not better, nor at the 100th percentile of a task whose top chance reaches.
    """
    if not metric.better or (column.saturated and percentile == 100 and metric.by_percentile):
        return [""] * len(board.rows)
    found = [metric.values(board, column, board.entry(row, column), percentile) for row in board.rows]
    shown = [round(metric.better * float(v.mean()), metric.digits) if len(v) and np.isfinite(v).all() else None for v in found]
    distinct = sorted({m for m in shown if m is not None}, reverse=True)
    names = dict(zip(distinct, ("best", "second"), strict=False)) if len(distinct) > 1 else {}
    return [names.get(m, "") if m is not None else "" for m in shown]


def standing_table(board: Board, percentile: int, found: Sequence[Standing]) -> Table:
    """Aggregates across tasks, of the methods with a done seed on every task."""
    header = ("method", "interquartile mean", "mean", "median", "std over seeds", f"beats {CHANCE}")
    rows = [
        (
            Item(row.label),
            interval(s.iqm),
            number(s.mean, 3),
            number(s.median, 3),
            number(s.deviation, 3),
            interval(s.improvement),
        )
        for row, s in zip(board.rows, found, strict=True)
        if s.iqm
    ]
    title = f"Across {len(board.columns)} task{'s' if len(board.columns) > 1 else ''}, {percentile}th percentile [95% interval]"
    return Table(f"standing-{percentile}", title, tuple(map(Item, header)), tuple(rows))


def cost_table(board: Board, percentile: int) -> Table:
    """How each method's designs lie and what they cost: mean over tasks of the mean over seeds; what no record has is left out."""
    names = [n for n in DESIGNS_AND_COST if any(np.isfinite(_overall(board, row, n, percentile)) for row in board.rows)]
    rows = [
        (Item(row.label), *(number(_overall(board, row, n, percentile), METRICS[n].digits) for n in names)) for row in board.rows
    ]
    header = [Item("method"), *(Item(METRICS[n].short) for n in names)]
    return Table("cost", "The designs and their cost, mean over tasks and seeds", tuple(header), tuple(rows) if names else ())


def _overall(board: Board, row: Row, name: str, percentile: int) -> float:
    found = [METRICS[name].values(board, column, board.entry(row, column), percentile) for column in board.columns]
    means = [v.mean() for v in found if len(v)]
    return float(np.mean(means)) if means else np.nan


def number(value: float, digits: int) -> Item:
    # Rounded first: a tiny negative number is 0, not -0.
    return Item(f"{round(value, digits) + 0.0:.{digits}f}", key=value) if np.isfinite(value) else Item(ABSENT)


def interval(estimate: Estimate | None) -> Item:
    if estimate is None:
        return Item(ABSENT)
    return Item(f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]", key=estimate.value)
