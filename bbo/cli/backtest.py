"""`bbo backtest`: which methods suit a table, by what they make of its hidden best rows."""

from __future__ import annotations

from pathlib import Path

import click

from bbo.cli import console
from bbo.cli.propose import layout_of, show, table_options

#: The word for all methods.
ALL = "all"


@click.command("backtest")
@table_options
@click.option(
    "-b",
    "--method",
    "--methods",
    "names",
    multiple=True,
    help="A method's id, or all for all of `bbo list methods`; may be repeated.  [default: five, those that `bbo propose --method auto` "
    "compares]",
)
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True, help="How often each share is hidden.")
def command(
    table: Path,
    target: str,
    minimise: bool,
    space: Path | None,
    ignore: tuple[str, ...],
    category: tuple[str, ...],
    preset: str,
    seed: int,
    names: tuple[str, ...],
    repeats: int,
) -> None:
    """Find out which methods suit a table of experiments, on that table alone.

    \b
      bbo backtest runs.csv --target yield

    The best rows of TABLE are hidden, and the methods are trained on the rest, to see which of them find the hidden ones.

    Reach: each proposed design is worth the rank, from 0 for the worst score of the table to 1 for the best, of the row nearest to
    it. Order: rank correlation of predicted and true scores of the hidden rows. Means with 95% intervals over the repeats. A method
    whose reach is more than 0.1 below that of the best method after one repeat is not repeated.

    The linear model and the mean (random designs) stand beside the methods: a method that does not beat them is of no use here.
    """  # noqa: D301  # click keeps the lines below a backspace as they are
    from bbo.proposals import backtest, experiments, reading

    cells = reading.read(table)
    layout = layout_of(cells, target, minimise, space, ignore, category)
    show(layout)
    known = experiments.experiments(cells, layout)
    for note in known.notes:
        click.echo(console.wrapped(note, "- ", "  "), err=True)
    if names == (ALL,):
        every, unable = backtest.every()
        names = tuple(every)
        if unable:
            click.echo(
                console.wrapped(f"left out, since a package is missing (see: bbo list methods): {', '.join(unable)}", "- ", "  "),
                err=True,
            )
    found = backtest.run(known, layout, names, preset, seed, repeats, lambda name: click.echo(f"backtest: {name}", err=True))
    console.table(*backtest.table_of(found))
    for note in backtest.best(found)[1]:
        click.echo(console.wrapped(note, "- ", "  "))
