"""The leaderboard as one self-contained HTML file: no network, no file beside it.

The page holds the board as data (`bbo.reporting.documents.explorer`), and a script draws every view of it, so that a filter changes
all tables and figures alike. Charts are drawn by Vega-Lite, whose code is embedded (`data/vega.js`, made by `tools/vega_bundle.py`).
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bbo.protocol import PERCENTILES
from bbo.reporting.board.families import families
from bbo.reporting.board.scores import Board, Column, Row
from bbo.reporting.documents import explorer, footer, glossary
from bbo.reporting.documents.document import LEGEND, Document, cleaned
from bbo.reporting.documents.explorer import Background
from bbo.reporting.formats import colours
from bbo.reporting.storage.sources import Results


def render(
    board: Board,
    results: Results,
    document: Document,
    percentile: int,
    background: Background,
    published: Document | None = None,
    title: str = "Leaderboard",
) -> str:
    """The page of a board: its document's tables, and the data of all views; rows by mean rank at `percentile`, which is the one shown first.

    Raises:
        DamagedCell: a cell's arrays cannot be read.
    """
    environment = Environment(
        loader=PackageLoader("bbo.reporting"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    ordered = board.ordered(percentile)
    words = {word: text.replace("`", "") for word, text in glossary.WORDS.items()}
    marks = {mark: text.replace("`", "") for mark, text in glossary.MARKS.items()}
    # Heads that are names: of families, and of tasks with their titles.
    names = dict.fromkeys(("all", *families(ordered)), words["family"])
    names |= {column.label: str(column.facts.get("title") or words["task"]) for column in ordered.columns}
    first = {row.label for row in colours.highlighted(ordered)}
    styles = colours.every_style(ordered).items()
    looks = {label: explorer.Look(style.colour, style.marker, label in first) for label, style in styles}
    data = explorer.data(ordered, results, background, looks) | {
        "words": words,
        "title": title,
        "first": PERCENTILES.index(percentile),
    }
    pages: list[Column | Row] = [*board.columns, *board.rows]
    text = environment.get_template("page/page.html").render(
        document=document,
        published=published,
        title=title,
        subtitle=footer.subtitle(board),
        links={of.label: explorer.anchor(of) for of in pages},
        explain=lambda head, table: glossary.explain(head, table.partition("-")[0]) or names.get(head, ""),
        notes=dict(document.notes) | dict(published.notes if published else ()),
        marks=marks,
        legend=LEGEND,
        words=words,
        used={style for table in document.tables for row in table.rows for item in row for style in item.styles},
        data=Markup(_embedded(data)),
        library=Markup(_library()),
    )
    return cleaned(text) + "\n"


def _embedded(data: object) -> str:
    """JSON that cannot end the element it is in."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@cache
def _library() -> str:
    return (files("bbo.reporting") / "data" / "vega.js").read_text(encoding="utf-8")
