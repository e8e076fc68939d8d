"""Count, for every task, how many pairs of methods differ beyond noise: `python tools/tells_apart.py RESULTS...`.

RESULTS are results folders or tables made by `bbo collect`. The column of results/tasks.md comes from the whole catalogue:

    bbo run -t all -b all --seeds 0-3 --preset fast --out runs/apart
    python tools/tells_apart.py runs/apart
    python tools/task_floors.py

A pair differs at a percentile if zero is outside Welch's 95 % interval of the difference of their means over seeds. Writes
results/tells_apart.csv; tasks that were not run keep what is there.
"""

from __future__ import annotations

import csv
import io
import itertools
import sys
from pathlib import Path

from bbo import files
from bbo.protocol import PERCENTILES
from bbo.reporting.board.scores import Board, Column, board
from bbo.reporting.board.statistics import told_apart
from bbo.reporting.storage import sources

OUT = Path(__file__).parents[1] / "results" / "tells_apart.csv"
FIELDS = ("task", "pairs", *(f"apart_{p}" for p in PERCENTILES))


def counted(results: Board, column: Column) -> dict[str, str]:
    """One row of the table: pairs of methods with at least two seeds each, and how many of them differ at each percentile."""
    entries = [entry for row in results.rows if len((entry := results.entry(row, column)).done) > 1]
    pairs = list(itertools.combinations(entries, 2))
    apart = {f"apart_{p}": sum(told_apart(a.scores(p), b.scores(p)) for a, b in pairs) for p in PERCENTILES}
    return {key: str(value) for key, value in {"task": column.key.task, "pairs": len(pairs), **apart}.items()}


def read(path: Path = OUT) -> dict[str, dict[str, str]]:
    """The rows of the table, by task; empty if there is no table yet."""
    return {row["task"]: row for row in csv.DictReader(io.StringIO(path.read_text()))} if path.is_file() else {}


def main(paths: list[Path]) -> None:
    results = board(sources.load(paths).records)
    rows = read() | {column.key.task: counted(results, column) for column in results.columns}
    text = io.StringIO()
    table = csv.DictWriter(text, FIELDS, lineterminator="\n")
    table.writeheader()
    table.writerows(rows[task] for task in sorted(rows))
    files.write(OUT, text.getvalue())
    print(f"wrote {OUT}: {len(rows)} tasks")


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
