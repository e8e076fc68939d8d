"""Count, for every task, how many pairs of methods differ beyond noise: `python tools/tells_apart.py RESULTS...`.

RESULTS are results folders or tables made by `bbo collect`; only their cells at the preset `fast` count, without changed settings, and of
several versions the newest. The column of results/tasks.md comes from the whole catalogue:

    bbo run -t all -b all --seeds 0-3 --preset fast --out runs/apart
    python tools/tells_apart.py runs/apart
    python tools/task_floors.py

The last one also takes the name of one task, which is quicker: it measures the floors of that task alone and fills in the whole column.

A pair differs at a percentile if zero lies outside the 95% interval of the difference of their means: of the pairs of equal seeds
(Student's t), or of all seeds where two methods share fewer than two (Welch's t), as in `bbo compare` and in the page's comparison of two
methods. About one pair in twenty that are alike would differ by chance. Pairs with fewer than four seeds are not counted. Writes
results/tells_apart.csv; tasks without such pairs keep what is there.
"""

from __future__ import annotations

import csv
import io
import itertools
import sys
from pathlib import Path

from at_preset import at_preset

from bbo import files
from bbo.errors import BBOError
from bbo.protocol import PERCENTILES
from bbo.reporting.board.scores import Board, Column, Entry, board
from bbo.reporting.board.statistics import FEWEST_SEEDS, difference
from bbo.reporting.documents.changes import compared
from bbo.reporting.storage import sources
from bbo.reporting.storage.latest import newest

OUT = Path(__file__).parents[1] / "results" / "tells_apart.csv"
FIELDS = ("task", "pairs", *(f"apart_{p}" for p in PERCENTILES))


def counted(results: Board, column: Column) -> dict[str, str]:
    """One row of the table: pairs of methods with enough seeds, and how many of them differ at each percentile."""
    entries = [entry for row in results.rows if (entry := results.entry(row, column)).done]
    pairs = [pair for pair in itertools.combinations(entries, 2) if enough(*pair)]
    apart = {f"apart_{p}": sum(differ(a, b, p) for a, b in pairs) for p in PERCENTILES}
    return {key: str(value) for key, value in {"task": column.key.task, "pairs": len(pairs), **apart}.items()}


def enough(a: Entry, b: Entry) -> bool:
    """Whether two entries have the seeds that a statement about them takes."""
    x, y, _ = compared(a, b, PERCENTILES[0])
    return min(len(x), len(y)) >= FEWEST_SEEDS


def differ(a: Entry, b: Entry, percentile: int) -> bool:
    """Whether two entries differ beyond noise."""
    found = difference(*compared(a, b, percentile))
    return found.low > 0 or found.high < 0


def read() -> dict[str, dict[str, str]]:
    """The rows of the table, by task; empty if there is no table yet."""
    return {row["task"]: row for row in csv.DictReader(io.StringIO(OUT.read_text()))} if OUT.is_file() else {}


def table(paths: list[Path]) -> list[dict[str, str]]:
    """The rows that some results give.

    Raises:
        BBOError: they cannot be read, or there is no such row.
    """
    records, _ = newest(at_preset(sources.load(paths).records, "fast"))
    results = board(records) if records else None
    found = [row for column in results.columns if (row := counted(results, column))["pairs"] != "0"] if results else []
    if not found:
        raise BBOError(
            f"no task has two methods with {FEWEST_SEEDS} seeds each at the preset fast, so nothing can be told apart; nothing was written"
        )
    return found


def main(paths: list[Path]) -> None:
    try:
        found = table(paths)
    except BBOError as error:
        raise SystemExit(f"error: {error}") from None
    rows = read() | {row["task"]: row for row in found}
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows[task] for task in sorted(rows))
    files.write(OUT, text.getvalue())
    print(f"wrote {OUT}: {len(rows)} tasks")


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
