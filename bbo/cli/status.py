"""`bbo status`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import click

from bbo.cli import console, failures
from bbo.harness.folder import status_of_plans
from bbo.harness.plan import describe


@click.command("status")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="An object with the cells that are done, failed and missing.")
@click.option("--commands", is_flag=True, help="Print a shell command for each missing or failed cell, for any scheduler.")
@click.option("--traceback", is_flag=True, help="Also print the traceback and the last output of each failed cell.")
def command(folder: Path, as_json: bool, commands: bool, traceback: bool) -> None:
    """List which planned cells of DIR are done, failed or missing."""
    status = status_of_plans(folder)
    if commands:
        for spec in status.missing:
            click.echo(shlex.join(["bbo", "run", "--cell", spec.hash, "--out", str(folder)]))
        for result in status.failed:
            click.echo(shlex.join(["bbo", "run", "--cell", result.spec.hash, "--retry", "failed", "--out", str(folder)]))
        return
    if as_json:
        failed = [{**describe(r.spec), "error": r.error} for r in status.failed]
        cells = {"done": [describe(s) for s in status.done], "failed": failed, "missing": [describe(s) for s in status.missing]}
        click.echo(json.dumps(cells, indent=1))
        return
    click.echo(f"{len(status.done)} done, {len(status.failed)} failed, {len(status.missing)} missing")
    for line in failures.lines(status.failed, traceback):
        console.say(line)
    for spec in status.missing:
        console.say(f"missing  {spec.label()}")
