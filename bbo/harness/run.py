"""Entry point: run a request, or the cells of a plan, into a results folder. Repeating the call resumes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bbo.harness import engines, folder
from bbo.harness.folder import Status
from bbo.harness.options import EngineOptions, Listener, RunOptions
from bbo.harness.plan import Plan, PlannedCell, make
from bbo.harness.request import Request
from bbo.harness.sandbox import examine


def run_plan(
    request: Request,
    out: Path,
    options: RunOptions = RunOptions(),
    engine: str = "local",
    engine_options: EngineOptions = EngineOptions(),
    listener: Listener = Listener(),
    retry_failed: bool = False,
) -> Status:
    """Run the cells of a request that the folder does not hold yet; return the state of its cells afterwards.

    Raises:
        BBOError: the request cannot be planned, the folder cannot be written, or cells were lost.
        KeyboardInterrupt: the user stopped the run; finished cells stay.
    """
    return run_cells(begin(make(request), out), out, options, engine, engine_options, listener, retry_failed)


def begin(plan: Plan, out: Path) -> list[PlannedCell]:
    """Make a results folder ready for a plan, save the plan there and return its cells.

    Raises:
        BBOError: the folder cannot be written.
    """
    folder.prepare(out)
    plan.save(out)
    return list(plan)


def run_cells(
    cells: Iterable[PlannedCell],
    out: Path,
    options: RunOptions = RunOptions(),
    engine: str = "local",
    engine_options: EngineOptions = EngineOptions(),
    listener: Listener = Listener(),
    retry_failed: bool = False,
) -> Status:
    """Run the cells that the folder does not hold yet; return the state of all of them afterwards.

    Raises:
        BBOError: cells could not be run or were lost.
        KeyboardInterrupt: the user stopped the run; finished cells stay.
    """
    cells = list(cells)
    examine.close()  # the process that described a user's file is no longer needed; what started it starts the first method
    folder.refuse_other_numerics(cells, out, options.numerics)
    engines.load(engine)(folder.remaining(cells, out, retry_failed), out, options, engine_options, listener, retry_failed)
    return folder.status_of([cell.spec for cell in cells], out)
