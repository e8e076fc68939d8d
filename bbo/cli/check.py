"""`bbo check`: the conformance checks of one task or method."""

from __future__ import annotations

import sys

import click

from bbo import catalogue, local
from bbo.cli import console
from bbo.harness.sandbox import examine
from bbo.testing import Verdict, verdicts


@click.command("check")
@click.argument("reference", metavar="ID|FILE.py:Class")
@click.option("--traceback", "tracebacks", is_flag=True, help="Also print the traceback of each failure.")
def command(reference: str, tracebacks: bool) -> None:
    """Check that a task or a method meets the interface's requirements.

    Exit code 1 if it does not.
    """
    found, traces = _verdicts(reference)
    for verdict in found:
        console.say(f"FAILED  {verdict.check}: {verdict.failure}" if verdict.failure else f"ok      {verdict.check}")
        # A failure that was reported before only names the check that reported it.
        if tracebacks and verdict.failure and not verdict.failure.startswith("the same as"):
            console.say("\n".join(f"    {line}" for line in traces[verdict.check].splitlines()))
    failed = sum(bool(v.failure) for v in found)
    rest = "" if tracebacks or not failed else "; --traceback prints where"
    click.echo(
        f"{reference}: " + (f"{failed} of {len(found)} checks failed{rest}" if failed else f"all {len(found)} checks passed")
    )
    if failed:
        sys.exit(1)


def _verdicts(reference: str) -> tuple[list[Verdict], dict[str, str]]:
    """The outcome of every check, and the tracebacks of failures by the names of their checks."""
    traces: dict[str, str] = {}
    if catalogue.is_task(reference):
        from bbo.testing import tasks

        return verdicts(tasks.checks(catalogue.load_task(reference)), traces), traces
    if local.is_local(reference):  # never imported here
        told = examine.check(reference)
        return [Verdict(name, failure) for name, failure, _ in told], {name: trace for name, _, trace in told}
    from bbo.testing import methods

    return verdicts(methods.checks(catalogue.load_method(reference)), traces), traces
