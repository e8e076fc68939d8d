"""Runs cells on this machine, on a number of hosts side by side."""

from __future__ import annotations

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
        BBOError: files of methods were edited after the plan was made; all other cells have run.
        Exception: whatever a host raised (a full disk); cells finished before stay.
    """
    waiting: queue.SimpleQueue[PlannedCell] = queue.SimpleQueue()
    for cell in cells:
        waiting.put(cell)
    broken: list[BaseException] = []
    changed: list[str] = []
    stop = threading.Event()

    def work() -> None:
        host = Host(out, options, stop, listener.progress, replace_failed)
        try:
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
            host.close()

    threads = [threading.Thread(target=work, name=f"host-{i}") for i in range(min(engine_options.jobs, len(cells)))]
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
    if changed:
        more = f" (and {len(changed) - 1} more cells)" if len(changed) > 1 else ""
        raise BBOError(f"{changed[0]}{more}")
