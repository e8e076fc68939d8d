"""What the page's script needs of a board, as plain data: tasks, methods, and every seed of every cell.

Distributions of scores are kept as `QUANTILES` equally spaced quantiles a seed, each as 16 bits of the range of its task, so that a
board of 35 x 35 x 8 cells stays below a megabyte of them.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from bbo.protocol import PERCENTILES
from bbo.record import Outcome, Record
from bbo.reporting.board import statistics
from bbo.reporting.board.families import families
from bbo.reporting.board.metrics import above_chance
from bbo.reporting.board.scores import CHANCE, Board, Column, Entry, Row, setting_text
from bbo.reporting.documents import changes, marks, published
from bbo.reporting.documents.document import slug, spread
from bbo.reporting.documents.leaderboard import against_chance
from bbo.reporting.storage.sources import Results
from bbo.text import clean

#: Quantiles kept of the scores of one run; best designs shown of a cell; characters of one of them.
QUANTILES, BEST, LONGEST = 33, 3, 600
#: Degrees of freedom of the table of Student's t that the script interpolates.
FREEDOM = 200
#: Points of a trace.
POINTS = 33


@dataclass(frozen=True)
class Background:
    """What installed tasks and methods say of themselves; records do not hold it.

    Args:
        about: descriptions by "task ID" and "method ID".
        readable: by the id of a task, a function that writes one of its designs (*shape) as people do.
    """

    about: Mapping[str, str] = field(default_factory=dict)
    readable: Mapping[str, Callable[[np.ndarray], str]] = field(default_factory=dict)


class Look(NamedTuple):
    """Colour (a hex code) and marker of a row, and whether figures highlight it from the start."""

    colour: str
    marker: str
    highlighted: bool


def data(board: Board, results: Results, background: Background, looks: Mapping[str, Look]) -> dict[str, Any]:
    """Everything the script shows; rows in the board's order.

    Args:
        board: the board.
        results: where the arrays of the cells are.
        background: descriptions and the spaces' ways of writing designs.
        looks: how each row looks in figures, by label.

    Raises:
        DamagedCell: a cell's arrays cannot be read.
    """
    ranks = {p: board.ranks(p) for p in PERCENTILES}
    printed = _published(board)
    cells = []
    ranges = []
    for j, column in enumerate(board.columns):
        outcomes = {
            (i, record.spec.seed): outcome
            for i, row in enumerate(board.rows)
            for record in board.entry(row, column).done
            if (outcome := results.outcome(record))
        }
        visible = column.facts.get("visible_quantiles") or []
        span = _range([*(outcome.normalised for outcome in outcomes.values()), np.asarray(visible, np.float64)])
        ranges.append(span)
        for i, row in enumerate(board.rows):
            entry = board.entry(row, column)
            if entry.cells or entry.unsuitable:
                found = _cell(board, row, column, entry, {p: ranks[p][i, j] for p in PERCENTILES})
                runs = {seed: outcomes[i, seed] for seed in entry.seeds if (i, seed) in outcomes}
                if runs and len(runs) == len(entry.seeds):
                    found["q"] = _packed([outcome.normalised for outcome in runs.values()], span)
                    found["b"] = _best(runs, background.readable.get(column.key.task.partition(":")[0]))
                found |= _traces(entry, results)
                cells.append([i, j, found])
    t = stats.t.ppf((1 + statistics.LEVEL) / 2, np.arange(1, FREEDOM + 1))
    return {
        "percentiles": list(PERCENTILES),
        "chance": CHANCE,
        "fewest": statistics.FEWEST_SEEDS,
        "relevant": changes.RELEVANT,
        "quantiles": QUANTILES,
        "t": [round(float(value), 6) for value in t],
        "families": list(families(board)),
        "tasks": [_task(column, background, span) for column, span in zip(board.columns, ranges, strict=True)],
        "methods": [_method(board, row, background, looks[row.label], printed.get(row.label, [])) for row in board.rows],
        "cells": cells,
    }


def anchor(of: Column | Row) -> str:
    """The address of a task's or a method's view: `task-tfbind8`, `method-root`."""
    return f"{'task' if isinstance(of, Column) else 'method'}-{slug(of.label)}"


def _task(column: Column, background: Background, span: tuple[float, float]) -> dict[str, Any]:
    facts, key = column.facts, column.key
    return {
        "label": column.label,
        "anchor": anchor(column),
        "family": column.family,
        "title": str(facts.get("title", "")),
        "about": background.about.get(f"task {key.task.partition(':')[0]}", ""),
        "saturated": column.saturated,
        "best": facts.get("best_visible"),
        "visible": facts.get("visible_quantiles"),
        "range": span,
        "facts": [
            *([name.replace("_", " "), _text(facts[name])] for name in FACTS if facts.get(name) not in (None, "")),
            ["budget", f"{key.budget} designs"],
            ["version", key.version],
            ["protocol", str(key.protocol)],
            ["sha256 of the visible table", key.data_hash],
        ],
        "notes": marks.of_column(column),
    }


FACTS = ("family", "kind", "oracle", "visible_rows", "best_visible", "y_min", "y_max", "optimum", "note")


def _method(board: Board, row: Row, background: Background, look: Look, printed: Sequence[Sequence[str]]) -> dict[str, Any]:
    cells = [cell for column in board.columns for cell in board.entry(row, column).cells]
    return {
        "label": row.label,
        "anchor": anchor(row),
        "base": row.base,
        "kind": str(row.facts.get("kind") or "") or "unstated",
        "floor": row.floor,
        "title": str(row.facts.get("title", "")),
        "summary": str(row.facts.get("summary", "")),
        "about": background.about.get(f"method {row.method.partition(' (')[0].partition('+')[0]}", ""),
        "paper": str(row.facts.get("paper", "")),
        "year": int(row.facts.get("year") or 0),
        "privileged": sorted({name for cell in cells for name in cell.method.get("privileged", ())}),
        "version": row.version,
        "presets": list(row.presets),
        "overrides": [[name, setting_text(value)] for name, value in sorted(row.overrides.items())],
        "settings": _settings(board, row),
        "notes": marks.of_row(board, row),
        "published": [list(line) for line in printed],
        "colour": look.colour,
        "marker": look.marker,
        "highlighted": look.highlighted,
    }


def _cell(board: Board, row: Row, column: Column, entry: Entry, ranks: Mapping[int, float]) -> dict[str, Any]:
    """Seeds, scores, seconds and megabytes in the order of the seeds; numbers at each percentile in the order of `PERCENTILES`."""
    if entry.unsuitable:
        return {"u": entry.unsuitable}
    found: dict[str, Any] = {
        "s": entry.seeds,
        "p": [[_short(v) for v in entry.scores(p)] for p in PERCENTILES],
        "r": [_short(ranks[p]) for p in PERCENTILES],
    }
    if entry.done:
        found["a"] = [_short(v.mean()) if len(v := above_chance(board, column, entry, p)) else None for p in PERCENTILES]
        found["l"] = [against_chance(board, row, column, p) for p in PERCENTILES]
        origins = [record.provenance.get("origin", {}) for record in entry.done]
        found["h"] = [origin.get("cell", record.spec.hash) for origin, record in zip(origins, entry.done, strict=True)]
        if "results" in origins[0]:  # where the first hash is found, as it is not in the results that the page was made from
            found["from"] = origins[0]["results"]
        found["c"] = [_short(record.cost.get("wall_seconds")) for record in entry.done]
        found["m"] = [_short(record.cost.get("peak_memory_mb")) for record in entry.done]
        found["d"] = {name: _short(values.mean()) for name in SPREAD if len(values := entry.values("designs", name))}
    if entry.failed:
        found["f"] = [[record.spec.seed, _failure(record)] for record in entry.failed]
    if warned := sorted({text for record in entry.done for text in marks.warnings(record)}):
        found["w"] = warned[:10]
    changed = {name: value for cell in entry.cells[:1] for name, value in (cell.method.get("overrides") or {}).items()}
    if changed:
        found["o"] = [[name, setting_text(value)] for name, value in sorted(changed.items())]
    return found


SPREAD = ("diversity", "duplicates", "nearest_offline", "novel_share")


def _failure(record: Record) -> str:
    error = record.error or {}
    return ": ".join(part for part in (error.get("reason", ""), error.get("type", ""), error.get("message", "")) if part)[:LONGEST]


def _settings(board: Board, row: Row) -> list[list[str]]:
    """Every setting with its value, or its values by task where they differ."""
    entries = {column.label: board.entry(row, column) for column in board.columns}
    configs = {label: entry.cells[0].spec.config for label, entry in entries.items() if entry.cells}
    found = []
    for name in sorted({name for config in configs.values() for name in config}):
        values: dict[str, list[str]] = {}
        for label, config in configs.items():
            values.setdefault(_text(config.get(name, "unset")), []).append(label)
        parts = [text if len(values) == 1 else f"{text} ({', '.join(labels)})" for text, labels in values.items()]
        found.append([name, "; ".join(parts)])
    return found


def _published(board: Board) -> dict[str, list[list[str]]]:
    """Published scores beside ours: task, percentile, ours, published, verdict and source, by the label of a row."""
    found: dict[str, list[list[str]]] = {}
    for row, column, theirs in published.matches(board):
        entry = board.entry(row, column)
        values = entry.scores(theirs.percentile)
        deviation = f" ± {theirs.std:.3f}" if theirs.std is not None else ""
        ours = f"{spread(values)} ({len(values)})" if len(values) else "failed"
        line = [column.label, f"{theirs.percentile}th", ours, f"{theirs.mean:.3f}{deviation}"]
        found.setdefault(row.label, []).append([*line, published.verdict(theirs, entry, row, column), theirs.source])
    return found


def _range(values: Sequence[np.ndarray]) -> tuple[float, float]:
    ends = [(v.min(), v.max()) for v in values if len(v)]
    if not ends:
        return 0.0, 1.0
    low, high = float(min(a for a, _ in ends)), float(max(b for _, b in ends))
    return low, high if high > low else low + 1.0


def _packed(seeds: Sequence[np.ndarray], span: tuple[float, float]) -> str:
    """Quantiles of each seed's scores, 16 bits each, little-endian, in base64."""
    low, high = span
    ordered = np.stack([np.sort(values)[_places(len(values))] for values in seeds])
    shares = np.round((ordered - low) / (high - low) * 65535)
    return base64.b64encode(np.clip(shares, 0, 65535).astype("<u2").tobytes()).decode()


