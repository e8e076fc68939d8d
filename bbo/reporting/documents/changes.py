"""Two results side by side: what changed, by how much, and whether beyond noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bbo.reporting.board import statistics
from bbo.reporting.board.scores import Board, Column, Entry, Row
from bbo.reporting.board.statistics import Estimate
from bbo.reporting.documents import footer
from bbo.reporting.documents.document import ABSENT, Document, Item, Table, check_percentile, failures, interval, spread

#: Verdicts, in the order of the summary.
VERDICTS = (
    "better", "worse", "within noise", "negligible", "too few seeds", "identical", "failed", "not applicable", "only in A", "only in B",
)  # fmt: skip
#: Those of rows with nothing to compare, which are counted, not listed.
UNLISTED = ("not applicable", "only in A", "only in B")
#: Default for the smallest difference of normalised scores that matters: half of the last digit that most papers print.
RELEVANT = 0.005


@dataclass(frozen=True)
class Change:
    """One method on one task in both results; `difference` is B - A of the mean normalised score, None if a side has no seed."""

    task: str
    method: str
    percentile: int
    before: Entry
    after: Entry
    difference: Estimate | None
    paired: bool
    verdict: str


def changes(a: Board, b: Board, percentile: int, relevant: float = RELEVANT) -> list[Change]:
    """Every method x task of either result, matched by method label, task, its version and data, budget and protocol.

    Over the seeds that both have the difference is taken seed by seed; where they share fewer than two, all seeds of each are
    compared. Too few seeds: fewer than `FEWEST_SEEDS` on a side, so there is no interval. Better and worse: zero lies outside the
    difference's 95% interval (Student's t for pairs, Welch's otherwise), and the difference is at least `relevant`. Negligible: it is
    smaller, and either zero still lies outside the interval or the whole interval is smaller too. Within noise: anything else with an
    interval.
    """
    found = []
    for task, left, right in _columns(a, b):
        for method in sorted({row.label for row in (*a.rows, *b.rows)}):
            before, after = _entry(a, method, left), _entry(b, method, right)
            if any(entry.cells or entry.unsuitable for entry in (before, after)):
                found.append(_change(task, method, percentile, before, after, relevant))
    return found


def _change(task: str, method: str, percentile: int, before: Entry, after: Entry, relevant: float) -> Change:
    x, y, paired = compared(before, after, percentile)
    difference = statistics.difference(y, x, paired) if len(x) and len(y) else None
    same = paired and bool((x == y).all()) and before.seeds == after.seeds
    return Change(task, method, percentile, before, after, difference, paired, _verdict(before, after, difference, same, relevant))


def compared(before: Entry, after: Entry, percentile: int) -> tuple[np.ndarray, np.ndarray, bool]:
    """Scores (n,), (m,) that a test of two entries compares, and whether they are paired by seed; else they are all of each side."""
    x, y = before.scores(percentile), after.scores(percentile)
    common = set(before.seeds) & set(after.seeds)
    if len(common) >= 2 or (len(common) == 1 and len(x) == len(y) == 1):
        return *paired_scores(before, after, percentile), True
    return x, y, False


def paired_scores(before: Entry, after: Entry, percentile: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores (n,), (n,) of the seeds both have, in the same order."""
    common = sorted(set(before.seeds) & set(after.seeds))
    x, y = (dict(zip(e.seeds, e.scores(percentile), strict=True)) for e in (before, after))
    return np.array([x[seed] for seed in common]), np.array([y[seed] for seed in common])


def _verdict(before: Entry, after: Entry, difference: Estimate | None, same: bool, relevant: float) -> str:
    if not before.cells and not after.cells:
        return "not applicable"
    if not before.cells:
        return "only in B"
    if not after.cells:
        return "only in A"
    if difference is None:
        return "failed"
    if same:
        return "identical"
    if not np.isfinite(difference.low):
        return "too few seeds"
    beyond_noise = difference.low > 0 or difference.high < 0
    if abs(difference.value) < relevant and (beyond_noise or max(-difference.low, difference.high) < relevant):
        return "negligible"
    return ("better" if difference.low > 0 else "worse") if beyond_noise else "within noise"


def _columns(a: Board, b: Board) -> list[tuple[str, Column | None, Column | None]]:
    """Columns of both, matched by everything that decides scores; those of one task that do not match are named by what differs."""
    left, right = ({column.key: column for column in board.columns} for board in (a, b))
    keys = sorted({*left, *right})
    return [(key.label(keys), left.get(key), right.get(key)) for key in keys]


def _entry(board: Board, method: str, column: Column | None) -> Entry:
    return board.entries.get((method, column.label), Entry()) if column else Entry()


