"""Results as DataFrames: one row a cell, and the leaderboard of any of these rows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bbo.reporting.board.scores import board
from bbo.reporting.board.standings import standings
from bbo.reporting.documents.document import check_percentile
from bbo.reporting.storage import sources

if TYPE_CHECKING:
    from pandas import DataFrame

#: Seed of the bootstrap, as in `bbo report`.
SEED = 0


def read_results(*paths: str | os.PathLike[str]) -> DataFrame:
    """All cells of results folders, or of tables made by `bbo collect`, one row a cell.

    Columns: cell (its hash), task, method, seed and the rest of what defines a cell; status ("done" or "failed"); score_100,
    score_80, score_50 (normalised, larger is better; NaN if failed); how the designs are spread; cost; error; warnings; and facts of
    task, method and machine, as dictionaries. `bbo.reporting.storage.cell_table` describes each.

    Raises:
        BBOError: a path is neither, or holds no cells.
        DamagedCell: a cell is damaged.
    """
    from bbo.reporting.storage.frame import to_frame

    return to_frame(sources.load([Path(path) for path in paths]))


def leaderboard(results: DataFrame, percentile: int = 100) -> DataFrame:
    """The leaderboard of some results: one row a method, the best mean rank first.

    Args:
        results: rows of `read_results` or `run`, perhaps filtered.
        percentile: 100, 80 or 50.

    Returns:
        Columns mean_rank, tasks (on how many the method was run), group (methods that share a letter are not significantly different)
        and above_chance, as in `bbo report`; then for each task its mean normalised score over seeds, and "TASK std", the standard
        deviation (ddof 0), which is NaN where there is one seed alone. NaN where a method was not run, has no done seed, or is not applicable.

    Raises:
        BBOError: no rows, or no such percentile.
    """
    from pandas import DataFrame, Index

    from bbo.reporting.storage.frame import from_frame

    check_percentile(percentile)
    found = from_frame(results)
    shown = board(found.records, found.unsuitable).ordered(percentile)
    standing = standings(shown, percentile, np.random.default_rng(SEED))
    columns: dict[str, list[object]] = {
        "mean_rank": [s.rank for s in standing],
        "tasks": [s.tasks for s in standing],
        "group": [s.group for s in standing],
        "above_chance": [s.above_chance for s in standing],
    }
    for column in shown.columns:
        scores = [shown.entry(row, column).scores(percentile) for row in shown.rows]
        columns[column.label] = [s.mean() if len(s) else np.nan for s in scores]
        columns[f"{column.label} std"] = [s.std() if len(s) > 1 else np.nan for s in scores]
    return DataFrame(columns, index=Index([row.label for row in shown.rows], name="method"))
