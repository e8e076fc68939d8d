"""What an engine runs on another machine: takes cells by name and runs them on hosts in its own process, which write the records."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bbo.errors import BBOError
from bbo.harness.host import Changed, Host
from bbo.harness.options import RunOptions
from bbo.harness.plan import Order, look_up
from bbo.harness.sandbox import starter

#: Seconds after which an unused host of a long-living worker gives its process back.
IDLE = 60.0

_lock = threading.Lock()
_idle: dict[tuple[Path, RunOptions, bool], list[tuple[Host, threading.Timer]]] = {}


def run_all(orders: list[Order], out: Path, options: RunOptions, replace_failed: bool) -> None:
    """Run cells one after another on one host (a job of a job array).

    Raises:
        BBOError: the results cannot be written; or a cell's task or method is not here, is here in another version, or was edited, and
            all other cells have run.
    """
    refused: list[str] = []
    host = Host(out, options, replace_failed=replace_failed)
    # A scheduler ends a job with SIGTERM: the running cell is then abandoned without a record, not recorded as a crash.
    signal.signal(signal.SIGTERM, lambda number, frame: host.stop.set())
    try:
        for order in orders:
            if host.stop.is_set():
                break
            try:
                cell = look_up(order)
            except BBOError as error:  # others may run
                refused.append(str(error))
                continue
            try:
                host.run(cell)
            except Changed as error:
                refused.append(str(error))
    finally:
        host.close()
    if refused:
        more = f" (and {len(refused) - 1} more cells)" if len(refused) > 1 else ""
        raise BBOError(f"{refused[0]}{more}")


def run_one(order: Order, out: Path, options: RunOptions, replace_failed: bool) -> None:
    """Run one cell on a host that stays for the next (a task of a worker that lives on)."""
    cell = look_up(order)
    with _host(out, options, replace_failed) as host:
        host.run(cell)


def close_idle() -> None:
    """Close the hosts that wait for work."""
    with _lock:
        waiting = [pair for pairs in _idle.values() for pair in pairs]
        _idle.clear()
    for host, timer in waiting:
        timer.cancel()
        host.close()
    starter.close_idle()


@contextmanager
def _host(out: Path, options: RunOptions, replace_failed: bool) -> Iterator[Host]:
    key = (out, options, replace_failed)
    with _lock:
        host, timer = _idle[key].pop() if _idle.get(key) else (Host(out, options, replace_failed=replace_failed), None)
    if timer:
        timer.cancel()
    try:
        yield host
    except BaseException:
        host.close()
        raise
    timer = threading.Timer(IDLE, close_idle)
    timer.daemon = True
    with _lock:
        _idle.setdefault(key, []).append((host, timer))
    timer.start()
