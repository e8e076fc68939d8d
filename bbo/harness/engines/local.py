"""Runs cells on this machine, on a number of hosts side by side."""

from __future__ import annotations

import contextlib
import queue
import threading
from pathlib import Path

from bbo.errors import BBOError
from bbo.harness.host import Changed, Host
from bbo.harness.options import EngineOptions, Listener, RunOptions
from bbo.harness.plan import PlannedCell


def run(
    cells: list[PlannedCell],
    out: Path,
    options: RunOptions,
    engine_options: EngineOptions,
    listener: Listener,
    replace_failed: bool = False,
) -> None:
    """Run cells on `engine_options.jobs` hosts, each with its own method process, and return when all have ended.

    Ctrl-C ends the method processes; finished cells stay, no cell is left half-written.

    Raises:
        KeyboardInterrupt: the user stopped the run.
        BBOError: files of methods were edited after the plan was made, and all other cells have run; or a cell could not be stored (a
            full disk), or no method process started, and cells finished before stay.
        Exception: whatever else a host raised.
    """
    waiting: queue.SimpleQueue[PlannedCell] = queue.SimpleQueue()
    for cell in cells:
        waiting.put(cell)
    broken: list[BaseException] = []
    changed: list[str] = []
    stop = threading.Event()
    begun: list[threading.Event] = []

    def work(ended: threading.Event) -> None:
        begun.append(ended)
        try:
            with contextlib.closing(Host(out, options, stop, listener.progress, replace_failed)) as host:
                while not stop.is_set():
                    try:
                        cell = waiting.get_nowait()
                    except queue.Empty:
                        break
                    listener.begin(cell)
                    try:
                        result = host.run(cell)
                    except Changed as error:  # others may run
                        changed.append(str(error))
                        continue
                    if result is not None:
                        listener.end(cell, result)
        except BaseException as error:
            broken.append(error)
            stop.set()
        finally:
            ended.set()

    # Events, since an interrupted `Thread.join` may take a running thread for an ended one (Python 3.11 and 3.12, bpo-45274).
    ends = [threading.Event() for _ in range(min(engine_options.jobs, len(cells)))]
    try:
        for i, ended in enumerate(ends):
            threading.Thread(target=work, args=(ended,), name=f"host-{i}").start()
        for ended in ends:
            while not ended.wait(0.2):
                pass
    except BaseException:  # Ctrl-C, or no thread could be started
        stop.set()
        for ended in list(begun):  # one that begins from here on finds that it is to stop
            ended.wait()
        raise
    if broken:
        error = broken[0]
        if isinstance(error, OSError):
            raise BBOError(
                f"no process for a method could be started ({error}); make room there, or run fewer cells at a time with --jobs, then run "
                "the same command again"
            ) from error
        raise error
    if changed:
        more = f" (and {len(changed) - 1} more cells)" if len(changed) > 1 else ""
        raise BBOError(f"{changed[0]}{more}")
