"""One table over all tasks of a results file: mean ranks with groups, and scores above chance, each with its interval.

    bbo collect runs/own --to results/own.csv
    python tools/across_tasks.py results/own.csv --out results/own_across_tasks.md

Ranks, groups and intervals are those of `bbo report`: 95%, the seeds of every method on every task are drawn with replacement, the tasks
stay as they are, and the interval of the resamples is widened to what Student's t gives for a mean.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from bbo import files
from bbo.errors import BBOError
from bbo.reporting.board.families import Value, mean, measures, resampled, rows
from bbo.reporting.board.scores import CHANCE, Board, board
from bbo.reporting.board.standings import Standing, grouping, standings
from bbo.reporting.board.statistics import FEWEST_SEEDS
from bbo.reporting.documents.document import SHOWN, interval
from bbo.reporting.storage import sources


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="+", help="tables of bbo collect, or results folders")
    parser.add_argument("--tasks", nargs="+", default=["*"], metavar="TASK", help="only these tasks; * stands for any letters")
    parser.add_argument("--out", type=Path, help="Markdown file; printed without it")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    arguments = parser.parse_args()
    try:
        results, only = sources.load(arguments.results), arguments.tasks
        records = [r for r in results.records if asked(r.spec.task, only)]
        if not records:
            raise BBOError(
                f"no cell on a task of {', '.join(only)}; the results hold {', '.join(sorted({r.spec.task for r in results.records}))}"
            )
        chosen = [] if only == ["*"] else ["--tasks", *only]
        how = shlex.join(["python", "tools/across_tasks.py", *map(str, arguments.results), *chosen, "--seed", str(arguments.seed)])
        text = report(board(records, [u for u in results.unsuitable if asked(u.task, only)]), arguments.seed, how)
        if arguments.out:
            files.write(arguments.out, text)
        else:
            print(text, end="")
    except BBOError as error:
        sys.exit(f"error: {error}")


def asked(task: str, patterns: Sequence[str]) -> bool:
    """Whether a task is one of those asked for."""
    return any(fnmatchcase(task, pattern) for pattern in patterns)


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
            cells += [interval(rank and rank.estimate, digits=2).text, standing.group]
            if chance:
                fewer = f" ({above.tasks}/{above.total})" if above and above.tasks < tasks else ""
                cells.append(interval(above and above.estimate).text + fewer)
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
                "bootstrap of the seeds, widened to what Student's t gives for a mean; there is none where a task has fewer than "
                f"{FEWEST_SEEDS} seeds.",
                "",
                *[line for test in tests for line in (test, "")],
            ][:-1]
        )
        + "\n"
    )


def measured(found: Board, percentile: int, seed: int) -> list[tuple[Standing, Value | None, Value | None]]:
    """Of every row: its standing, its mean rank, and its mean score above chance; None where no task gives a number."""
    generator = np.random.default_rng(seed)
    drawn = {c.label: measures(found, c, resampled(found, c, percentile, generator)) for c in found.columns}
    own = {name: {label: of_task[name] for label, of_task in drawn.items()} for name in ("mean-rank", "above-chance")}
    ranks, above = (rows(found, name, found.columns, of, mean(list(of.values()))) for name, of in own.items())
    return list(zip(standings(found, percentile, generator, aggregates=False), ranks, above, strict=True))


if __name__ == "__main__":
    main()
