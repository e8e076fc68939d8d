"""The board as plain rows, one per method x task x percentile, for CSV and JSON."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bbo.reporting.board.metrics import DESIGNS_AND_COST, METRICS, above_chance
from bbo.reporting.board.scores import Board, Column, Row
from bbo.reporting.documents.document import printable
from bbo.reporting.documents.leaderboard import against_chance
from bbo.reporting.storage import cell_table
from bbo.reporting.storage.cell_table import NOT_APPLICABLE
from bbo.text import inert


def rows(board: Board, percentiles: Sequence[int]) -> list[dict[str, object]]:
    """One object for every method x task x percentile that was run or is not applicable (which `status` says).

    `mean`, `std` (ddof 0; None of a single seed), `median` and `above_chance` are of the normalised score over the done seeds, None
    without any; `like_chance` is None where it cannot be told; `failed` counts seeds; `rank` is the rank on this task, None where it is
    not applicable; figures of designs and cost are means over seeds.
    """
    found: list[dict[str, object]] = []
    for percentile in percentiles:
        ranks = board.ranks(percentile)
        for j, column in enumerate(board.columns):
            for i, row in enumerate(board.rows):
                if (row.label, column.label) in board.entries:
                    rank = float(ranks[i, j]) if np.isfinite(ranks[i, j]) else None
                    found.append({**_numbers(board, row, column, percentile), "rank": rank, **_facts(board, row, column)})
    return found


def _numbers(board: Board, row: Row, column: Column, percentile: int) -> dict[str, object]:
    entry = board.entry(row, column)
    scores = entry.scores(percentile)
    return {
        "task": column.label,
        "family": column.family,
        "method": row.label,
        "percentile": percentile,
        "status": NOT_APPLICABLE if entry.unsuitable else "run",
        "reason": entry.unsuitable or None,
        "n_seeds": len(scores),
        "mean": _mean(scores),
        "std": float(scores.std()) if len(scores) > 1 else None,
        "failed": len(entry.failed),
        "median": float(np.median(scores)) if len(scores) else None,
        "above_chance": _mean(above_chance(board, column, entry, percentile)),
        "like_chance": {"like": True, "": False, "few": None}[against_chance(board, row, column, percentile)],
    }


def _facts(board: Board, row: Row, column: Column) -> dict[str, object]:
    entry = board.entry(row, column)
    cells = entry.cells
    costs = {name.replace("-", "_"): _mean(METRICS[name].values(board, column, entry, 100)) for name in DESIGNS_AND_COST}
    return {
        **costs,
        "presets": sorted({str(r.method.get("preset", "default")) for r in cells}),
        "privileged": sorted({name for r in cells for name in r.method.get("privileged", ())}),
        "local": bool(column.facts.get("local")) or any(bool(r.method.get("local")) for r in cells),
    }


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) and np.isfinite(values).all() else None


def csv_text(rows: Sequence[dict[str, object]]) -> str:
    """The rows as CSV; lists are joined by blanks, None is empty, texts are such that a spreadsheet runs none of them."""
    return cell_table.csv_text(list(rows[0]), ({key: _cell(value) for key, value in row.items()} for row in rows))


def _cell(value: object) -> object:
    text = " ".join(map(str, value)) if isinstance(value, list) else value
    return inert(printable(text)) if isinstance(text, str) else text
