"""One colour and one marker for each method of a board, the same in all of its figures.

The colours were chosen by a search that maximises the smallest difference (CIELAB) under normal vision and under full protan-,
deuter- and tritanopia as simulated by Machado et al. (2009), among colours with a contrast of at least 3:1 against both the white
and the dark page.

No list of methods is needed: a method's colour follows from its name, and if two of a board would get the same, the later one in
the order of names takes the next free one. What shares a method's base (`coms` and `coms+ignite`, or two settings of `coms`)
shares its colour and differs by the marker. Where a board has more methods than there are colours, or more rows than a reader can
distinguish, the floors and the first in the board's order are highlighted; the rest is grey.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from bbo.reporting.board.scores import Board, Row

COLOURS = ("#0F96FF", "#E17800", "#969678", "#C378B4", "#782DFF", "#D2002D", "#B400B4")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
#: Most rows that are highlighted.
HIGHLIGHTED = 8
#: Colour of the other rows.
GREY, DOT = "#808080", "."


@dataclass(frozen=True)
class Style:
    """Colour (a hex code) and marker of one row in every figure."""

    colour: str
    marker: str

    @property
    def highlighted(self) -> bool:
        """Whether the row has a colour of its own, not grey."""
        return self.colour != GREY


def styles(board: Board) -> dict[str, Style]:
    """Styles of a board's rows by label; those of highlighted rows are all different."""
    chosen = highlighted(board)
    methods = sorted({row.base for row in chosen})
    colours = _colours(methods)
    found = {row.label: Style(GREY, DOT) for row in board.rows}
    # Markers differ between methods too: for overlapping points, and for readers who do not see colours.
    for row in sorted(chosen, key=lambda row: (row.base, row.method, row.label)):
        start = methods.index(row.base)
        turns = (Style(colours[row.base], MARKERS[(start + k) % len(MARKERS)]) for k in range(len(MARKERS)))
        found[row.label] = next(style for style in turns if style not in found.values())
    return found


def every_style(board: Board) -> dict[str, Style]:
    """A colour and a marker for every row, also for those that are not highlighted: no two are alike while there are pairs left."""
    found = {label: style for label, style in styles(board).items() if style.highlighted}
    for row in board.rows:
        if row.label not in found:
            start = _start(row.base)
            pairs = (
                Style(COLOURS[(start + k) % len(COLOURS)], MARKERS[(start + k // len(COLOURS)) % len(MARKERS)])
                for k in range(len(COLOURS) * len(MARKERS))
            )
            taken = set(found.values())
            found[row.label] = next((style for style in pairs if style not in taken), Style(GREY, DOT))
    return found


def highlighted(board: Board) -> list[Row]:
    """The floors and then the first rows, in the board's order, while there are colours for their methods and at most `HIGHLIGHTED`."""
    floors = [row for row in board.rows if row.floor]
    chosen: list[Row] = []
    for row in floors + [row for row in board.rows if row not in floors]:
        if len(chosen) < HIGHLIGHTED and len({row.base, *(other.base for other in chosen)}) <= len(COLOURS):
            chosen.append(row)
    return chosen


def _colours(methods: list[str]) -> dict[str, str]:
    """A colour for each of at most as many methods as there are: by its name's hash, or the next that is free."""
    found: dict[str, str] = {}
    for method in methods:
        start = _start(method)
        turns = (COLOURS[(start + k) % len(COLOURS)] for k in range(len(COLOURS)))
        found[method] = next(colour for colour in turns if colour not in found.values())
    return found


def _start(method: str) -> int:
    return int(hashlib.sha256(method.encode(errors="replace")).hexdigest()[:8], 16)
