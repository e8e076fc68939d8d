"""One table over all tasks of a results file: mean ranks with groups, and scores above chance, each with its interval.

    bbo collect runs/own --to results/own.csv
    python tools/across_tasks.py results/own.csv --out results/own_across_tasks.md

Ranks, groups and intervals are those of `bbo report`: 95%, the seeds of every method on every task are drawn with replacement, the tasks
stay as they are, and the interval of the resamples is widened to what Student's t gives for a mean.

`--against METHOD` makes another table: how far each method's mean score is from that method's, over the tasks of both, with an interval by
Student's t over the tasks, and on how many it is higher and lower. It needs no more than one seed, and speaks of tasks like these. Tasks
of one family are often alike (several tables of one benchmark, or a harder variant of a task), so the mean of the families' means is shown
too, with its interval over the families.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
from scipy import stats

from bbo import files
from bbo.errors import BBOError, unknown
from bbo.reporting.board.families import Value, mean, measures, resampled, rows
from bbo.reporting.board.scores import CHANCE, Board, Column, Row, board
from bbo.reporting.board.standings import Standing, grouping, standings
from bbo.reporting.board.statistics import FEWEST_SEEDS, LEVEL
from bbo.reporting.documents.document import SHOWN, interval
from bbo.reporting.storage import sources

#: Differences of mean scores below this are none: sums of equal scores in another order.
TIE = 1e-9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="+", help="tables of bbo collect, or results folders")
    parser.add_argument("--tasks", nargs="+", default=["*"], metavar="TASK", help="only these tasks; * stands for any letters")
    parser.add_argument("--against", metavar="METHOD", help="differences to this method instead of ranks")
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
        options = ["--against", arguments.against] if arguments.against else ["--seed", str(arguments.seed)]
        how = shlex.join(["python", "tools/across_tasks.py", *map(str, arguments.results), *chosen, *options])
        found = board(records, [u for u in results.unsuitable if asked(u.task, only)])
        text = against(found, arguments.against, how) if arguments.against else report(found, arguments.seed, how)
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


def against(found: Board, reference: str, how: str) -> str:
    """The page of differences to one method, in the order of the median's.

    Raises:
        BBOError: no such method in the results.
    """
    rows_of = {row.label: row for row in found.rows}
    if reference not in rows_of:
        raise unknown("method", reference, rows_of)
    base, lines = rows_of.pop(reference), []
    for name, row in rows_of.items():
        both = [c for c in found.columns if found.entry(row, c).done and found.entry(base, c).done]
        if both:
            differences = [np.array([mean_of(found, row, c, p) - mean_of(found, base, c, p) for c in both]) for p in SHOWN]
            families = [column.family for column in both]
            cells = [name, str(len(both)), *(cell for values in differences for cell in cells_of(values, families))]
            lines.append((-differences[-1].mean(), f"| {' | '.join(cells)} |"))
    head = [
        "method",
        "tasks",
        *(f"{what}, {p}th" for p in SHOWN for what in ("difference", "of families", "higher on", "lower on")),
    ]
    note = (
        f"Difference of the mean normalised score to that of `{reference}`, averaged over the tasks on which both have a score, with a 95% "
        "interval by Student's t over these tasks; the same of families: the mean of the families' means, with an interval over the "
        "families, which does not take tasks of one family for independent; on how many tasks the method's mean is higher, and lower. Not "
        "corrected for the number of comparisons."
    )
    table = [f"| {' | '.join(head)} |", f"|---|{'--:|' * (len(head) - 1)}", *(line for _, line in sorted(lines))]
    return "\n".join([f"# Against {reference}, over tasks", "", f"    {how}", "", *table, "", note]) + "\n"


def mean_of(found: Board, row: Row, column: Column, percentile: int) -> float:
    """A method's mean score on a task that it has scores on."""
    return float(found.entry(row, column).scores(percentile).mean())


def cells_of(values: np.ndarray, families: Sequence[str]) -> list[str]:
    """The four columns of one percentile, of differences (tasks,) and the tasks' families."""
    means = np.array([values[[family == name for family in families]].mean() for name in dict.fromkeys(families)])
    return [with_interval(values), with_interval(means), str((values > TIE).sum()), str((values < -TIE).sum())]


def with_interval(values: np.ndarray) -> str:
    """The mean of values (n,), with its 95% interval by Student's t if there are two or more."""
    shown = f"{values.mean():+.3f}"
    if len(values) > 1:
        half = stats.t.ppf((1 + LEVEL) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
        shown += f" [{values.mean() - half:+.3f}, {values.mean() + half:+.3f}]"
    return shown


def measured(found: Board, percentile: int, seed: int) -> list[tuple[Standing, Value | None, Value | None]]:
    """Of every row: its standing, its mean rank, and its mean score above chance; None where no task gives a number."""
    generator = np.random.default_rng(seed)
    drawn = {c.label: measures(found, c, resampled(found, c, percentile, generator)) for c in found.columns}
    own = {name: {label: of_task[name] for label, of_task in drawn.items()} for name in ("mean-rank", "above-chance")}
    ranks, above = (rows(found, name, found.columns, of, mean(list(of.values()))) for name, of in own.items())
    return list(zip(standings(found, percentile, generator, aggregates=False), ranks, above, strict=True))


if __name__ == "__main__":
    main()
