"""Tables of a board: the content of every entry, independent of the format (Markdown, LaTeX, terminal, page)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bbo.errors import BBOError, unknown
from bbo.reporting.board import statistics
from bbo.reporting.board.families import families as families_of
from bbo.reporting.board.metrics import DESIGNS_AND_COST, METRICS, Metric
from bbo.reporting.board.scores import CHANCE, Board, Column, Entry, Row
from bbo.reporting.board.standings import Standing, grouping, second_opinion, standings
from bbo.reporting.documents import families, footer, marks
from bbo.reporting.documents.document import (
    ABSENT,
    NOT_APPLICABLE,
    Document,
    Item,
    Table,
    bracketed,
    check_percentile,
    failures,
    interval,
    number,
    slug,
    spread,
)

#: Most tasks whose scores are one table even if they are of several families: with ranks and groups it has eight columns.
UNSPLIT = 4


def document(
    board: Board,
    percentile: int | None,
    command: str,
    generator: np.random.Generator,
    metric: str = "score",
    test: str = "nemenyi",
    left_out: Sequence[str] = (),
    split: bool | None = None,
) -> Document:
    """The tables requested: scores at one percentile or the default ones, the standing across tasks, designs and cost.

    With a metric other than "score": that metric per task alone. Each table's rows are in the order of the mean rank at its own
    percentile. `left_out` lists the versions that are not shown. Tables are `split` by family of tasks if that is asked for, or by
    default if there are more than `UNSPLIT` tasks of more than one family.

    Raises:
        BBOError: no such percentile or metric.
    """
    percentiles = check_percentile(percentile)
    if metric not in METRICS:
        raise unknown("metric", metric, METRICS)
    notes, parts = marks.Footnotes(), families_of(board)
    if not (len(board.columns) > UNSPLIT if split is None else split):
        parts = {"": board.columns}
    tables: list[Table] = []
    tests = []
    for p in percentiles if METRICS[metric].by_percentile else percentiles[:1]:
        ordered = board.ordered(p)
        found = standings(ordered, p, generator, test)
        if metric == "score":
            tables += families.tables(ordered, p, generator) if len(parts) > 1 else []
        for name, columns in parts.items():
            part = ordered if len(parts) == 1 else ordered.only(columns).ordered(p)
            if metric == "score":
                own = found if part is ordered else standings(part, p, generator, test, aggregates=False)
                table = score_table(part, p, own, notes)
            else:
                table = metric_table(part, metric, p, notes)
            tables.append(table if part is ordered else _of_family(table, name))
        if metric != "score":
            continue
        tables.append(standing_table(ordered, p, found))
        groups = grouping(ordered, p, test)
        tests += [f"{p}th percentile. {groups}{second_opinion(ordered, p, groups, generator)}"] if groups else []
    if metric == "score":
        tests += _left_out(board)
    tests += [families.RULE] if metric == "score" and len(parts) > 1 else []
    if metric == "score":
        tables.append(cost_table(board.ordered(percentiles[0]), percentiles[0]))
    kept = tuple(table for table in tables if table.rows)
    few = _too_few(board, percentiles[0]) if METRICS[metric].by_percentile else []
    first = f"the {percentiles[0]}th percentile"
    order = f"the table's percentile, or {first} if it has none" if METRICS[metric].by_percentile else first
    lines = footer.lines(board, command, footer.ranking(board, order), left_out)
    return Document("Leaderboard", kept, tuple(notes.items()), tuple(tests + few + lines))


def only(document: Document, by: str) -> Document:
    """The document with only its tables by "family", or only those by "task".

    Raises:
        BBOError: there are no tables of families: the board's tasks are of one family, or the metric is not the score.
    """
    kept = tuple(table for table in document.tables if table.name.startswith("families-") == (by == "family"))
    if not kept and any(table.name.startswith("score-") for table in document.tables):
        raise BBOError("--by family: all tasks of this board are of one family; leave it out")
    if not kept:
        raise BBOError("--by family: only the metric 'score' has tables of families; leave out --metric, or --by family")
    return replace(document, tables=kept)


def _of_family(table: Table, name: str) -> Table:
    return replace(table, name=f"{table.name}-{slug(name)}", title=f"{families.heading(name)}. {table.title}")


def score_table(board: Board, percentile: int, found: Sequence[Standing], notes: marks.Footnotes) -> Table:
    """Methods by mean rank; each entry mean ± standard deviation (ddof 0) over seeds of the normalised score.

    If some row was not run on every task, a column says on how many each was run; if rows have other numbers of seeds, one says how many.
    """
    table = metric_table(board, "score", percentile, notes)
    total = len(board.columns)
    columns = [(Item("mean rank"), [number(s.rank, 2) for s in found])]
    if any(s.tasks < total for s in found):
        columns.append((Item("tasks"), [Item(f"{s.tasks}/{total}", key=s.tasks) for s in found]))
    if board.uneven:
        columns.append((Item("seeds"), [_seeds(board, row) for row in board.rows]))
    if any(s.group for s in found):
        columns.append((Item("group"), [Item(s.group or ABSENT) for s in found]))
    if any(np.isfinite(s.above_chance) for s in found):
        columns.append((Item("above chance"), [_above_chance(s, total) for s in found]))
    header = (table.header[0], *(head for head, _ in columns), *table.header[1:])
    rows = tuple((items[0], *(extra[i] for _, extra in columns), *items[1:]) for i, items in enumerate(table.rows))
    return Table(table.name, table.title, header, rows)


def _above_chance(standing: Standing, total: int) -> Item:
    """The mean score above chance, with the number of tasks that give it where these are fewer than the row's."""
    item = number(standing.above_chance, 3)
    fewer = 0 < standing.tasks_above_chance < standing.tasks
    return replace(item, text=f"{item.text} ({standing.tasks_above_chance}/{total})") if fewer else item


