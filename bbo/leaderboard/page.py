"""The leaderboard as one self-contained HTML file: no network, no file beside it."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bbo.leaderboard import figures, tables
from bbo.leaderboard.scores import Board


def render(board: Board, percentile: int | None, command: str) -> str:
    """The page's text."""
    environment = Environment(
        loader=PackageLoader("bbo.leaderboard"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    pictures = [
        {
            "title": f"Scores of all seeds, {p}th percentile",
            "alt": f"Dot plot, one panel a task: normalised score at the {p}th percentile of every seed and method",
            "svg": Markup(figures.svg(figures.scores(board, p))),
        }
        for p in tables.check_percentile(percentile)
    ]
    return environment.get_template("leaderboard.html").render(
        document=tables.document(board, percentile, command), pictures=pictures
    )
