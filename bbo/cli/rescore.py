"""`bbo rescore`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bbo.cli import console
from bbo.harness import again


@click.command("rescore")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--run-files", is_flag=True, help="Also cells whose task is a file, which is then run; refused without this option.")
def command(folder: Path, run_files: bool) -> None:
    """Score the stored designs of DIR again and compare the scores with the stored ones.

    Exit code 1 if a stored score does not match, or if no cell can be scored here.
    """
    total = wrong = not_run = 0
    for verdict in again.rescore(folder, run_files):
        total += 1
        if not verdict.equal:
            not_run += verdict.state == "not run"
            wrong += verdict.state != "not run"
            console.say(f"{verdict.record.spec.label()} ({verdict.record.spec.hash}): {verdict.text}")
    rest = f"; {not_run} cannot be scored here" if not_run else ""
    click.echo(f"{total - wrong - not_run} of {total} cells match their stored scores{rest}")
    if wrong or not_run == total:
        sys.exit(1)
