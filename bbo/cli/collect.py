"""`bbo collect`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from bbo import bounded, files
from bbo.cli import console
from bbo.cli.report import SEED
from bbo.designs import digest
from bbo.errors import BBOError
from bbo.record import Outcome, Record
from bbo.reporting.board.scores import board
from bbo.reporting.documents import leaderboard
from bbo.reporting.formats import markdown
from bbo.reporting.storage import cell_table, parquet, sources
from bbo.reporting.storage.latest import newest
from bbo.reporting.storage.sources import Results


@click.command("collect")
@click.argument("paths", metavar="DIR|TABLE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--to", required=True, type=click.Path(path_type=Path), metavar="FILE", help="A file ending in .parquet or .csv.")
@click.option("--extend", is_flag=True, help="Keep the cells that FILE.csv holds, and add the others.")
@click.option(
    "--latest", is_flag=True, help="Of several versions of a task or a method, only the one finished last; the others are listed."
)
def command(paths: tuple[Path, ...], to: Path, extend: bool, latest: bool) -> None:
    """Write all cells into one table, one row per cell.

    FILE.parquet holds the cells, and FILE.designs.parquet beside it one row per design. FILE.csv holds the cells, and FILE.md
    beside it their leaderboard: the form in which leaderboards are committed. bbo report and bbo compare read all of them.

    A CSV table can grow: bbo collect runs/more --to FILE.csv --extend. Two different results of one cell are refused.
    """
    if to.suffix not in (".csv", ".parquet"):
        raise BBOError(f"cannot tell the form of {to}: its name must end in .parquet or .csv")
    if extend and to.suffix == ".parquet":
        raise BBOError(
            "--extend takes a .csv: a Parquet file holds designs, which come from results folders only; "
            f"name all folders, old and new: bbo collect DIR... --to {to}"
        )
    if extend and not to.is_file():
        raise BBOError(f"--extend: there is no table {to} to extend; to make it, leave --extend out")
    held = _held(to) if to.suffix == ".csv" else set()
    results = sources.load([to, *paths] if extend else paths)
    console.notes(results.notes)
    try:
        kept, older = newest(results.records)
    except BBOError:  # old tables do not say when their cells were finished
        if latest:
            raise
        kept, older = list(results.records), []
    for line in older:
        console.say(f"left out, older: {line}" if latest else f"note: older version, which --latest leaves out: {line}", err=True)
    records = [_hashed(results, record) for record in (kept if latest else results.records)]
    if to.suffix == ".csv":
        if gone := len(held - {record.spec.hash for record in results.records}):
            one = gone == 1
            console.say(
                f"{gone} cell{'' if one else 's'} that {to} held {'is' if one else 'are'} gone; keep {'it' if one else 'them'} with "
                "--extend",
                err=True,
            )
        files.write(to, cell_table.to_csv(records, results.unsuitable))
        files.write(to.with_suffix(".md"), committed_markdown(to))
        click.echo(f"wrote {len(records)} cells to {to} and their leaderboard to {to.with_suffix('.md')}")
        return

    def outcome(record: Record) -> Outcome:
        arrays = results.outcome(record)
        if arrays is None:
            raise BBOError(
                f"no designs found for {record.spec.label()}: collect from results folders, since tables hold no designs"
            )
        return arrays

    cells, designs = parquet.write(to, records, outcome, results.unsuitable)
    click.echo(f"wrote {cells} cells to {to} and {designs} designs to {parquet.designs_path(to)}")


def _held(table: Path) -> set[str]:
    """Hashes of the cells that a CSV holds before it is written; none where there is no such file.

    Raises:
        BBOError: the CSV, or the Markdown file beside it, is there and was not written by `bbo collect`.
    """
    page = table.with_suffix(".md")
    if page.exists() and not bounded.text(page).startswith("# Leaderboard\n"):
        raise BBOError(f"--to {table} would overwrite {page}, which is no leaderboard of bbo collect; choose another name")
    if not table.exists():
        return set()
    found = cell_table.hashes(bounded.text(table))
    if found is None:
        raise BBOError(f"--to {table} would overwrite a file that is no table of bbo collect; choose another name")
    return found


def _hashed(results: Results, record: Record) -> Record:
    """The record with the hash of its designs, which those of earlier versions do not hold."""
    if record.design_hash or (arrays := results.outcome(record)) is None:
        return record
    return replace(record, design_hash=digest(arrays.designs))


def committed_markdown(path: Path) -> str:
    """The leaderboard of a committed CSV, which the Markdown file beside it must equal."""
    results = sources.load([path])
    found = board(results.records, results.unsuitable)
    return markdown.render(leaderboard.document(found, None, f"bbo report {path.name}", np.random.default_rng(SEED)))
