"""What the commands share in talking to a person: tables and progress, plain where no terminal listens."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import TracebackType

import click

from bbo.harness.options import Listener
from bbo.harness.plan import PlannedCell
from bbo.record import Record
from bbo.text import line


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: wrapped to the terminal's width, or tab-separated where the output is not a terminal."""
    if not sys.stdout.isatty():
        for row in [columns, *rows]:
            click.echo("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table

    view = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        view.add_column(column.replace("_", " "), no_wrap=column == "id", overflow="fold")
    for row in rows:
        view.add_row(*row)
    Console().print(view)


class Progress(AbstractContextManager["Progress"]):
    """Progress of a run: bars with time left on a terminal, one line a finished cell elsewhere."""

    def __init__(self, total: int) -> None:
        self.total, self.finished, self.started = total, 0, time.monotonic()
        self.bars = None
        if sys.stderr.isatty() and total:
            from rich import progress
            from rich.console import Console

            self.bars = progress.Progress(
                progress.TextColumn("{task.description}"),
                progress.BarColumn(),
                progress.MofNCompleteColumn(),
                progress.TimeElapsedColumn(),
                progress.TextColumn("left"),
                progress.TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self.overall = self.bars.add_task("cells", total=total)
            self.rows: dict[str, progress.TaskID] = {}

    def __enter__(self) -> Progress:
        if self.bars:
            self.bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.bars:
            self.bars.stop()

    def listener(self) -> Listener:
        return Listener(self._begin, self._step, self._end)

    def _begin(self, cell: PlannedCell) -> None:
        if self.bars:
            self.rows[cell.spec.hash] = self.bars.add_task(cell.spec.label(), total=None)

    def _step(self, cell: PlannedCell, step: int, total: int) -> None:
        if self.bars:
            self.bars.update(self.rows[cell.spec.hash], completed=step, total=total)

    def _end(self, cell: PlannedCell, result: Record) -> None:
        self.finished += 1
        seconds = result.cost.get("wall_seconds", 0.0)
        if result.done:
            scores = ", ".join(f"{p}th {result.percentiles[p]:.3f}" for p in ("100", "50"))
            text = f"{scores} in {seconds:.1f} s"
        else:
            assert result.error
            text = f"FAILED ({result.error['reason']}): {line(result.error['message'])}"
        left = (time.monotonic() - self.started) / self.finished * (self.total - self.finished)
        told = f"[{self.finished}/{self.total}] {cell.spec.label()}: {text}"
        if self.bars:
            self.bars.remove_task(self.rows.pop(cell.spec.hash))
            self.bars.advance(self.overall)
            self.bars.console.print(told, highlight=False, markup=False)
        else:
            click.echo(f"{told}; about {left:.0f} s left" if self.finished < self.total else told, err=True)
