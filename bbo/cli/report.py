"""`bbo report`."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from bbo import files
from bbo.cli import console
from bbo.cli.background import background, completed
from bbo.cli.spelling import spelled
from bbo.errors import BBOError
from bbo.protocol import PERCENTILES
from bbo.reporting.board.metrics import METRICS
from bbo.reporting.board.scores import board
from bbo.reporting.board.standings import TESTS
from bbo.reporting.documents import families, leaderboard
from bbo.reporting.documents import published as published_scores
from bbo.reporting.documents.document import WIDEST, Document, check_percentile
from bbo.reporting.formats import latex, markdown, summary, terminal
from bbo.reporting.storage import reference, sources
from bbo.reporting.storage.latest import newest

FORMATS = ("md", "csv", "json", "latex", "html")
#: Seed of the bootstrap: the same cells give the same intervals.
SEED = 0


@click.command("report")
@click.argument("paths", metavar="DIR...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(FORMATS), help="Default: a table on a terminal, else md.")
@click.option("--percentile", type=int, help="100, 80 or 50; default: the 100th and the 50th, all three in csv and json.")
@click.option(
    "--metric", default="score", help=f"What the tables show: {', '.join(METRICS)}. csv and json hold them all.", show_default=True
)
@click.option("--test", type=click.Choice(TESTS), default="nemenyi", help="Post-hoc test that makes the groups.", show_default=True)
@click.option(
    "--with",
    "others",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="RESULTS",
    help="Put other results on the same tasks beside yours: 'reference' (those that come with the package), a folder or a table.",
)
@click.option("--published", is_flag=True, help="Compare with published scores: agree, differ or not comparable.")
@click.option(
    "--latest",
    is_flag=True,
    help="Of several versions of a task or a method, only the one finished last; the footer lists the others.",
)
@click.option(
    "--figures", type=click.Path(path_type=Path), metavar="DIR", help="Also write every figure there, as PDF, PNG and SVG."
)
@click.option(
    "--by",
    type=click.Choice(("task", "family")),
    help="What each row of csv and json describes (default: task); for md and latex: only the tables of families, or only those of tasks.",
)
@click.option(
    "--columns",
    type=click.IntRange(3),
    default=WIDEST,
    show_default=True,
    help="Most columns of a table in md and latex; wider tables are split.",
)
@click.option("--title", default="Leaderboard", show_default=True, help="Title of the page (html).")
@click.option("--out", type=click.Path(path_type=Path), help="File to write; default: standard output (leaderboard.html for html).")
@click.pass_context
def command(
    context: click.Context,
    paths: tuple[Path, ...],
    form: str | None,
    percentile: int | None,
    metric: str,
    test: str,
    others: tuple[Path, ...],
    published: bool,
    latest: bool,
    figures: Path | None,
    by: str | None,
    columns: int,
    title: str,
    out: Path | None,
) -> None:
    """The leaderboard of results folders, of tables made by bbo collect, or of the shipped 'reference'."""
    check_percentile(percentile)
    if form in ("csv", "json") and metric != "score":
        raise BBOError(f"--metric chooses what a table shows; {form} holds every metric, leave it out")
    if published and (form in ("csv", "json") or metric != "score"):
        raise BBOError("--published makes tables of scores: use it with --format md, latex or html, and without --metric")
    if published and by is not None and form != "html":
        raise BBOError(f"--by {by}: --published makes tables of single scores; leave out one of the two")
    files.keep((*paths, *others), "--out", out)
    results = sources.load([reference.path(path) for path in paths])
    records, left_out = newest(results.records) if latest else (results.records, [])
    results = replace(results, records=tuple(records))
    for other in others:
        results = reference.beside(results, other)
    console.notes(results.notes)
    results = replace(results, records=completed(results.records))
    found, made_by, generator = board(results.records, results.unsuitable), spelled(context), np.random.default_rng(SEED)

    def board_document() -> Document:
        split = True if by == "family" else None
        whole = leaderboard.document(found, percentile, made_by, generator, metric, test, left_out, split)
        return whole if by is None else leaderboard.only(whole, by)

    def published_document() -> Document | None:
        return published_scores.document(found, percentile, made_by) if published else None

    def document() -> Document:
        return published_document() or board_document()

    if figures is not None:
        from bbo.reporting.formats.figures import save_all

        written = save_all(found, results, percentile, test, figures, np.random.default_rng(SEED))
        click.echo(f"wrote {len(written)} files to {figures}", err=True)
    if form is None and out is None and sys.stdout.isatty():
        from rich.console import Console

        terminal.show(document(), Console())
        return
    if form == "html":
        from bbo.reporting.formats import page

        out = out or Path("leaderboard.html")
        known = background(results.records)
        leading = check_percentile(percentile)[0]
        text = page.render(found, results, board_document(), leading, known, published_document(), title)
    elif form in ("csv", "json"):
        chosen = (percentile,) if percentile else PERCENTILES
        rows = families.rows(found, chosen, generator) if by == "family" else summary.rows(found, chosen)
        text = json.dumps(rows, indent=1) + "\n" if form == "json" else summary.csv_text(rows)
    else:
        text = latex.render(document(), columns) if form == "latex" else markdown.render(document(), columns)
    if out is None:
        click.echo(text, nl=False)
    else:
        files.write(out, text)
        click.echo(f"wrote {out}", err=True)
