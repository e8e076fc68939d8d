"""`bbo check`: the conformance checks of one task or method."""

from __future__ import annotations

import sys

import click

from bbo import catalogue
from bbo.testing import Checks, verdicts


@click.command("check")
@click.argument("reference", metavar="ID|FILE.py:Class")
def command(reference: str) -> None:
    """Check that a task or method keeps its promises; exit code 1 if it does not."""
    found = verdicts(_checks(reference))
    for verdict in found:
        click.echo(
            f"{'FAILED' if verdict.failure else 'ok    '}  {verdict.check}" + (f": {verdict.failure}" if verdict.failure else "")
        )
    failed = sum(bool(v.failure) for v in found)
    click.echo(f"{reference}: " + (f"{failed} of {len(found)} checks failed" if failed else f"all {len(found)} checks passed"))
    if failed:
        sys.exit(1)


def _checks(reference: str) -> Checks:
    if catalogue.is_task(reference):
        from bbo.testing import tasks

        return tasks.checks(catalogue.load_task(reference))
    from bbo.testing import methods

    return methods.checks(catalogue.load_method(reference))
