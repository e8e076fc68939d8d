"""Runs the cells of a plan that are not there yet, on a number of hosts side by side."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from bbo import record
from bbo.errors import BBOError
from bbo.harness.host import Host, RunOptions
from bbo.harness.plan import PlannedCell, planned_specs
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
    return compare(planned_specs(out), out)


def compare(specs: Iterable[CellSpec], out: Path) -> Status:
    """Which of these cells a results folder holds.

    Raises:
        DamagedCell: a cell is incomplete.
    """
    there = _present(out)
    done, failed, missing = [], [], []
    for spec in specs:
        if spec.hash not in there:
            missing.append(spec)
        elif record.is_done(folder := record.cell_folder(out, spec.hash)):
            done.append(spec)
        else:
            failed.append(record.read_cell(folder))
    return Status(done, failed, missing)


def remaining(cells: Iterable[PlannedCell], out: Path, retry_failed: bool) -> list[PlannedCell]:
    """Cells that are still to be run; failed ones count as run unless `retry_failed`.

    Raises:
        DamagedCell: a cell is incomplete.
    """
    there = _present(out)
    return [
        cell
        for cell in cells
        if cell.spec.hash not in there or (not record.is_done(record.cell_folder(out, cell.spec.hash)) and retry_failed)
    ]


def _present(out: Path) -> set[str]:
    """Names of the cells of a folder; one listing instead of a question per cell."""
    folder = out / "cells"
    return set(os.listdir(folder)) if folder.is_dir() else set()


def shard(cells: list[PlannedCell], i: int, n: int) -> list[PlannedCell]:
    """Share `i` of `n` (1 to n): disjoint, together all, of equal size to one, tasks and methods mixed. Depends on the cells alone."""
    return sorted(cells, key=lambda cell: cell.spec.hash)[i - 1 :: n]


def prepare(out: Path) -> None:
    """Make a results folder, see that it can be written, and clear what killed runs left there more than a day ago.

    Raises:
        BBOError: it cannot.
    """
    try:
        (out / "cells").mkdir(parents=True, exist_ok=True)
        probe = out / "cells" / f".probe-{uuid.uuid4().hex[:8]}"
        probe.write_bytes(bytes(4096))  # an empty file can be made on a full disk
        probe.unlink()
        for folder in (out / "cells").glob(".tmp-*"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - folder.stat().st_mtime > 86400:
                    shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise BBOError(f"cannot write into {out}: {error.strerror}; choose another folder with --out, or make room") from None


def run(
    cells: list[PlannedCell], out: Path, limits: RunOptions, jobs: int, listener: Listener, replace_failed: bool = False
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
