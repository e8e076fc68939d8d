"""`bbo compare`."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import numpy as np

from bbo import files
from bbo.cli.report import SEED
from bbo.cli.spelling import spelled
from bbo.leaderboard.board.scores import board
from bbo.leaderboard.documents import changes
from bbo.leaderboard.formats import latex, markdown, terminal
from bbo.leaderboard.storage import sources


@click.command("compare")
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("--percentile", type=int, help="100, 80 or 50; default: the 100th and the 50th.")
@click.option(
    "--relevant",
    type=click.FloatRange(0),
    default=changes.RELEVANT,
    show_default=True,
    help="Smallest difference of normalised scores that is called better or worse.",
)
@click.option("--format", "form", type=click.Choice(("md", "latex")), help="Default: tables on a terminal, else md.")
@click.option("--out", type=click.Path(path_type=Path), help="File to write; default: standard output.")
@click.pass_context
def command(
    context: click.Context, a: Path, b: Path, percentile: int | None, relevant: float, form: str | None, out: Path | None
) -> None:
    """Say what changed from A to B, by how much, and whether beyond noise.

    A and B are results folders, or tables made by bbo collect (such as the committed leaderboards in results/).
    """
    before, after = (board(found.records, found.unsuitable) for found in (sources.load([path]) for path in (a, b)))
    generator = np.random.default_rng(SEED)
    document = changes.document(before, after, (str(a), str(b)), percentile, spelled(context), generator, relevant)
    if form is None and out is None and sys.stdout.isatty():
        from rich.console import Console

        terminal.show(document, Console())
        return
    text = latex.render(document) if form == "latex" else markdown.render(document)
    if out is None:
        click.echo(text, nl=False)
    else:
        files.write(out, text)
        click.echo(f"wrote {out}", err=True)
