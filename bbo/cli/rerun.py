"""`bbo rerun`."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from bbo.cli import console
from bbo.errors import BBOError
from bbo.harness import again
from bbo.harness.again import Repeated, Stored
from bbo.record import Record
from bbo.reporting.storage import reference, sources
from bbo.settings import as_text


@click.command("rerun")
@click.argument("path", metavar="DIR|TABLE", type=click.Path(path_type=Path))
@click.option("-t", "tasks", multiple=True, metavar="TASK", help="Only cells of this task; repeatable.")
@click.option("-b", "methods", multiple=True, metavar="METHOD", help="Only cells of this method; repeatable.")
@click.option(
    "--cell",
    "cells",
    multiple=True,
    metavar="HASH",
    help="This cell, by its hash or the first digits of it; repeatable, no sample.",
)
@click.option(
    "--sample",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="Number of finished cells to run again, chosen at random.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the choice of cells.")
@click.option("--list", "listed", is_flag=True, help="Run nothing: list the cells, each with the bbo run command that makes it.")
@click.option("--run-files", is_flag=True, help="Also cells whose task is a file, which is then run; refused without this option.")
def command(
    path: Path,
    tasks: tuple[str, ...],
    methods: tuple[str, ...],
    cells: tuple[str, ...],
    sample: int,
    seed: int,
    listed: bool,
    run_files: bool,
) -> None:
    """Run some finished cells again, with the settings, seed, budget and numerics of each, and compare bit for bit.

    DIR is a results folder; TABLE is a table made by bbo collect, such as results/core.csv, or 'reference', the one that comes with the
    package. Neither is changed. Cells of other versions of a method or task than those here are counted, not run.

    A cell that differs has moved; if the fingerprint of the numerics, a package or the device differs too, it is not comparable. Exit
    code 0: all cells that were run are equal; 1: some are not, or none could be run.
    """
    stored = _stored(path)
    stored = Stored(path, _chosen(stored.records, tasks, methods, cells, path), stored.orders, stored.outcome, stored.out)
    if listed:
        console.table(["cell", "task", "method", "seed", "command"], [_row(stored, record) for record in stored.records])
        return
    verdicts: list[Repeated] = []
    for verdict in again.rerun(stored, None if cells else sample, seed, run_files):
        verdicts.append(verdict)
        if verdict.state != "not run":
            console.say(f"{verdict.record.spec.label()}: {verdict.state}", err=True)
    _tell_of_those_not_run([verdict for verdict in verdicts if verdict.state == "not run"], len(stored.records))
    ran = [verdict for verdict in verdicts if verdict.state != "not run"]
    if ran:
        console.table(["result", "cell", "task", "method", "seed", "what_differs"], [_told(verdict) for verdict in ran])
    else:
        click.echo("none of these cells can be run here")
        sys.exit(1)
    equal = sum(verdict.equal for verdict in ran)
    others = Counter(verdict.state for verdict in ran if not verdict.equal)
    rest = "".join(f"; {count} {state}" for state, count in sorted(others.items()))
    click.echo(f"{equal} of {len(ran)} cells are equal, bit for bit{rest}")
    if others:
        sys.exit(1)


def _stored(path: Path) -> Stored:
    if path.is_dir():
        return again.in_folder(path)
    path = reference.path(path)
    results = sources.load([path])
    console.notes(results.notes)
    done = [record for record in results.records if record.done]
    if not done:
        raise BBOError(f"{path} holds no finished cell")
    return Stored(path, done)


def _chosen(
    records: Iterable[Record], tasks: Sequence[str], methods: Sequence[str], cells: Sequence[str], path: Path
) -> list[Record]:
    """The cells that were asked for.

    Raises:
        BBOError: there are none, or a hash names none or several.
    """
    found = [
        record for record in records if (not tasks or record.spec.task in tasks) and (not methods or record.spec.method in methods)
    ]
    for cell in cells:
        matching = [record for record in found if record.spec.hash.startswith(cell)]
        if len(matching) != 1:
            how_many = f"{len(matching)} finished cells" if matching else "no finished cell"
            raise BBOError(f"{path} holds {how_many} whose hash begins with '{cell}'; see: bbo rerun {path} --list")
    if cells:
        found = [record for record in found if record.spec.hash.startswith(tuple(cells))]
    if not found:
        asked = " and ".join(", ".join(names) for names in (methods, tasks) if names)
        raise BBOError(f"{path} holds no finished cell of {asked}; see: bbo rerun {path} --list")
    return found


def _row(stored: Stored, record: Record) -> list[str]:
    spec = record.spec
    return [spec.hash, spec.task, spec.method, str(spec.seed), run_command(stored, record)]


def run_command(stored: Stored, record: Record) -> str:
    """The `bbo run` command that makes a cell with the present versions, as the user would type it."""
    order, stack = stored.order(record), record.provenance
    words = ["bbo", "run", "-t", order.task, "-b", order.method, "--preset", order.preset or "fast"]
    for key, value in sorted(order.overrides.items()):
        words += ["--set", f"{record.spec.method}.{key}={as_text(value)}"]
    words += ["--seeds", str(record.spec.seed), "--budget", str(record.spec.budget), "--device", stack.get("device", "cpu")]
    words += ["--threads", str(stack.get("threads", 1)), "--numerics", stack.get("numerics", "native"), "--out", "runs/again"]
    return shlex.join(words)


def _tell_of_those_not_run(verdicts: Sequence[Repeated], total: int) -> None:
    if not verdicts:
        return
    click.echo(f"{len(verdicts)} of {total} cells are not run:")
    for text, count in sorted(Counter(verdict.text for verdict in verdicts).items()):
        console.say(f"  {text}: {count} cell{'s' if count > 1 else ''}")


def _told(verdict: Repeated) -> list[str]:
    spec = verdict.record.spec
    differs = "" if verdict.equal else verdict.text
    if not verdict.equal:
        names = [f"{name} {then} then, {now} now" for name, (then, now) in verdict.stack.items()]
        differs += f"; in the stack: {', '.join(names)}" if names else "; packages and machine are the same"
    return [verdict.state, spec.hash, spec.task, spec.method, str(spec.seed), differs]
