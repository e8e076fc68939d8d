"""What confining a method's process costs, beside one that is not confined: milliseconds of CPU and of wall time, medians.

    python benchmarks/sandbox.py [--repeats 200] [--json]

Per process: the host's list of what it may open, and the kernel's calls in the process (Landlock, then the filter of system calls). Per
cell: what a method does all day (an import, a file, a multiplication, a thread), in the same process again and again.

Goals: under 50 ms a process, nothing a cell.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bbo.harness.sandbox import confinement, landlock
from bbo.harness.sandbox.hidden import list_hidden
from bbo.harness.sandbox.reach import list_allowed

#: Pairs of CPU and wall time in milliseconds.
Times = list[tuple[float, float]]


def timed(call: Callable[[], object], repeats: int) -> Times:
    """CPU and wall time of each call, milliseconds; the first one is not counted."""
    found = []
    for _ in range(repeats + 1):
        cpu, wall = time.process_time(), time.perf_counter()
        call()
        found.append((1e3 * (time.process_time() - cpu), 1e3 * (time.perf_counter() - wall)))
    return found[1:]


def in_child(make: Callable[[], Times]) -> Times:
    """What `make` measures in a forked process."""
    read, write = os.pipe()
    if os.fork() == 0:
        os.write(write, json.dumps(make()).encode())
        os._exit(0)
    os.close(write)
    with open(read, "rb") as pipe:
        found = json.loads(pipe.read())
    os.wait()
    return [(cpu, wall) for cpu, wall in found]


def once(call: Callable[[], object]) -> Times:
    """CPU and wall time of one call."""
    cpu, wall = time.process_time(), time.perf_counter()
    call()
    return [(1e3 * (time.process_time() - cpu), 1e3 * (time.perf_counter() - wall))]


def cell(folder: Path) -> None:
    """What a method does all day, some milliseconds of it."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        np.linalg.qr(rng.random((60, 60)))
        np.save(folder / "a.npy", np.zeros(1000))
        np.load(folder / "a.npy")
        os.stat(folder)
    thread = threading.Thread(target=rng.random)
    thread.start()
    thread.join()


def row(name: str, times: Times) -> dict[str, Any]:
    """One line of the table."""
    cpu, wall = (statistics.median(column) for column in zip(*times, strict=True))
    return {"what": name, "cpu_ms": cpu, "wall_ms": wall}


def main() -> None:
    """Print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    repeats = arguments.repeats
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def listing() -> landlock.Allowed:
            return list_allowed(list_hidden(folder / "out").paths, "", (folder,))

        allowed = listing()

        def confined() -> Times:
            landlock.confine(allowed)
            return timed(lambda: cell(folder), repeats)

        calls = [in_child(lambda: once(lambda: landlock.confine(allowed)))[0] for _ in range(repeats)]
        rows = [
            row("process: list of what it may open", timed(listing, repeats)),
            row("process: the kernel's calls", calls),
            row("process: neither", [in_child(lambda: once(lambda: None))[0] for _ in range(repeats)]),
            row("cell in a confined process", in_child(confined)),
            row("cell in an unconfined process", in_child(lambda: timed(lambda: cell(folder), repeats))),
        ]
    if arguments.json:
        print(json.dumps({"with": confinement.name(), "rows": rows}))
        return
    print(f"{confinement.name()}, medians of {repeats}{'':<10}{'CPU ms':>10}{'wall ms':>9}")
    for r in rows:
        print(f"{r['what']:<44}{r['cpu_ms']:>9.2f}{r['wall_ms']:>9.2f}")


if __name__ == "__main__":
    main()
