"""`bbo rerun`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bbo.cli import console
from bbo.harness import again


@click.command("rerun")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--sample",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="Number of finished cells to run again, chosen at random.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the choice of cells.")
@click.option("--run-files", is_flag=True, help="Also cells whose task is a file, which is then run; refused without this option.")
def command(folder: Path, sample: int, seed: int, run_files: bool) -> None:
    """Run some finished cells of DIR again and compare the designs bit for bit.

    DIR is not changed. Exit code 0: all are equal; 1: some differ, and what differs in packages and machine is listed.
    """
    verdicts = []
    for verdict in again.rerun(folder, sample, seed, run_files):
        verdicts.append(verdict)
        console.say(f"{verdict.record.spec.label()}: {'equal' if verdict.equal else verdict.text}")
        if not verdict.equal:
            for name, (then, now) in verdict.stack.items():
                console.say(f"  {name}: {then} then, {now} now")
            if not verdict.stack:
                click.echo("  packages and machine are the same")
    different = sum(not verdict.equal for verdict in verdicts)
    click.echo(f"{len(verdicts) - different} of {len(verdicts)} cells are equal, bit for bit")
    if different:
        sys.exit(1)
