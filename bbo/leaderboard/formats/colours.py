"""One colour and one marker per method, the same in every figure of every board.

The colours were chosen by a search for the largest smallest difference (CIELAB) under normal vision and under full protan-,
deuter- and tritanopia as simulated by Machado et al. (2009), among colours with a contrast of at least 3:1 against both the white
and the dark page. `data/colours.csv` gives known methods their slot; any other gets one from its name. Where two methods
share a colour their markers differ.
"""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from bbo.leaderboard.board.scores import Board

COLOURS = ("#0F96FF", "#E17800", "#969678", "#C378B4", "#782DFF", "#D2002D", "#B400B4")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


@dataclass(frozen=True)
class Style:
    colour: str
    marker: str


@cache
def _slots() -> dict[str, int]:
    text = (files("bbo.leaderboard") / "data" / "colours.csv").read_text(encoding="utf-8")
    return {row["method"]: int(row["slot"]) for row in csv.DictReader(text.splitlines())}


def style(method: str, variant: int = 0) -> Style:
    """The style of a method; further configurations of one method keep its colour and change the marker."""
    hashed = int(hashlib.sha256(method.encode()).hexdigest()[:8], 16) % (len(COLOURS) * len(MARKERS))
    turn, colour = divmod(_slots().get(method, hashed), len(COLOURS))
    return Style(COLOURS[colour], MARKERS[(turn + variant) % len(MARKERS)])


def styles(board: Board) -> dict[str, Style]:
    """Styles of a board's rows by label."""
    found = {}
    for row in board.rows:
        alike = sorted(other.label for other in board.rows if other.method == row.method)
        found[row.label] = style(row.method, alike.index(row.label))
    return found
