"""`bbo report`."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import click

from bbo.errors import BBOError
from bbo.leaderboard import markdown, tables, terminal
from bbo.leaderboard.scores import Board, board
from bbo.protocol import PERCENTILES
from bbo.record import read_all

FORMATS = ("md", "csv", "json", "html")


@click.command("report")
@click.argument("folders", metavar="DIR...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(FORMATS), help="Default: a table on a terminal, else md.")
@click.option("--percentile", type=int, help="100, 80 or 50; default: tables of the 100th and the 50th, all three in csv and json.")
@click.option("--out", type=click.Path(path_type=Path), help="File to write; default: standard output (leaderboard.html for html).")
def command(folders: tuple[Path, ...], form: str | None, percentile: int | None, out: Path | None) -> None:
    """Print the leaderboard of the cells in one or more results folders."""
    tables.check_percentile(percentile)
    found = board(read_all(*folders))
    ran = "bbo " + shlex.join(sys.argv[1:])
    if form is None and out is None and sys.stdout.isatty():
        from rich.console import Console

        terminal.show(tables.document(found, percentile, ran), Console())
        return
    text = render(found, form or "md", percentile, ran)
    if form == "html" and out is None:
        out = Path("leaderboard.html")
    if out is None:
        click.echo(text, nl=False)
    else:
        write_text(out, text)
        click.echo(f"wrote {out}", err=True)


def render(found: Board, form: str, percentile: int | None, ran: str) -> str:
    """A board in one of the formats."""
    if form == "md":
        return markdown.render(tables.document(found, percentile, ran))
    if form == "html":
        from bbo.leaderboard import page

        return page.render(found, percentile, ran)
    rows = tables.summary(found, (percentile,) if percentile else PERCENTILES)
    if form == "json":
        return json.dumps(rows, indent=1) + "\n"
    return tables.csv_text(rows)


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all.

    Raises:
        BBOError: it cannot be written there.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise BBOError(f"cannot write {path}: {error.strerror or error}; choose another place with --out") from None
