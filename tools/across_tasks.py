"""One table over all tasks of a results file: mean ranks with groups, and scores above chance, each with its interval.

    bbo collect runs/own --to results/own.csv
    python tools/across_tasks.py results/own.csv --out results/own_across_tasks.md

Ranks, groups and resamples are those of `bbo report`. Intervals are 95%: the seeds of every method on every task are drawn with
replacement, the tasks stay as they are.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from bbo import files
from bbo.errors import BBOError
from bbo.reporting.board.families import ranked, resampled
from bbo.reporting.board.scores import CHANCE, Board, board
from bbo.reporting.board.standings import Standing, grouping, standings
from bbo.reporting.board.statistics import LEVEL, Estimate
from bbo.reporting.documents.document import SHOWN, interval
from bbo.reporting.storage import sources


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="+", help="tables of bbo collect, or results folders")
    parser.add_argument("--out", type=Path, help="Markdown file; printed without it")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    arguments = parser.parse_args()
    try:
        results = sources.load(arguments.results)
        how = " ".join(["python tools/across_tasks.py", *map(str, arguments.results), f"--seed {arguments.seed}"])
        text = report(board(results.records, results.unsuitable), arguments.seed, how)
        if arguments.out:
            files.write(arguments.out, text)
        else:
            print(text, end="")
    except BBOError as error:
        sys.exit(f"error: {error}")


def report(found: Board, seed: int, how: str) -> str:
    """The whole page, methods by their mean rank at the median.

    Raises:
        BBOError: fewer than two methods, so there is nothing to rank.
    """
    if len(found.rows) < 2:
        raise BBOError(f"ranks need at least two methods; the results hold {len(found.rows)}")
    first, last = SHOWN
    found = found.ordered(last)
    chance = any(row.method == CHANCE for row in found.rows)
    head = ["method", "tasks"]
    for p in SHOWN:
        head += [f"mean rank, {p}th", "group", *([f"above chance, {p}th"] if chance else [])]
    lines = [f"| {' | '.join(head)} |", f"|---|{'--:|' * (len(head) - 1)}"]
    columns = {p: measured(found, p, seed) for p in SHOWN}
    for i, row in enumerate(found.rows):
        tasks = columns[first][i][0].tasks
        cells = [row.label, f"{tasks}" if tasks == len(found.columns) else f"{tasks} of {len(found.columns)}"]
        for p in SHOWN:
            standing, rank, above = columns[p][i]
            cells += [interval(rank, digits=2).text, standing.group, *([interval(above).text] if chance else [])]
        lines.append(f"| {' | '.join(cells)} |")
    tests = [f"{p}th percentile. {groups}" for p in SHOWN if (groups := grouping(found, p))]
    seeds = sorted({r.spec.seed for r in found.records})
    failed = sum(not r.done for r in found.records)
    return (
        "\n".join(
            [
                "# Across tasks",
                "",
                f"{len(found.records)} cells, {failed} of them failed; {len(found.columns)} tasks: "
                f"{', '.join(column.label for column in found.columns)}; seeds {', '.join(map(str, seeds))}.",
                "",
                f"    {how}",
                "",
                *lines,
                "",
                "Rank 1 is best; methods are in the order of their mean rank at the median. Above chance: 0 is `random`, 1 the normaliser. "
                "A task on which every seed of a method failed counts with the last rank and the lowest score. In brackets: 95% intervals by a "
                "bootstrap of the seeds; there is none where every cell has one seed.",
                "",
                *[line for test in tests for line in (test, "")],
            ][:-1]
        )
        + "\n"
    )


def measured(found: Board, percentile: int, seed: int) -> list[tuple[Standing, Estimate, Estimate | None]]:
    """Of every row: its standing, its mean rank, and its mean score above chance, None where that has no value."""
    generator = np.random.default_rng(seed)
    drawn = [resampled(found, column, percentile, generator) for column in found.columns]
    ranks = _mean(np.stack([ranked(means) for means in drawn]))
    above = _mean(np.stack([_above(found, means) for means in drawn]))
    places = standings(found, percentile, generator, aggregates=False)
    spread = [any(len(found.entry(row, column).done) > 1 for column in found.columns) for row in found.rows]
    return [
        (places[i], _estimate(ranks[:, i], spread[i]), _estimate(above[:, i], spread[i]) if np.isfinite(above[0, i]) else None)
        for i in range(len(found.rows))
    ]


def _above(found: Board, means: np.ndarray) -> np.ndarray:
    """Scores above chance (n, rows) of one task's means (n, rows); NaN without `random` and where a method was not run."""
    lowest = np.where(np.isfinite(means), means, np.inf).min(axis=1, keepdims=True)
    means = np.where(np.isneginf(means), lowest, means)
    rows = [i for i, row in enumerate(found.rows) if row.method == CHANCE]
    if not rows or not np.isfinite(means[0, rows[0]]):
        return np.full_like(means, np.nan)
    chance = means[:, rows[0] : rows[0] + 1]
    return (means - chance) / np.where(chance < 1, 1 - chance, np.nan)


def _mean(parts: np.ndarray) -> np.ndarray:
    """Mean over tasks (n, rows) of parts (tasks, n, rows), over those that are numbers."""
    count = np.isfinite(parts).sum(axis=0)
    return np.where(count, np.nansum(parts, axis=0) / np.maximum(count, 1), np.nan)


def _estimate(values: np.ndarray, spread: bool) -> Estimate:
    """The first of values (1 + resamples,), with the interval of the others if there is any `spread`."""
    if not spread:
        return Estimate(float(values[0]), np.nan, np.nan)
    low, high = np.nanquantile(values[1:], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(values[0]), float(low), float(high))


if __name__ == "__main__":
    main()