def _places(n: int) -> np.ndarray:
    """Where the quantiles of n sorted values are: the first, the last, and evenly between."""
    return np.round(np.linspace(0, n - 1, QUANTILES)).astype(int)


def _best(runs: Mapping[int, Outcome], readable: Callable[[np.ndarray], str] | None) -> list[list[Any]]:
    """The best different designs of all seeds: normalised score, seed, and the design in words."""
    found = []
    for seed, outcome in runs.items():
        for i in np.argsort(-outcome.normalised, kind="stable")[: 2 * BEST]:
            found.append((float(outcome.normalised[i]), seed, outcome.designs[i]))
    found.sort(key=lambda item: -item[0])
    chosen: dict[bytes, list[Any]] = {}
    for score, seed, design in found:
        if len(chosen) < BEST and design.tobytes() not in chosen:
            chosen[design.tobytes()] = [_short(score), seed, _words(design, readable)]
    return list(chosen.values())


def _words(design: np.ndarray, readable: Callable[[np.ndarray], str] | None) -> str:
    try:
        text = readable(design) if readable else ""
    except (LookupError, TypeError, ValueError):  # a design of another version of the task's space
        text = ""
    return clean(text or " ".join(f"{value:g}" for value in design.ravel()), LONGEST)


def _traces(entry: Entry, results: Results) -> dict[str, Any]:
    """Best and median score along the way, mean over the traced seeds, at equal shares of the steps."""
    curves = []
    for record in entry.done:
        trace = results.trace(record)
        if trace is not None and trace.steps[-1] > 0:
            share = np.linspace(0, 1, POINTS)
            held = np.searchsorted(trace.steps / trace.steps[-1], share + 1e-12, side="right") - 1
            quantiles = [np.quantile(trace.normalised, q, axis=1, method="higher") for q in (1.0, 0.5)]
            curves.append([values[np.maximum(held, 0)] for values in quantiles])
    return {"t": [[_short(v) for v in curve] for curve in np.mean(curves, axis=0)]} if curves else {}


def _short(value: Any) -> float | None:
    """A number with six significant digits, which is more than is printed."""
    return None if value is None or not np.isfinite(value) else float(f"{value:.6g}")


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
