"""`bbo propose`: the next experiments, from a table of those that were done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bbo.cli import console
from bbo.errors import BBOError

if TYPE_CHECKING:
    import pandas as pd

    from bbo.proposals.layout import Layout
    from bbo.proposals.reading import Cells

FILE = click.Path(path_type=Path)


def table_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say what the table means, which propose and backtest share."""
    options = [
        click.argument("table", type=FILE),
        click.option("--target", metavar="COLUMN", default="", help="The column of scores; larger is better."),
        click.option("--minimise", "--minimize", is_flag=True, help="Smaller scores are better."),
        click.option("--space", type=FILE, help="A file that settles what the columns mean, as --write-space writes it."),
        click.option("--ignore", multiple=True, metavar="COLUMN", help="Leave a column out; may be repeated."),
        click.option(
            "--category",
            multiple=True,
            metavar="COLUMN",
            help="Treat a column's values, numbers too, as categories without an order; may be repeated.",
        ),
        click.option("--preset", default="fast", show_default=True, help="Settings of the methods: fast, paper or smoke."),
        click.option(
            "--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="The same seed gives the same answer."
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.command("propose")
@table_options
@click.option("--budget", type=click.IntRange(1), default=128, show_default=True, help="How many experiments are wanted.")
@click.option("--out", type=FILE, help="Where the proposals go: .csv, .tsv, .parquet or .xlsx; printed as CSV without it.")
@click.option(
    "--method",
    default="",
    help="A method's id, or auto for the one that does best in a backtest.  [default: a search on a Gaussian process]",
)
@click.option("--write-space", type=FILE, help="Write what the columns are taken to mean to this file, to edit, and stop.")
@click.option("--fix", multiple=True, metavar="COLUMN=VALUE", help="Hold a column at a value; may be repeated.")
@click.option("--require", multiple=True, metavar="RULE", help="A linear constraint, such as 'a + b + c = 100'; may be repeated.")
@click.option(
    "--forbid",
    multiple=True,
    metavar="COMBINATION",
    help="A combination to avoid: 'solvent=DMSO, temperature>60'; may be repeated.",
)
@click.option("--predicate", type=FILE, help="A Python file with a function allowed(design), which says True or False.")
@click.option("--pending", type=FILE, help="A table of experiments under way; proposals keep away from them.")
@click.option("--report", type=FILE, help="Also write one page of HTML with figures.")
def command(
    table: Path,
    target: str,
    minimise: bool,
    space: Path | None,
    ignore: tuple[str, ...],
    category: tuple[str, ...],
    preset: str,
    seed: int,
    budget: int,
    out: Path | None,
    method: str,
    write_space: Path | None,
    fix: tuple[str, ...],
    require: tuple[str, ...],
    forbid: tuple[str, ...],
    predicate: Path | None,
    pending: Path | None,
    report: Path | None,
) -> None:
    """Propose the next experiments, given a table of those that were done.

    \b
      bbo propose runs.csv --target yield --budget 24 --out next.csv --report report.html

    TABLE has one row for each experiment. It is a .csv, .tsv, .parquet or .xlsx file. Columns besides the target are what can be
    chosen: numbers, categories, or sequences of one length. What they are taken to mean is printed; --write-space writes it to a file
    to edit.
    """  # noqa: D301  # click keeps the lines below a backspace as they are
    from bbo.proposals import layout as layouts
    from bbo.proposals import reading, writing

    read = {
        "the table": table,
        "the file of --space": space,
        "the file of --predicate": predicate,
        "the table of --pending": pending,
    }
    writing.check_places(read, {"--out": out, "--report": report, "--write-space": write_space})
    if out:
        writing.check(out)
    if write_space and write_space.exists():
        raise BBOError(
            f"--write-space {write_space}: this file exists, and may have been edited; choose another name, or remove it"
        )
    cells = reading.read(table)
    layout = layout_of(cells, target, minimise, space, ignore, category)
    layout = replace(layout, require=(*layout.require, *require), forbid=(*layout.forbid, *forbid))
    layout = layouts.fix(layout, _settings(fix))
    show(layout)
    if write_space:
        layouts.write(layout, write_space)
        click.echo(f"written: {write_space}; edit it, then pass --space {write_space}", err=True)
        return
    if out:
        writing.check_replaced(out, layout.target)
    _propose(cells, layout, budget, out, method, preset, seed, predicate, pending, report)


def _propose(
    cells: Cells,
    layout: Layout,
    budget: int,
    out: Path | None,
    method: str,
    preset: str,
    seed: int,
    predicate: Path | None,
    pending: Path | None,
    report: Path | None,
) -> None:
    from bbo.proposals import backtest, batch, constraints, experiments, reading, writing

    batch.check(method, preset)
    rules = constraints.rules(layout, predicate)
    known = experiments.experiments(cells, layout)
    rules.tried(known.x)
    under_way = experiments.designs(reading.read(pending), layout) if pending else None
    tested: backtest.Backtest | None = None
    notes: tuple[str, ...] = ()
    if method == "auto":
        tested = backtest.run(
            known, layout, preset=preset, seed=seed, report=lambda name: click.echo(f"backtest: {name}", err=True)
        )
        method, notes = backtest.best(tested)
    made = batch.propose(known, rules, method or batch.methods()["default"], budget, preset, seed, under_way)
    made = replace(made, notes=(*notes, *made.notes))
    if tested:
        console.table(*backtest.table_of(tested))
    for note in made.notes:
        click.echo(console.wrapped(note, "- ", "  "), err=True)
    if out:
        _write(made.frame, out)
        click.echo(f"{len(made.frame)} proposals of {made.method} written to {out}", err=True)
    else:
        click.echo(writing.csv_text(made.frame), nl=False)
    if report:
        from bbo.proposals.report import page

        writing.write_text(page(made, tested), report)
        click.echo(f"report written to {report}", err=True)


def layout_of(
    cells: Cells, target: str, minimise: bool, space: Path | None, ignore: tuple[str, ...], category: tuple[str, ...]
) -> Layout:
    """What the columns of a table mean: as a file settles it, or guessed.

    Raises:
        BBOError: no target is named.
    """
    from bbo.proposals import layout as layouts

    if space:
        return layouts.read(space, cells, target, True if minimise else None, ignore, category)
    if not target:
        raise BBOError(f"name the column of scores with --target; the table has: {', '.join(cells.columns)}")
    return layouts.guess(cells, target, minimise, ignore, category)


def show(layout: Layout) -> None:
    """Print what every column is taken to mean, and the constraints."""
    lines = layout.described()
    width = max(len(name) for name, _ in lines)
    for name, words in lines:
        console.say(f"{name.ljust(width)}  {words}", err=True)


def _settings(words: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in words:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (equals and name and value):
            raise BBOError(f"--fix takes COLUMN=VALUE, such as --fix temperature=37; got '{text}'")
        if found.setdefault(name, value) != value:
            raise BBOError(f"--fix gives {name} twice: {found[name]} and {value}")
    return found


def _write(frame: pd.DataFrame, out: Path) -> None:
    """Write the proposals; where that fails after all, print them, so that they are not lost."""
    from bbo.proposals import writing

    try:
        writing.write(frame, out)
    except Exception as error:
        click.echo(writing.csv_text(frame), nl=False)
        words = str(error) if isinstance(error, BBOError) else f"cannot write {out}: {type(error).__name__}: {error}"
        raise BBOError(f"{words}; the proposals are printed as CSV instead") from error
