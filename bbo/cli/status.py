"""`bbo status`."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import click

from bbo.harness.folder import status_of_plans
from bbo.harness.plan import describe
from bbo.text import line


@click.command("status")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="An object with the cells that are done, failed and missing.")
@click.option("--commands", is_flag=True, help="One shell command for each cell that is missing or failed, for any scheduler.")
def command(folder: Path, as_json: bool, commands: bool) -> None:
    """Say which cells of the plans saved in DIR are done, failed or missing."""
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
        json.dump(cells, sys.stdout, indent=1)
        click.echo()
        return
    click.echo(f"{len(status.done)} done, {len(status.failed)} failed, {len(status.missing)} missing")
    for result in status.failed:
        assert result.error
        click.echo(f"failed   {result.spec.label()}: {line(result.error['reason'])}: {line(result.error['message'])}")
    for spec in status.missing:
        click.echo(f"missing  {spec.label()}")
