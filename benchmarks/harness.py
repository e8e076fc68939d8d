"""What the harness costs as work grows: planning, status and resume of 10, 1,000 and 100,000 cells, and the overhead of a cell.

    python benchmarks/harness.py [--cells 10 1000 100000] [--run 300] [--out FOLDER]

Goals: planning or resuming 100,000 cells under 20 s and 1 GB; under 50 ms a cell beyond process start. A stored cell is a real
one (the first that was run) under other names: its files are written by `bbo.record`, its scores are copies. Each phase is
measured in a process of its own, so that each has its own peak of memory.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import multiprocessing
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bbo import record
from bbo.harness import plan
from bbo.harness.folder import prepare, remaining, status_of_plans
from bbo.harness.options import Listener, RunOptions
from bbo.harness.plan import Plan, Request
from bbo.harness.run import run_cells


def make(cells: int) -> Plan:
    """A plan with this many cells: one task, two floors."""
    return plan.make(Request(("tfbind8",), ("random", "offline-best"), tuple(range(cells // 2))))


def planning(cells: int, out: Path) -> None:
    made = make(cells)
    prepare(out)
    made.save(out)
    assert len(remaining(made, out, False)) == cells


def resuming(cells: int, out: Path) -> None:
    assert not remaining(make(cells), out, False)


def status(cells: int, out: Path) -> None:
    assert len(status_of_plans(out).done) == cells


def fill(cells: int, out: Path) -> None:
    """Store every planned cell."""
    source = make(2)
    sample = next(iter(source))
    folder = out.with_name(out.name + "-sample")
    prepare(folder)
    done = record.read_cell(record.cell_folder(folder, run_cells([sample], folder, RunOptions("cpu", 1)).done[0].hash))
    outcome = record.read_outcome(record.cell_folder(folder, done.spec.hash))
    for cell in make(cells):
        record.write(out, dataclasses.replace(done, spec=cell.spec), outcome)


def measured(phase: Callable[[int, Path], None], cells: int, out: Path) -> dict[str, Any]:
    """Seconds and peak memory of a phase in a fresh process; imports do not count."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_measure, args=(phase, cells, out, theirs))
    process.start()
    theirs.close()
    seconds, peak = ours.recv()
    process.join()
    return {"phase": phase.__name__, "cells": cells, "seconds": round(seconds, 3), "peak_memory_mb": round(peak)}


def _measure(phase: Callable[[int, Path], None], cells: int, out: Path, pipe: Any) -> None:
    started = time.perf_counter()
    phase(cells, out)
    pipe.send((time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def overhead(cells: int, out: Path) -> dict[str, Any]:
    """Milliseconds a cell takes beyond its method, on one host: the median, and the mean without and with process starts."""
    moments, inside = [time.perf_counter()], []

    def end(cell: Any, result: record.Record) -> None:
        moments.append(time.perf_counter())
        inside.append(result.cost["wall_seconds"])

    prepare(out)
    run_cells(make(cells), out, RunOptions("cpu", 1), listener=Listener(end=end))
    spent = [1000 * (b - a - s) for a, b, s in zip(moments, moments[1:], inside, strict=False)]
    fresh = RunOptions().cells_per_process
    steady = [ms for i, ms in enumerate(spent) if i % fresh]
    return {
        "phase": "overhead of a cell",
        "cells": cells,
        "median_ms": round(statistics.median(steady), 1),
        "mean_ms": round(statistics.mean(steady), 1),
        "mean_ms_with_process_starts": round(statistics.mean(spent), 1),
        "process_start_ms": round(statistics.median(ms for i, ms in enumerate(spent) if i % fresh == 0)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, nargs="+", default=[10, 1000, 100_000])
    parser.add_argument("--run", type=int, default=300, help="cells that are really run to measure the overhead")
    parser.add_argument("--out", type=Path, help="a folder for the cells; default: a temporary one")
    arguments = parser.parse_args()
    root = arguments.out or Path(tempfile.mkdtemp(prefix="bbo-benchmark-"))
    try:
        for cells in arguments.cells:
            out = root / str(cells)
            print(json.dumps(measured(planning, cells, out)), flush=True)
            print(json.dumps(measured(fill, cells, out)), flush=True)
            for phase in (status, resuming):
                print(json.dumps(measured(phase, cells, out)), flush=True)
        print(json.dumps(overhead(arguments.run, root / "run")), flush=True)
    finally:
        if arguments.out is None:
            shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