def _seeds(board: Board, row: Row) -> Item:
    """How many seeds a row has; from the fewest to the most, if tasks differ."""
    counts = sorted({len(board.entry(row, column).cells) for column in board.columns} - {0})
    return Item("-".join(map(str, dict.fromkeys((counts[0], counts[-1])))), key=counts[-1]) if counts else Item(ABSENT)


def metric_table(board: Board, name: str, percentile: int, notes: marks.Footnotes) -> Table:
    """Methods in the board's order; each entry mean ± standard deviation (ddof 0) over the seeds of one metric."""
    metric = METRICS[name]
    header = [Item("method"), *(Item(c.label, notes.letters(marks.of_column(c))) for c in board.columns)]
    places = [_column_places(board, metric, column, percentile) for column in board.columns]
    rows = []
    for i, row in enumerate(board.rows):
        shared = marks.of_row(board, row, ranked=name == "score")
        told = marks.few_seeds(board, row) if name == "score" else ""  # which the table's column says
        items = [Item(row.label, notes.letters(text for text in shared if text != told))]
        for column, place in zip(board.columns, places, strict=True):
            letters = notes.letters(marks.of_entry(board, board.entry(row, column), shared))
            like = metric.by_percentile and against_chance(board, row, column, percentile) == "like"
            styles = {place[i], "chance" if like else ""}
            items.append(_entry_item(board, column, board.entry(row, column), metric, percentile, letters, styles - {""}))
        rows.append(tuple(items))
    anchor = f"{name}-{percentile}" if metric.by_percentile else name
    return Table(anchor, metric.title.format(percentile=percentile), tuple(header), tuple(rows))


def against_chance(board: Board, row: Row, column: Column, percentile: int) -> str:
    """Compare an entry with `random`: "like", "few" or an empty text.

    "like": not significantly different at 95% (Welch's t test over seeds). "few": either has fewer than `FEWEST_SEEDS` seeds, so no
    statement is made. Empty otherwise, and always for `random` itself.
    """
    own, chance = board.entry(row, column).scores(percentile), board.chance(column).scores(percentile)
    if row.method == CHANCE or not len(own) or not len(chance):
        return ""
    if min(len(own), len(chance)) < statistics.FEWEST_SEEDS:
        return "few"
    return "" if statistics.told_apart(own, chance) else "like"


def _too_few(board: Board, percentile: int) -> list[str]:
    """The line that says how many entries have too few seeds to be compared with `random`; none where all have enough."""
    pairs = [(row, column) for row in board.rows for column in board.columns if row.method != CHANCE]
    compared = [pair for pair in pairs if board.entry(*pair).done and board.chance(pair[1]).done]
    few = sum(against_chance(board, row, column, percentile) == "few" for row, column in compared)
    if not few:
        return []
    return [
        f"Too few seeds to say which entries are like {CHANCE}: {few} of {len(compared)} cannot be compared with it; "
        f"that takes {statistics.FEWEST_SEEDS} seeds of both."
    ]


