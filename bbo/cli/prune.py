"""`bbo prune`."""

from __future__ import annotations

from pathlib import Path

import click

from bbo import record
from bbo.cli import console
from bbo.harness import prune
from bbo.reporting.storage.latest import newest


@click.command("prune")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only list what would be removed; this is the default.")
@click.option("--yes", is_flag=True, help="Remove what is listed.")
def command(folder: Path, dry_run: bool, yes: bool) -> None:
    """Remove the cells of older versions from DIR.

    These are the cells that bbo report --latest leaves out. Of each task, the version with the most recently finished cell is kept; of
    its cells, for each method and its settings, the version of the method with the most recently finished cell. Nothing is removed
    without --yes.
    """
    records = record.read_all(folder)
    stay, lines = newest(records, f"remove the folders of the older ones from {folder / 'cells'}")
    kept = {one.spec.hash for one in stay}
    gone = [one for one in records if one.spec.hash not in kept]
    if not gone:
        click.echo(f"nothing to remove: {folder} holds no cells of older versions")
        return
    for line in lines:
        console.say(f"older    {line}")
    if dry_run or not yes:
        click.echo(f"{len(gone)} of {len(records)} cells would be removed; nothing was; remove them with --yes")
        return
    prune.prune(folder, gone)
    click.echo(f"{len(gone)} of {len(records)} cells removed, {len(stay)} left")
