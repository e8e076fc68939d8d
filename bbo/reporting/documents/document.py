"""The parts of a document, independent of its format; and how numbers become text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bbo.errors import BBOError
from bbo.protocol import PERCENTILES
from bbo.reporting.board.scores import Entry
from bbo.reporting.board.statistics import Estimate
from bbo.text import clean

#: Percentiles shown by default: the one that papers report, and one that chance does not raise.
SHOWN = (100, 50)
#: Nothing to show: the pair was not run, or the number does not exist.
ABSENT = "·"
#: Meanings of the styles of numbers, for legends.
LEGEND = {"best": "best of its column", "second": "second", "chance": "not significantly different from random at 95%"}
#: Columns of a table where lines do not wrap, as in Markdown and on paper.
WIDEST = 8
#: The method does not fit the task.
NOT_APPLICABLE = "\N{EN DASH}"


@dataclass(frozen=True)
class Item:
    """One table cell: text, letters of its footnotes, a number to sort by, and styles.

    Styles are best, second, changed, chance, failed, not-applicable and text (a cell of words, to be wrapped).
    """

    text: str
    marks: tuple[str, ...] = ()
    styles: frozenset[str] = frozenset()
    key: float | None = None


@dataclass(frozen=True)
class Table:
    """`name` is the table's anchor on a page."""

    name: str
    title: str
    header: tuple[Item, ...]
    rows: tuple[tuple[Item, ...], ...]


def in_parts(table: Table, widest: int = WIDEST) -> list[Table]:
    """The table, or as many as are needed to have at most `widest` columns each, with the first column in front of all."""
    n = len(table.header)
    spans = [range(start, min(start + widest - 1, n)) for start in range(1, n, widest - 1)] or [range(0)]
    return [
        replace(
            table,
            header=(table.header[0], *(table.header[j] for j in span)),
            rows=tuple((row[0], *(row[j] for j in span)) for row in table.rows),
        )
        for span in spans
    ]


@dataclass(frozen=True)
class Document:
    """Tables, their footnotes as (letter, text), and the lines of the footer."""

    title: str
    tables: tuple[Table, ...]
    notes: tuple[tuple[str, str], ...]
    footer: tuple[str, ...]


def check_percentile(percentile: int | None) -> tuple[int, ...]:
    """The percentiles to show.

    Raises:
        BBOError: records do not have this percentile.
    """
    if percentile is None:
        return SHOWN
    if percentile not in PERCENTILES:
        allowed = ", ".join(map(str, PERCENTILES))
        raise BBOError(f"no percentile {percentile}; allowed: {allowed} (100 is the best design, 50 the median)")
    return (percentile,)


def slug(label: str) -> str:
    """A label as part of an anchor or a file name; it keeps whatever distinguishes labels, such as case and the sign of a setting."""
    return re.sub(r"[^A-Za-z0-9._=-]+", "-", label).strip("-")


def printable(text: str) -> str:
    """A text on one line, its unprintable characters escaped: names, settings and messages come from plugins and may hold anything."""
    return cleaned(" ".join(text.split()))


def cleaned(text: str) -> str:
    """A text of any length, its unfit characters escaped (`bbo.text`)."""
    return clean(text, 8 * len(text) + 1)


def decimal(value: float, digits: int, sign: str = "") -> str:
    """A number as text; rounded first, so that a tiny negative number is 0 and not -0. `sign` is "+" where a plus is printed."""
    return f"{round(value, digits) + 0.0:{sign}.{digits}f}"


def number(value: float, digits: int) -> Item:
    """A number with this many decimals; `ABSENT` if it is not finite."""
    return Item(decimal(value, digits), key=value) if np.isfinite(value) else Item(ABSENT)


def interval(estimate: Estimate | None, sign: str = "", digits: int = 3) -> Item:
    """0.910 [0.900, 0.920]; without the brackets where there is no interval."""
    if estimate is None:
        return Item(ABSENT)
    text = decimal(estimate.value, digits, sign)
    if np.isfinite(estimate.low):
        text += f" [{decimal(estimate.low, digits, sign)}, {decimal(estimate.high, digits, sign)}]"
    return Item(text, key=estimate.value)


def bracketed(rows: Sequence[Sequence[Item]]) -> str:
    """What a table's title says of the intervals in brackets; nothing where one seed gives none."""
    return " [95% interval]" if any(" [" in item.text for row in rows for item in row[1:]) else ""


def spread(values: np.ndarray, digits: int = 3) -> str:
    """Mean ± standard deviation (ddof 0) of the seeds' numbers (n,); one seed has no deviation. `ABSENT` without any number."""
    if not len(values) or not np.isfinite(values).all():
        return ABSENT
    mean = decimal(float(values.mean()), digits)
    return f"{mean} ± {values.std():.{digits}f}" if len(values) > 1 else mean


def failures(entry: Entry) -> str:
    """Failed 1/2; empty where no seed failed."""
    return f"failed {len(entry.failed)}/{len(entry.done) + len(entry.failed)}" if entry.failed else ""
