"""Tables of families of tasks: one row a method, one column a family, one table a measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bbo.reporting.board import families
from bbo.reporting.board.families import ALL, MEASURES, Value
from bbo.reporting.board.scores import CHANCE, Board
from bbo.reporting.board.statistics import FEWEST_SEEDS
from bbo.reporting.documents.document import ABSENT, Item, Table, bracketed, decimal, interval, printable

#: Titles of the measures, and their decimals.
TITLES = {
    "above-chance": ("Mean score above chance", 3),
    "mean-rank": ("Mean rank", 2),
    "wins": ("Wins", 2),
}
RULE = (
    "Families: a value is the mean over the tasks of a family that give a number (how many is printed where these are not all: a method may "
    f"not have been run on a task; for scores above chance, {CHANCE} may not have been run there, or be at 1); "
    '"all" is the mean over families, each counting once. A task on which every seed failed counts with its lowest score. '
    "Rows are in the order of this mean, those over fewer tasks below the others. Intervals: 95%, stratified bootstrap of seeds, widened to "
    f"what Student's t gives for a mean; they take {FEWEST_SEEDS} seeds on every task."
)


def tables(board: Board, percentile: int, generator: np.random.Generator) -> list[Table]:
    """One table a measure; those without any value (above chance where `random` was not run) are left out."""
    found = families.values(board, percentile, generator)
    names = [ALL, *families.families(board)]
    made = [_table(board, percentile, measure, names, found) for measure in MEASURES]
    return [table for table in made if any(item.key is not None for row in table.rows for item in row[1:])]


def rows(board: Board, percentiles: Sequence[int], generator: np.random.Generator) -> list[dict[str, object]]:
    """One object for every method x family x percentile, for CSV and JSON; the family `ALL` is the mean over families.

    `tasks` counts the tasks that the method was run on, `MEASURE_tasks` those that give a number.
    """
    found: list[dict[str, object]] = []
    for percentile in percentiles:
        values = families.values(board, percentile, generator)
        for name in (ALL, *families.families(board)):
            for i, row in enumerate(board.rows):
                own = {measure: values[measure, name][i] for measure in MEASURES}
                if run := own["mean-rank"]:
                    facts: dict[str, object] = {"family": name, "method": row.label, "percentile": percentile}
                    facts |= {"tasks": run.tasks, "tasks_of_family": run.total}
                    for measure, value in own.items():
                        facts |= _numbers(measure.replace("-", "_"), value)
                    found.append(facts)
    return found


def _numbers(name: str, value: Value | None) -> dict[str, object]:
    numbers = [value.estimate.value, value.estimate.low, value.estimate.high] if value else [np.nan] * 3
    found = {key: n if np.isfinite(n) else None for key, n in zip((name, f"{name}_low", f"{name}_high"), numbers, strict=True)}
    return {**found, f"{name}_tasks": value.tasks if value else 0}


def _table(
    board: Board, percentile: int, measure: str, names: Sequence[str], found: Mapping[tuple[str, str], list[Value | None]]
) -> Table:
    title, digits = TITLES[measure]
    best = {name: _best(found[measure, name], MEASURES[measure], digits) for name in names}
    body = []
    for i in _order(found[measure, ALL], MEASURES[measure]):
        items = [_item(found[measure, name][i], digits, best[name]) for name in names]
        if any(item.key is not None for item in items):
            body.append((Item(board.rows[i].label), *items))
    header = tuple(map(Item, ("method", *names)))
    suffix = f" ({CHANCE} is 0)" if measure == "above-chance" else ""
    return Table(
        f"families-{measure}-{percentile}",
        f"{title} by family{suffix}, {percentile}th percentile{bracketed(body)}",
        header,
        tuple(body),
    )


def _order(values: Sequence[Value | None], better: int) -> list[int]:
    """Row numbers by the value over all families, the best first, ties in the board's order; values that are not over all tasks last."""

    def key(i: int) -> tuple[bool, float]:
        value = values[i]
        return (value is None or not value.whole, -better * value.estimate.value if value else np.inf)

    return sorted(range(len(values)), key=key)


def _best(values: Sequence[Value | None], better: int, digits: int) -> float | None:
    """The best printed value over all tasks of the family; None where all are equal."""
    shown = {round(value.estimate.value, digits) for value in values if value and value.whole}
    return None if len(shown) < 2 else max(shown) if better > 0 else min(shown)


def _item(value: Value | None, digits: int, best: float | None) -> Item:
    if value is None:
        return Item(ABSENT)
    item = interval(value.estimate, digits=digits)
    text = item.text if value.whole else f"{item.text} ({value.tasks}/{value.total})"
    is_best = value.whole and best is not None and decimal(value.estimate.value, digits) == decimal(best, digits)
    return Item(text, styles=frozenset({"best"} if is_best else ()), key=item.key)


def heading(name: str) -> str:
    """A family's name as the head of a title."""
    return printable(name).capitalize()
