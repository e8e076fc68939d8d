"""`bbo compare`."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import numpy as np

from bbo import files
from bbo.cli import console
from bbo.cli.report import SEED
from bbo.cli.spelling import spelled
from bbo.errors import BBOError
from bbo.reporting.board.scores import Board, board
from bbo.reporting.documents import changes
from bbo.reporting.documents import variants as variant_rows
from bbo.reporting.formats import latex, markdown, terminal
from bbo.reporting.storage import reference, sources


@click.command("compare")
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", required=False, type=click.Path(path_type=Path))
@click.option(
    "--against",
    metavar="METHOD",
    multiple=True,
    help="Compare the rows of A with this one of them, instead of two results. Several times: a table for each.",
)
@click.option("--variants", is_flag=True, help="With --against: only the same method with other settings or a regulariser.")
@click.option("--percentile", type=int, help="100, 80 or 50; default: the 100th and the 50th.")
@click.option(
    "--relevant",
    type=click.FloatRange(0),
    default=changes.RELEVANT,
    show_default=True,
    help="Smallest difference of normalised scores that matters.",
)
@click.option("--format", "form", type=click.Choice(("md", "latex")), help="Default: tables on a terminal, else md.")
@click.option("--out", type=click.Path(path_type=Path), help="File to write; default: standard output.")
@click.pass_context
def command(
    context: click.Context,
    a: Path,
    b: Path | None,
    against: tuple[str, ...],
    variants: bool,
    percentile: int | None,
    relevant: float,
    form: str | None,
    out: Path | None,
) -> None:
    """Show what changed from A to B, by how much, and whether it is more than noise.

    A and B are results folders, tables made by bbo collect (such as the committed leaderboards in results/), or 'reference' for the
    results that come with the package. With --against METHOD there is no B: every row of A is compared with that one,
    paired by task and seed. An ablation is bbo compare A --variants --against METHOD.
    """
    if (b is None) == (not against):
        raise BBOError("compare two results (bbo compare A B) or the rows of one (bbo compare A --against METHOD)")
    if variants and not against:
        raise BBOError("--variants goes with --against METHOD")
    files.keep((a, b) if b else (a,), "--out", out)
    before, made_by = _board(a), spelled(context)
    if b is not None:
        generator = np.random.default_rng(SEED)
        document = changes.document(before, _board(b), (str(a), str(b)), percentile, made_by, generator, relevant)
    else:
        document = variant_rows.document(before, against, percentile, made_by, relevant, variants)
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


def _board(path: Path) -> Board:
    found = sources.load([reference.path(path)])
    console.notes(found.notes)
    return board(found.records, found.unsuitable)
