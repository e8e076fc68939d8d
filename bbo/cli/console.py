"""Output that the commands share: tables and progress, in plain text if the output is not a terminal."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType

import click

from bbo import text
from bbo.cli import failures
from bbo.compat import names
from bbo.errors import BBOError
from bbo.harness import estimate
from bbo.harness.options import Listener
from bbo.harness.plan import PlannedCell
from bbo.record import Record

#: The beginning of a list item in a docstring.
ITEM = re.compile(r"[-*] |\d+\. ")


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; tab-separated where the output is not a terminal.

    If the screen is too narrow, the widest columns are removed and their texts printed below each row, one per line. Those of a column
    "command" are not wrapped.
    """
    if not sys.stdout.isatty():
        for row in [columns, *rows]:
            click.echo("\t".join(row))
        return
    width = shutil.get_terminal_size().columns
    heads = [column.replace("_", " ") for column in columns]
    widths = [max(map(len, cells)) for cells in zip(heads, *rows, strict=True)]
    shown = list(range(len(heads)))
    while len(shown) > 1 and sum(widths[j] + 2 for j in shown) - 2 > width:
        shown.remove(max(shown[1:], key=widths.__getitem__))
    click.secho("  ".join(heads[j].ljust(widths[j]) for j in shown).rstrip(), bold=True)
    for row in rows:
        click.echo("  ".join(row[j].ljust(widths[j]) for j in shown).rstrip())
        for j in sorted(set(range(len(heads))) - set(shown)):
            if row[j] and heads[j] == "command":  # not wrapped, so that it can be copied
                click.echo(f"    {row[j]}")
            elif row[j]:
                click.echo(textwrap.fill(f"{heads[j]}: {row[j]}", width, initial_indent="    ", subsequent_indent="      "))


def say(words: str, err: bool = False) -> None:
    """Print text that may come from a record or a plugin: control characters are escaped, so that it cannot steer the terminal."""
    click.echo(text.clean(words), err=err)


def notes(lines: Sequence[str]) -> None:
    """Print what a user should know about what was read, on standard error."""
    for one in lines:
        say(f"note: {one}", err=True)


def translated(references: Sequence[str]) -> None:
    """Say what Design-Bench's names among some names of tasks are called here."""
    notes([said for name in dict.fromkeys(references) if names.ours(name) != name and (said := names.elsewhere(name))])


def columns() -> int:
    """Columns to wrap text to: the terminal's, at most 120; 100 where the output is not a terminal."""
    return min(shutil.get_terminal_size((100, 24)).columns, 120)


def prose(words: str) -> None:
    """Print a docstring, its paragraphs and list items wrapped to the screen; indented blocks and tables are left as they are."""
    for block in re.split(r"\n\s*\n", text.clean(words)):
        for item in _items(block.rstrip()):
            literal = item.startswith(("    ", "|"))
            indent = "  " if ITEM.match(item) else ""
            click.echo(item if literal else wrapped(" ".join(item.split()), "", indent))
        click.echo("")


def _items(block: str) -> list[str]:
    """The list items of a block, or the block itself."""
    found: list[str] = []
    for line in block.splitlines():
        if not found or ITEM.match(line) or line.startswith(("    ", "|")):
            found.append(line)
        else:
            found[-1] += f"\n{line}"
    return found


def wrapped(words: str, first: str = "  ", rest: str = "  ") -> str:
    """Text wrapped to the screen, with the indentation of its first and its other lines."""
    return textwrap.fill(text.clean(words), columns(), initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)


def need_cuda() -> None:
    """Raise if torch sees no CUDA device.

    Raises:
        BBOError: what to do instead.
    """
    import torch

    if not torch.cuda.is_available():
        raise BBOError("--device cuda: torch sees no CUDA device here; use --device cpu")


class Progress(AbstractContextManager["Progress"]):
    """Progress of a run: bars with the time left on a terminal, one line for each finished cell elsewhere."""

    def __init__(self, total: int) -> None:
        self.total, self.finished, self.started = total, 0, time.monotonic()
        self.bars = None
        if sys.stderr.isatty() and total:
            from rich import progress
            from rich.console import Console
            from rich.table import Column

            self.bars = progress.Progress(
                progress.TextColumn("{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True)),
                progress.BarColumn(bar_width=20),
                progress.TextColumn("{task.fields[done]}", markup=False),
                progress.TextColumn("elapsed"),
                progress.TimeElapsedColumn(),
                console=Console(stderr=True),
                expand=True,
            )
            self.overall = self.bars.add_task("cells", total=total, done=f"0/{total}")
            self.rows: dict[str, progress.TaskID] = {}
            self.phases: dict[str, Phase] = {}

    def __enter__(self) -> Progress:
        if self.bars:
            self.bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.bars:
            self.bars.stop()

    def listener(self) -> Listener:
        """The callbacks that a run needs to move these bars."""
        return Listener(self._begin, self._step, self._end)

    def _begin(self, cell: PlannedCell) -> None:
        if self.bars:
            self.rows[cell.spec.hash] = self.bars.add_task(text.line(cell.spec.label()), total=None, done="")
            self.phases[cell.spec.hash] = Phase()

    def _step(self, cell: PlannedCell, step: int, total: int) -> None:
        if self.bars:
            phase = self.phases[cell.spec.hash] = self.phases[cell.spec.hash].after(step, total)
            self.bars.update(self.rows[cell.spec.hash], completed=step, total=total, done=str(phase))

    def _end(self, cell: PlannedCell, result: Record) -> None:
        self.finished += 1
        seconds = result.cost.get("wall_seconds", 0.0)
        if result.done:
            scores = ", ".join(f"{p}th {result.percentiles[p]:.3f}" for p in ("100", "50"))
            ending = f"{scores} in {seconds:.1f} s"
        else:
            ending = f"FAILED, {failures.message(result)}"
        left = (time.monotonic() - self.started) / self.finished * (self.total - self.finished)
        rest = f", about {estimate.duration(left)} left" if self.finished < self.total else ""
        line = f"[{self.finished}/{self.total}] {cell.spec.label()}: {ending}"
        if self.bars:
            self.bars.remove_task(self.rows.pop(cell.spec.hash))
            self.bars.update(self.overall, advance=1, done=f"{self.finished}/{self.total}{rest}")
            self.bars.console.print(text.line(line, 1000), highlight=False, markup=False)
        else:
            say(line + rest.replace(",", ";", 1), err=True)


@dataclass(frozen=True)
class Phase:
    """Progress of a cell: a method may have several phases, such as training and then ascent, each with its own count of steps."""

    number: int = 1
    step: int = 0
    total: int = 0

    def after(self, step: int, total: int) -> Phase:
        """The phase after a report of progress; a step count that starts over begins a new phase."""
        begun = self.total and (step < self.step or total != self.total)
        return Phase(self.number + 1 if begun else self.number, step, total)

    def __str__(self) -> str:
        return f"{f'phase {self.number}, ' if self.number > 1 else ''}step {self.step}/{self.total}"
