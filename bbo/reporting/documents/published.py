"""Published scores beside our own: agree, differ, or not comparable and why.

`data/published_scores.csv` holds scores as their sources print them:

| column | meaning |
| --- | --- |
| task, method | our ids, whether part of the suite or not; method is empty if a row is a variant that we do not name |
| settings | what our method changes from its preset `paper` to be this one, as in `loss=mse, steps=3`; empty if nothing |
| name | the name the source prints |
| percentile, mean, std | of the normalised score unless `not_comparable` says otherwise; std is empty where none is printed |
| n_seeds, n_designs | runs and designs a run; empty where the source does not say |
| visible_rows, best_visible | the visible table the source used: its size, and its best score as the same source prints it |
| oracle | "exact" for a table or formula that is the same everywhere, else which oracle scored |
| not_comparable | why none of our runs can be compared with it |
| note, source | what was done to the number, and where it is printed |
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from scipy import stats

from bbo.reporting.board import statistics
from bbo.reporting.board.scores import UNCHANGED, Board, Column, Entry, Row, setting_text
from bbo.reporting.documents.document import ABSENT, Document, Item, Table, check_percentile, decimal, spread

#: Decimals in which scores are printed.
DIGITS = 3
#: A unit of the last one: some sources round the best visible score and some cut it, so that of one subset differs by up to this.
UNIT = 0.001


@dataclass(frozen=True)
class Published:
    """One published score; None where the source does not say."""

    task: str
    method: str
    settings: str
    name: str
    percentile: int
    mean: float
    std: float | None
    n_seeds: int | None
    n_designs: int | None
    visible_rows: int | None
    best_visible: float | None
    oracle: str
    not_comparable: str
    note: str
    source: str


@cache
def scores() -> tuple[Published, ...]:
    """All published scores, in the order of the file."""
    text = (files("bbo.reporting") / "data" / "published_scores.csv").read_text(encoding="utf-8")
    return tuple(
        Published(
            **{name: row[name] for name in ("task", "method", "settings", "name", "oracle", "not_comparable", "note", "source")},
            percentile=int(row["percentile"]),
            mean=float(row["mean"]),
            std=_number(row["std"]),
            best_visible=_number(row["best_visible"]),
            n_seeds=_whole(row["n_seeds"]),
            n_designs=_whole(row["n_designs"]),
            visible_rows=_whole(row["visible_rows"]),
        )
        for row in csv.DictReader(text.splitlines())
    )


def _number(text: str) -> float | None:
    return float(text) if text else None


def _whole(text: str) -> int | None:
    return int(text) if text else None


def obstacles(theirs: Published, row: Row, column: Column) -> list[str]:
    """Why a score of ours cannot be compared with a published one; empty if it can."""
    facts = column.facts
    found = [theirs.not_comparable] if theirs.not_comparable else []
    if theirs.oracle != "exact" or facts.get("oracle") != "exact":
        found.append(f"other oracle ({theirs.oracle or 'not stated'})")
    rows, best = facts.get("visible_rows"), facts.get("best_visible")
    if theirs.visible_rows is None:
        found.append("subset not stated")
    elif rows is not None and theirs.visible_rows != rows:
        found.append(f"other subset ({theirs.visible_rows} visible rows, ours {rows})")
    elif theirs.best_visible is not None and best is not None and abs(theirs.best_visible - best) > UNIT:
        found.append(f"other subset (best visible {theirs.best_visible:.3f}, ours {best:.3f})")
    if theirs.method == UNCHANGED:
        return found
    if theirs.n_designs != column.key.budget:
        found.append(f"other budget ({theirs.n_designs or 'not stated'}, ours {column.key.budget})")
    others = [preset for preset in row.presets if preset not in ("paper", "default")]
    if others:
        found.append(f"other settings (preset {', '.join(others)}, not paper)")
    return found


def verdict(theirs: Published, ours: Entry, row: Row, column: Column) -> str:
    """One of "agree", "differ" and "not comparable: why".

    They agree if Welch's t test on means and deviations finds no significant difference at 95%, or if the means are the same to the
    printed digits. The best visible score is a fact, not a sample: its digits must be the same.
    """
    values = ours.scores(theirs.percentile)
    why = obstacles(theirs, row, column)
    if not len(values):
        why.append("all our seeds failed")
    elif theirs.method != UNCHANGED:
        if theirs.std is None or (theirs.n_seeds or 0) < 2:
            why.append("no spread published")
        if len(values) < 2:
            why.append("one seed of ours")
    if why:
        return f"not comparable: {'; '.join(why)}"
    if decimal(values.mean(), DIGITS) == decimal(theirs.mean, DIGITS):
        return "agree"
    if theirs.method == UNCHANGED:
        return "differ"
    assert theirs.std is not None
    assert theirs.n_seeds
    # Published deviations are taken as population ones (ddof 0), as ROOT computes them.
    p = stats.ttest_ind_from_stats(
        values.mean(),
        values.std(ddof=1),
        len(values),
        theirs.mean,
        theirs.std * np.sqrt(theirs.n_seeds / (theirs.n_seeds - 1)),
        theirs.n_seeds,
        equal_var=False,
    ).pvalue
    return "differ" if p < 1 - statistics.LEVEL else "agree"


def matches(board: Board) -> Iterator[tuple[Row, Column, Published]]:
    """The published scores of every pair that was run, by column, then row, then in the order of the file.

    A row with changed settings has only those that were published for just these settings.
    """
    known: dict[tuple[str, str, str], list[Published]] = {}
    for theirs in scores():
        known.setdefault((theirs.task, theirs.method, theirs.settings), []).append(theirs)
    for column in board.columns:
        for row in board.rows:
            if board.entry(row, column).cells:
                key = (column.key.task, row.method, settings_text(row.overrides))
                yield from ((row, column, theirs) for theirs in known.get(key, ()))


def settings_text(overrides: Mapping[str, Any]) -> str:
    """Changed settings as `Published.settings` has them."""
    return ", ".join(f"{name}={setting_text(value)}" for name, value in sorted(overrides.items()))


def document(board: Board, percentile: int | None, command: str) -> Document:
    """Every published score of a task and method on the board beside ours, sources as footnotes."""
    sources: list[str] = []
    tables = []
    tally: dict[str, int] = {}
    for p in check_percentile(percentile):
        rows = []
        for row, column, theirs in matches(board):
            if theirs.percentile == p:
                rows.append(_row(theirs, board.entry(row, column), row, column, sources))
                kind = rows[-1][-2].text
                tally[kind] = tally.get(kind, 0) + 1
        header = tuple(map(Item, ("method", "task", "ours", "published", "difference", "verdict", "why")))
        tables.append(Table(f"published-{p}", f"Published against ours, {p}th percentile of the designs", header, tuple(rows)))
    kept = tuple(table for table in tables if table.rows)
    count = ", ".join(f"{n} {kind}" for kind, n in sorted(tally.items())) or "no published score of a task and method on this board"
    footer = (
        f"{count}. Agree: by Welch's t test the means are not significantly different at 95%, or they are the same to the printed digits.",
        f"Made by: {command}",
    )
    return Document("Published against reproduced", kept, tuple((str(i + 1), s) for i, s in enumerate(sources)), footer)


def _row(theirs: Published, entry: Entry, row: Row, column: Column, sources: list[str]) -> tuple[Item, ...]:
    kind, _, why = verdict(theirs, entry, row, column).partition(": ")
    values = entry.scores(theirs.percentile)
    difference = float(values.mean() - theirs.mean) if len(values) else np.nan
    source = f"{theirs.source}, there {theirs.name}" + (f"; {theirs.note}" if theirs.note else "")
    if source not in sources:
        sources.append(source)
    return (
        Item(row.label),
        Item(column.label),
        Item(f"{spread(values)} ({len(values)})", key=float(values.mean())) if len(values) else Item("failed"),
        Item(
            f"{theirs.mean:.3f}"
            + (f" ± {theirs.std:.3f}" if theirs.std is not None else "")
            + (f" ({theirs.n_seeds})" if theirs.n_seeds else ""),
            (str(sources.index(source) + 1),),
            key=theirs.mean,
        ),
        Item(decimal(difference, 3, "+"), key=difference) if len(values) else Item(ABSENT),
        Item(kind, styles=frozenset({"changed"} if kind == "differ" else ())),
        Item(why, styles=frozenset({"text"})),
    )
