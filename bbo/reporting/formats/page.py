"""The leaderboard as one self-contained HTML file: no network, no file beside it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bbo.reporting.board.scores import Board, Column, Row
from bbo.reporting.documents import details, glossary
from bbo.reporting.documents.document import LEGEND, Document, check_percentile, cleaned
from bbo.reporting.formats import figures
from bbo.reporting.storage.sources import Results


def render(
    board: Board,
    results: Results,
    document: Document,
    percentile: int | None,
    test: str,
    generator: np.random.Generator,
    published: Document | None = None,
) -> str:
    """The page of a document's tables, with figures, a page for every task and method, and published scores if they are given."""
    environment = Environment(
        loader=PackageLoader("bbo.reporting"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    percentiles = check_percentile(percentile)
    leading = percentiles[0]
    ordered = board.ordered(leading)
    tasks = [(details.of_task(board, c, leading), _pictures(figures.of_task(ordered, c, results))) for c in board.columns]
    methods = [details.of_method(board, row, leading) for row in ordered.rows]
    pages: list[Column | Row] = [*board.columns, *board.rows]
    text = environment.get_template("leaderboard.html").render(
        document=document,
        published=published,
        pictures=_pictures(figures.overview(board, percentiles, test, generator)),
        tasks=tasks,
        methods=methods,
        links={of.label: details.anchor(of) for of in pages},
        explain=glossary.explain,
        legend=LEGEND,
        words={word: text.replace("`", "") for word, text in glossary.WORDS.items()},
        used={style for table in document.tables for row in table.rows for item in row for style in item.styles},
    )
    return cleaned(text) + "\n"


def _pictures(found: Iterator[figures.Picture]) -> list[dict[str, object]]:
    return [
        {"name": p.name, "title": p.title, "alt": p.alt, "svg": Markup(figures.svg(p))}  # our own drawing, already escaped
        for p in found
    ]