def _entry_item(
    board: Board, column: Column, entry: Entry, metric: Metric, percentile: int, letters: tuple[str, ...], styles: set[str]
) -> Item:
    if entry.unsuitable:
        return Item(NOT_APPLICABLE, letters, frozenset({"not-applicable"}))
    values = metric.values(board, column, entry, percentile)
    failed, shown = failures(entry), spread(values, metric.digits)
    if not entry.done and failed:
        return Item(failed, letters, frozenset({"failed"}))
    if shown == ABSENT:
        return Item(ABSENT, letters if entry.done else ())
    return Item(
        shown + (f" ({failed})" if failed else ""),
        letters,
        frozenset(styles | ({"failed"} if failed else set())),
        float(values.mean()),
    )


def _column_places(board: Board, metric: Metric, column: Column, percentile: int) -> list[str]:
    """Which rows are best and second among the printed means of one column; ties share a place.

    No row is marked if larger is not better, or at the 100th percentile of a saturated task.
    """
    if not metric.better or (column.saturated and percentile == 100 and metric.by_percentile):
        return [""] * len(board.rows)
    found = [metric.values(board, column, board.entry(row, column), percentile) for row in board.rows]
    shown = [round(metric.better * float(v.mean()), metric.digits) if len(v) and np.isfinite(v).all() else None for v in found]
    distinct = sorted({m for m in shown if m is not None}, reverse=True)
    names = dict(zip(distinct, ("best", "second"), strict=False)) if len(distinct) > 1 else {}
    return [names.get(m, "") if m is not None else "" for m in shown]


def standing_table(board: Board, percentile: int, found: Sequence[Standing]) -> Table:
    """Aggregates across tasks, of the methods with a done seed on every task they fit.

    If one of them does not fit every task, a column says how many tasks each row is over.
    """
    shown = [(row, s) for row, s in zip(board.rows, found, strict=True) if s.iqm]
    total = len(board.columns)
    partial = any(s.tasks < total for _, s in shown)
    header = (
        "method",
        *(["tasks"] if partial else []),
        "interquartile mean",
        "mean",
        "median",
        "std over seeds",
        f"beats {CHANCE}",
    )
    rows = tuple(
        (
            Item(row.label),
            *([Item(f"{s.tasks}/{total}", key=s.tasks)] if partial else []),
            interval(s.iqm),
            number(s.mean, 3),
            number(s.median, 3),
            number(s.deviation, 3),
            interval(s.improvement),
        )
        for row, s in shown
    )
    title = f"Across {total} task{'s' if total > 1 else ''}, {percentile}th percentile{bracketed(rows)}"
    return Table(f"standing-{percentile}", title, tuple(map(Item, header)), rows)


def _left_out(board: Board) -> list[str]:
    """The line that names the rows which the table across tasks leaves out; none where it has all."""
    names = [
        row.label for row in board.rows if any(not (e := board.entry(row, c)).done and not e.unsuitable for c in board.columns)
    ]
    if not names:
        return []
    return [f"Tables across tasks leave out methods without a done seed on each task they fit: {', '.join(names)}."]


def cost_table(board: Board, percentile: int) -> Table:
    """How each method's designs are spread and what they cost: mean over tasks of the mean over done seeds; absent metrics are left out.

    If some row has no done seed on a task, a column says on how many tasks each has one.
    """
    names = [n for n in DESIGNS_AND_COST if any(np.isfinite(_overall(board, row, n, percentile)) for row in board.rows)]
    total = len(board.columns)
    done = [sum(bool(board.entry(row, column).done) for column in board.columns) for row in board.rows]
    rows = []
    for row, tasks in zip(board.rows, done, strict=True):
        values = [number(_overall(board, row, n, percentile), METRICS[n].digits) for n in names]
        rows.append((Item(row.label), *([Item(f"{tasks}/{total}", key=tasks)] if min(done) < total else []), *values))
    header = [Item("method"), *([Item("tasks")] if min(done) < total else []), *(Item(METRICS[n].short) for n in names)]
    failed = any(entry.failed for entry in board.entries.values())
    title = "The designs and their cost, mean over tasks and seeds" + (" (failed cells are not counted)" if failed else "")
    return Table("cost", title, tuple(header), tuple(rows) if names else ())


def _overall(board: Board, row: Row, name: str, percentile: int) -> float:
    found = [METRICS[name].values(board, column, board.entry(row, column), percentile) for column in board.columns]
    means = [v.mean() for v in found if len(v)]
    return float(np.mean(means)) if means else np.nan
