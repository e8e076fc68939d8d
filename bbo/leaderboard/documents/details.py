"""The pages of single tasks and methods: their facts, their scores at every percentile, and their footnotes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bbo.leaderboard.board.metrics import DESIGNS_AND_COST, METRICS, above_chance
from bbo.leaderboard.board.scores import Board, Column, Row
from bbo.leaderboard.documents import marks
from bbo.leaderboard.documents.document import Item, Table, failures, number, slug, spread
from bbo.leaderboard.documents.leaderboard import against_chance
from bbo.protocol import PERCENTILES


@dataclass(frozen=True)
class Detail:
    """One task's or method's page: anchor, title, facts as (name, text), table, and footnotes."""

    anchor: str
    title: str
    summary: str
    facts: tuple[tuple[str, str], ...]
    table: Table
    notes: tuple[str, ...]


def anchor(of: Column | Row) -> str:
    """`task-tfbind8`, `method-root`."""
    return f"{'task' if isinstance(of, Column) else 'method'}-{slug(of.label)}"


def of_task(board: Board, column: Column, percentile: int) -> Detail:
    """A task: methods by rank on it."""
    j = board.columns.index(column)
    ranks = board.ranks(percentile)[:, j]
    order = [i for i in np.argsort(np.nan_to_num(ranks, nan=np.inf), kind="stable") if np.isfinite(ranks[i])]
    rows = [(Item(board.rows[i].label), *_items(board, board.rows[i], column, percentile, ranks[i])) for i in order]
    facts = [(name.replace("_", " "), _text(column.facts[name])) for name in TASK_FACTS if column.facts.get(name) not in (None, "")]
    key = column.key
    facts += [("version", key.version), ("budget", f"{key.budget} designs"), ("protocol", str(key.protocol))]
    facts += [("sha256 of the visible table", key.data_hash)]
    notes = marks.of_column(column)
    for row in board.rows:
        texts = marks.of_entry(board, board.entry(row, column), marks.of_row(board, row))
        notes += [f"{row.label}: {text}" for text in texts]
    table = Table(f"{anchor(column)}-scores", f"Methods on {column.label}", _header("method", percentile), tuple(rows))
    return Detail(anchor(column), column.label, str(column.facts.get("title", "")), tuple(facts), table, tuple(notes))


def of_method(board: Board, row: Row, percentile: int) -> Detail:
    """A method: the tasks it was run on."""
    ranks = board.ranks(percentile)[board.rows.index(row)]
    columns = [(j, column) for j, column in enumerate(board.columns) if np.isfinite(ranks[j])]
    rows = [(Item(column.label), *_items(board, row, column, percentile, ranks[j])) for j, column in columns]
    facts = [("method", row.method), ("version", row.version), ("presets", ", ".join(row.presets))]
    facts += [("changed from its preset", ", ".join(row.overrides))] if row.overrides else []
    facts += _settings(board, row)
    shared = marks.of_row(board, row)
    entries = [(column.label, marks.of_entry(board, board.entry(row, column), shared)) for column in board.columns]
    notes = [*shared, *(f"{label}: {text}" for label, texts in entries for text in texts)]
    table = Table(f"{anchor(row)}-scores", f"Scores of {row.label}", _header("task", percentile), tuple(rows))
    return Detail(anchor(row), row.label, str(row.facts.get("summary", "")), tuple(facts), table, tuple(notes))


TASK_FACTS = ("kind", "oracle", "visible_rows", "best_visible", "y_min", "y_max", "optimum", "note")


def _header(first: str, percentile: int) -> tuple[Item, ...]:
    shown = [f"{p}th" for p in PERCENTILES]
    costs = [METRICS[name].short for name in DESIGNS_AND_COST]
    return tuple(map(Item, (first, "rank", *shown, f"above chance ({percentile}th)", "seeds", *costs)))


def _items(board: Board, row: Row, column: Column, percentile: int, rank: float) -> list[Item]:
    entry, failed = board.entry(row, column), failures(board.entry(row, column))
    items = [number(float(rank), 2)]
    for p in PERCENTILES:
        like = against_chance(board, row, column, p) == "like"
        items.append(_seeds(entry.scores(p), 3, frozenset({"chance"} if like else ())))
    items.append(_mean(above_chance(board, column, entry, percentile), 3))
    seeds = f"{len(entry.done)} ({failed})" if failed else str(len(entry.done))
    items.append(Item(seeds, styles=frozenset({"failed"} if failed else ()), key=len(entry.done)))
    items += [_mean(METRICS[name].values(board, column, entry, percentile), METRICS[name].digits) for name in DESIGNS_AND_COST]
    return items


def _mean(values: np.ndarray, digits: int) -> Item:
    return number(float(values.mean()) if len(values) else np.nan, digits)


def _seeds(values: np.ndarray, digits: int, styles: frozenset[str]) -> Item:
    return replace(_mean(values, digits), text=spread(values, digits), styles=styles)


def _settings(board: Board, row: Row) -> list[tuple[str, str]]:
    """Every setting, with its value, or its values by task where they differ."""
    entries = {column.label: board.entry(row, column) for column in board.columns}
    configs = {label: entry.cells[0].spec.config for label, entry in entries.items() if entry.cells}
    names = sorted({name for config in configs.values() for name in config})
    found = []
    for name in names:
        by_task = {label: _text(config.get(name, "unset")) for label, config in configs.items()}
        same = len(set(by_task.values())) == 1
        text = next(iter(by_task.values())) if same else ", ".join(f"{value} ({label})" for label, value in by_task.items())
        found.append((f"setting {name}", text))
    return found


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
