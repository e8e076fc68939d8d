"""What confining a method's process costs, in milliseconds of CPU time: the list of what it may open, and the kernel's calls.

    python benchmarks/sandbox.py [--repeats 20]

Goal: under 50 ms a process, both together. A cell costs nothing, since a confined process runs many.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from bbo.harness.sandbox import landlock
from bbo.harness.sandbox.hidden import list_hidden
from bbo.harness.sandbox.reach import list_allowed


def confining(allowed: landlock.Allowed) -> float:
    """Milliseconds that a forked process takes to confine itself."""
    read, write = os.pipe()
    if os.fork() == 0:
        start = time.process_time()
        landlock.confine(allowed)
        os.write(write, repr(1e3 * (time.process_time() - start)).encode())
        os._exit(0)
    os.wait()
    os.close(write)
    with open(read, "rb") as pipe:
        return float(pipe.read())


def main() -> None:
    """Print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=20)
    repeats = parser.parse_args().repeats
    listing, calls = [], []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(repeats + 1):
            start = time.process_time()
            allowed = list_allowed(list_hidden(Path(folder) / "out").paths, "", (Path(folder),))
            listing.append(1e3 * (time.process_time() - start))
            calls.append(confining(allowed))
    print(f"{landlock.name()}: list {statistics.median(listing[1:]):.1f} ms, calls {statistics.median(calls):.1f} ms")


if __name__ == "__main__":
    main()
