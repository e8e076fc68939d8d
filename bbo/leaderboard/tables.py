"""Tables of a board: what stands in every cell, independent of the form it is printed in (markdown, latex, terminal, page)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from bbo.errors import BBOError
from bbo.leaderboard import marks
from bbo.leaderboard.scores import CHANCE, UNCHANGED, Board, Column, Entry, Row
from bbo.protocol import PERCENTILES

#: Percentiles shown where none is asked for: the field's headline, and the one that chance does not lift.
SHOWN = (100, 50)


@dataclass(frozen=True)
class Item:
    """One table cell: its text, the letters of its footnotes, and styles out of best, second, chance, failed."""

    text: str
    marks: tuple[str, ...] = ()
    styles: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Table:
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
        raise BBOError(
            f"no percentile {percentile}; allowed: {', '.join(map(str, PERCENTILES))} (100 is the best design, 50 the median)"
        )
    return (percentile,)


def document(board: Board, percentile: int | None, command: str) -> Document:
    """Score tables of the percentile asked for, or of those shown by default, with footnotes and footer."""
    notes = marks.Footnotes()
    tables = tuple(score_table(board, p, notes) for p in check_percentile(percentile))
    return Document("Leaderboard", tables, tuple(notes.items()), tuple(footer(board, command)))


def score_table(board: Board, percentile: int, notes: marks.Footnotes) -> Table:
    """Methods by mean rank; each entry mean ± standard deviation (ddof 0) over seeds of the normalised score."""
    board = board.ordered(percentile)
    header = [Item("method"), Item("mean rank"), *(Item(c.label, notes.letters(marks.of_column(c))) for c in board.columns)]
    means = board.means(percentile)
    if percentile == 100:
        # Nobody is the best where chance reaches the top.
        means[:, [c.saturated for c in board.columns]] = np.nan
    places = [_places(means[:, j]) for j in range(len(board.columns))]
    rows = []
    for i, (row, rank) in enumerate(zip(board.rows, board.mean_ranks(percentile), strict=True)):
        items = [Item(row.label, notes.letters(marks.of_row(board, row))), Item(f"{rank:.2f}" if np.isfinite(rank) else "-")]
        for column, place in zip(board.columns, places, strict=True):
            letters = notes.letters(marks.of_entry(board, row, column))
            items.append(_score_item(board.entry(row, column), percentile, letters, place[i]))
        rows.append(tuple(items))
    return Table(f"Normalised score, {ordinal(percentile)} percentile of the designs", tuple(header), tuple(rows))


def _score_item(entry: Entry, percentile: int, letters: tuple[str, ...], place: str) -> Item:
    scores = entry.scores(percentile)
    total = len(entry.done) + len(entry.failed)
    failed = f"failed {len(entry.failed)}/{total}" if entry.failed else ""
    if not total:
        return Item("-")
    if not len(scores):
        return Item(failed, letters, frozenset({"failed"}))
    text = f"{scores.mean():.3f} ± {scores.std():.3f}" + (f" ({failed})" if failed else "")
    return Item(text, letters, frozenset(filter(None, (place, "failed" if failed else ""))))


def _places(means: np.ndarray) -> list[str]:
    """Which are best and second among the printed (three-digit) means (rows,) of one column; ties share a place."""
    shown = [round(float(m), 3) if np.isfinite(m) else None for m in means]
    distinct = sorted({m for m in shown if m is not None}, reverse=True)
    names = dict(zip(distinct, ("best", "second"), strict=False))
    return [names.get(m, "") if m is not None and len(distinct) > 1 else "" for m in shown]


def ordinal(percentile: int) -> str:
    return f"{percentile}th"


def footer(board: Board, command: str) -> list[str]:
    """Protocol, tasks, presets, versions and command: what makes two tables comparable or not."""
    budgets = _joined(str(c.budget) for c in board.columns)
    protocols = _joined(str(c.protocol) for c in board.columns)
    seeds = sorted({r.spec.seed for r in board.records})
    lines = [
        f"Protocol {protocols}: {budgets} designs a run, scored by the task's oracle, normalised by its "
        "frozen y_min and y_max, not clipped; "
        "percentile rule 'higher'. Entries: mean ± standard deviation (ddof 0, as in the published tables) over seeds.",
        f"Seeds: {_ranges(seeds)}. Presets: {_joined(_preset_lines(board))}. "
        "Mean rank: per task by mean score, ties share a rank, failed methods last; mean over tasks.",
    ]
    lines += [_task_line(column) for column in board.columns]
    absent = [name for name in (CHANCE, UNCHANGED) if not any(row.baseline == name for row in board.rows)]
    if absent:
        lines.append(
            f"Floors not run: {', '.join(absent)}; add {' '.join(f'-b {n}' for n in absent)} to the run to see chance's level."
        )
    lines.append(f"Versions: {_versions(board)}.")
    ran = sorted({str(r.provenance["command"]) for r in board.records if r.provenance.get("command")})
    lines += [f"Run by: {line}" for line in ran]
    lines.append(f"Made by: {command}")
    return lines


def _preset_lines(board: Board) -> list[str]:
    families: dict[str, list[str]] = {}
    for row in board.rows:
        for preset in row.presets:
            families.setdefault(preset, []).append(row.label)
    return [f"{preset} ({', '.join(labels)})" for preset, labels in sorted(families.items())]


def _task_line(column: Column) -> str:
    facts = column.facts
    parts = [f"version {column.version}"]
    if facts.get("visible_rows") is not None:
        parts.append(f"{facts['visible_rows']} visible rows")
    if facts.get("best_visible") is not None:
        parts.append(f"best visible {facts['best_visible']:.3f}")
    if facts.get("y_min") is not None and facts.get("y_max") is not None:
        parts.append(f"y_min {facts['y_min']:g}, y_max {facts['y_max']:g}")
    if facts.get("oracle"):
        parts.append(f"{facts['oracle']} oracle")
    parts.append(f"data {column.data_hash[:8]}")
    return f"Task {column.label}: {facts['title'] + '; ' if facts.get('title') else ''}{', '.join(parts)}."


def _versions(board: Board) -> str:
    """Every version of every package the cells ran on; several where the cells differ."""
    found: dict[str, set[str]] = {}
    for record in board.records:
        for name, version in {**record.provenance.get("packages", {}), "Python": record.provenance.get("python")}.items():
            if version:
                found.setdefault(name, set()).add(str(version))
    commits = {
        str(r.provenance["commit"])[:12] + ("+dirty" if "dirty" in str(r.provenance["commit"]) else "")
        for r in board.records
        if r.provenance.get("commit")
    }
    if commits:
        found["commit"] = commits
    return ", ".join(f"{name} {' and '.join(sorted(v))}" for name, v in sorted(found.items())) or "not recorded"


def _joined(parts: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(parts))


def _ranges(numbers: list[int]) -> str:
    """0-3, 7 for [0, 1, 2, 3, 7]."""
    runs: list[list[int]] = []
    for n in numbers:
        if runs and n == runs[-1][-1] + 1:
            runs[-1].append(n)
        else:
            runs.append([n])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def summary(board: Board, percentiles: Sequence[int]) -> list[dict[str, object]]:
    """One object for every method x task x percentile that was run; `failed` counts seeds; mean and std are None without seeds."""
    rows = []
    for percentile in percentiles:
        for column in board.columns:
            for row in board.rows:
                if (row.label, column.label) in board.entries:
                    rows.append({**_identity(row, column), **_numbers(board.entry(row, column), percentile)})
    return rows


def _identity(row: Row, column: Column) -> dict[str, object]:
    return {"task": column.label, "baseline": row.label}


def _numbers(entry: Entry, percentile: int) -> dict[str, object]:
    scores = entry.scores(percentile)
    return {
        "percentile": percentile,
        "n_seeds": len(scores),
        "mean": float(scores.mean()) if len(scores) else None,
        "std": float(scores.std()) if len(scores) else None,
        "median": float(np.median(scores)) if len(scores) else None,
        "failed": len(entry.failed),
        "presets": sorted({str(r.method.get("preset", "default")) for r in entry.done + entry.failed}),
        "privileged": sorted({name for r in entry.done + entry.failed for name in r.method.get("privileged", ())}),
    }


def csv_text(rows: Sequence[dict[str, object]]) -> str:
    """The objects of `summary` as CSV; lists are joined by blanks, None is empty."""
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: " ".join(map(str, value)) if isinstance(value, list) else value for key, value in row.items()})
    return file.getvalue()