def document(
    a: Board,
    b: Board,
    names: Sequence[str],
    percentile: int | None,
    command: str,
    generator: np.random.Generator,
    relevant: float = RELEVANT,
) -> Document:
    """What changed from A to B, as tables: across tasks, then one by one; what only one of them holds is counted."""
    tables, counts = [], []
    for p in check_percentile(percentile):
        found = changes(a, b, p, relevant)
        tables += [_overall(found, p, generator), _table(found, p)]
        tally = [f"{sum(c.verdict == v for c in found)} {v}" for v in VERDICTS if any(c.verdict == v for c in found)]
        counts.append(f"{p}th percentile: {', '.join(tally)}.")
    notes = [
        f"A: {names[0]}. B: {names[1]}.",
        *counts,
        "A, B: mean over the seeds that both have, where they share two or more; else over all seeds of each. Difference: B - A, with "
        "its 95% interval; seed by seed (Student's t) over shared seeds, else Welch's t. Across tasks: the paired differences, Student's t with "
        "Satterthwaite's degrees of freedom; how often a run of B beats one of A, a widened stratified bootstrap. "
        f"An interval takes {statistics.FEWEST_SEEDS} seeds per side. Intervals are not corrected for the number of comparisons.",
        f"Better, worse: beyond noise and by {relevant:g} or more (--relevant). Negligible: less than that.",
        *_stacks(a, b),
        f"Made by: {command}",
        footer.WORDS,
    ]
    return Document("What changed", tuple(table for table in tables if table.rows), (), tuple(notes))


def _overall(found: Sequence[Change], percentile: int, generator: np.random.Generator) -> Table:
    """Of every method with paired seeds on two tasks or more: the mean difference, and how often a run of B beats one of A."""
    rows = []
    for method in sorted({c.method for c in found}):
        pairs = [paired_scores(c.before, c.after, percentile) for c in found if c.method == method and c.paired]
        if len(pairs) < 2:
            continue
        x, y = [p[0] for p in pairs], [p[1] for p in pairs]
        mean = statistics.paired_difference(y, x)
        beats = statistics.probability_of_improvement(y, x, generator)
        rows.append((Item(method), Item(str(len(pairs))), interval(mean, "+"), interval(beats)))
    header = tuple(map(Item, ("method", "tasks", "mean difference [95% interval]", "a run of B beats one of A")))
    return Table(f"overall-{percentile}", f"Across tasks, {percentile}th percentile of the designs", header, tuple(rows))


def _table(found: Sequence[Change], percentile: int) -> Table:
    header = tuple(map(Item, ("method", "task", "A", "B", "difference [95% interval]", "seeds", "verdict")))
    shown = [c for c in found if c.verdict not in UNLISTED]
    order = sorted(shown, key=lambda c: (VERDICTS.index(c.verdict), c.task, c.method))
    rows = tuple(
        (
            Item(c.method),
            Item(c.task),
            _side(c.before, x),
            _side(c.after, y),
            interval(c.difference, "+"),
            Item(f"{len(x)} paired" if paired else f"{len(x)} and {len(y)}"),
            Item(c.verdict, styles=frozenset({"changed"} if c.verdict in ("better", "worse") else ())),
        )
        for c in order
        for x, y, paired in [compared(c.before, c.after, percentile)]
    )
    return Table(f"changes-{percentile}", f"Normalised score, {percentile}th percentile of the designs", header, rows)


def _side(entry: Entry, scores: np.ndarray) -> Item:
    """The scores (n,) of an entry that are compared, and how many of its seeds failed."""
    failed = failures(entry)
    if not len(scores):
        return Item(failed or ABSENT)
    return Item(spread(scores) + (f" ({failed})" if failed else ""))


def _stacks(a: Board, b: Board) -> list[str]:
    """Differences between the two stacks, and between versions and settings of methods."""
    lines = []
    before, after = ({**footer.packages(board), **footer.stack(board, footer.MACHINE)} for board in (a, b))
    differing = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if differing:
        lines += [f"Stack of {name}: {_listed(found, differing)}." for name, found in (("A", before), ("B", after))]
    versions = {row.label: row for row in a.rows}
    for row in b.rows:
        was = versions.get(row.label)
        if was and was.version != row.version:
            lines.append(f"{row.label}: version {was.version[:16]} in A, {row.version[:16]} in B.")
        lines += _settings(a, b, was, row) if was else []
    return lines


def _listed(stack: Mapping[str, set[str]], names: Sequence[str]) -> str:
    return ", ".join(f"{name} {' and '.join(sorted(stack[name])) if name in stack else 'not recorded'}" for name in names)


def _settings(a: Board, b: Board, before: Row, after: Row) -> list[str]:
    """Settings of one method that differ on the tasks both hold."""

    def configs(board: Board, row: Row) -> dict[str, dict[str, object]]:
        return {r.spec.task: r.spec.config for (label, _), e in board.entries.items() if label == row.label for r in e.cells}

    left, right = configs(a, before), configs(b, after)
    found = set()
    for task in sorted(left.keys() & right.keys()):
        for name in sorted(left[task].keys() | right[task].keys()):
            x, y = left[task].get(name, "unset"), right[task].get(name, "unset")
            if x != y:
                found.add(f"{after.label}: {name} {x} in A, {y} in B ({task}).")
    return sorted(found)
