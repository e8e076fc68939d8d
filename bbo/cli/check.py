"""`bbo check`: the conformance checks of one task or method."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable

import click

from bbo import catalogue
from bbo.cli import console
from bbo.testing import Checks, verdicts


@click.command("check")
@click.argument("reference", metavar="ID|FILE.py:Class")
@click.option("--traceback", "tracebacks", is_flag=True, help="Also print the traceback of each failure.")
def command(reference: str, tracebacks: bool) -> None:
    """Check that a task or a method meets the interface's requirements.

    Exit code 1 if it does not.
    """
    traces: dict[str, str] = {}
    found = verdicts({name: _kept(name, check, traces) for name, check in _checks(reference).items()})
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


def _checks(reference: str) -> Checks:
    if catalogue.is_task(reference):
        from bbo.testing import tasks

        return tasks.checks(catalogue.load_task(reference))
    from bbo.testing import methods

    return methods.checks(catalogue.load_method(reference))


def _kept(name: str, check: Callable[[], None], traces: dict[str, str]) -> Callable[[], None]:
    """The same check; the traceback of a failure goes into `traces`."""

    def run() -> None:
        try:
            check()
        except Exception as error:
            # The first frame is this one.
            trace = error.__traceback__.tb_next if error.__traceback__ else None
            traces[name] = "".join(traceback.format_exception(type(error), error, trace))
            raise

    return run
