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
from bbo.leaderboard.documents import changes as compare
from bbo.leaderboard.formats import latex, markdown, terminal
from bbo.leaderboard.storage import sources


@click.command("compare")
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("--percentile", type=int, help="100, 80 or 50; default: the 100th and the 50th.")
@click.option("--format", "form", type=click.Choice(("md", "latex")), help="Default: tables on a terminal, else md.")
@click.option("--out", type=click.Path(path_type=Path), help="File to write; default: standard output.")
@click.pass_context
def command(context: click.Context, a: Path, b: Path, percentile: int | None, form: str | None, out: Path | None) -> None:
    """Say what changed from A to B, by how much, and whether beyond noise.

    A and B are results folders, or tables made by bbo collect (such as the committed leaderboards in results/).
    """
    before, after = (board(sources.load([path]).records) for path in (a, b))
    document = compare.document(before, after, (str(a), str(b)), percentile, spelled(context), np.random.default_rng(SEED))
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
