"""Runs the cells of a plan that are not there yet, on a number of hosts side by side."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bbo import record
from bbo.errors import BBOError
from bbo.harness.host import Host, Limits
from bbo.harness.plan import Plan, PlannedCell, planned_specs
from bbo.record import CellSpec, Record


@dataclass(frozen=True)
class Listener:
    """What a run tells the outside: a cell begins, goes along, ends."""

    begin: Callable[[PlannedCell], None] = lambda cell: None
    progress: Callable[[PlannedCell, int, int], None] = lambda cell, step, total: None
    end: Callable[[PlannedCell, Record], None] = lambda cell, result: None


@dataclass(frozen=True)
class Status:
    """Cells of a results folder's plans, by state."""

    done: list[CellSpec]
    failed: list[Record]
    missing: list[CellSpec]


def status(out: Path) -> Status:
    """Compare the plans of a results folder with its cells.

    Raises:
        BBOError: no plan there.
        DamagedCell: a cell is incomplete.
    """
    done, failed, missing = [], [], []
    for spec in planned_specs(out):
        folder = record.cell_folder(out, spec.hash)
        if not folder.exists():
            missing.append(spec)
            continue
        result = record.read_cell(folder)
        if result.done:
            done.append(spec)
        else:
            failed.append(result)
    return Status(done, failed, missing)


def remaining(plan: Plan, out: Path, retry_failed: bool) -> list[PlannedCell]:
    """Cells of a plan that are still to be run; failed ones count as run unless `retry_failed`.

    Raises:
        DamagedCell: a cell is incomplete.
    """
    cells = []
    for cell in plan.cells():
        folder = record.cell_folder(out, cell.spec.hash)
        if not folder.exists() or (not record.read_cell(folder).done and retry_failed):
            cells.append(cell)
    return cells


def prepare(out: Path) -> None:
    """Make a results folder and see that it can be written.

    Raises:
        BBOError: it cannot.
    """
    try:
        (out / "cells").mkdir(parents=True, exist_ok=True)
        probe = out / "cells" / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise BBOError(f"cannot write into {out}: {error.strerror}; choose another folder with --out") from None


def run(
    cells: list[PlannedCell], out: Path, limits: Limits, jobs: int, listener: Listener, replace_failed: bool = False
) -> list[Record]:
    """Run cells on `jobs` hosts, each with its own method process, and return their records in the order they ended.

    Ctrl-C ends the method processes; finished cells stay, no cell is left half-written.

    Raises:
        KeyboardInterrupt: the user stopped the run.
        Exception: whatever a host raised (disk full, an oracle that fails); cells finished before stay.
    """
    waiting: queue.SimpleQueue[PlannedCell] = queue.SimpleQueue()
    for cell in cells:
        waiting.put(cell)
    results: list[Record] = []
    broken: list[BaseException] = []
    stop = threading.Event()

    def work() -> None:
        host = Host(out, limits, stop, listener.progress, replace_failed)
        try:
            while not stop.is_set():
                try:
                    cell = waiting.get_nowait()
                except queue.Empty:
                    break
                listener.begin(cell)
                result = host.run(cell)
                if result is not None:
                    results.append(result)
                    listener.end(cell, result)
        except BaseException as error:
            broken.append(error)
            stop.set()
        finally:
            host.close()

    threads = [threading.Thread(target=work, name=f"host-{i}") for i in range(min(jobs, len(cells)))]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            while thread.is_alive():
                thread.join(0.2)
    except KeyboardInterrupt:
        stop.set()
        for thread in threads:
            thread.join()
        raise
    if broken:
        error = broken[0]
        if isinstance(error, OSError):
            raise BBOError(
                f"cannot write results into {out}: {error.strerror or error}; make room, then run the same command again"
            ) from error
        raise error
    return results
