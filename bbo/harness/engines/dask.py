"""Runs cells on the workers of any Dask scheduler. Workers write the records and report only that a cell has ended."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

from bbo import record
from bbo.errors import BBOError, Unavailable
from bbo.harness.engines import worker
from bbo.harness.options import EngineOptions, Listener, RunOptions
from bbo.harness.plan import PlannedCell

#: Seconds within which the scheduler's address must accept a connection.
PATIENCE = 10


def run(
    cells: list[PlannedCell],
    out: Path,
    options: RunOptions,
    engine_options: EngineOptions,
    listener: Listener,
    replace_failed: bool = False,
) -> None:
    """Run cells and return when all have ended; with `options.device` "cuda" each takes one unit of the resource GPU.

    The results folder must be on a file system that all workers share, under the same path.

    Raises:
        Unavailable: the extra is not installed.
        BBOError: no scheduler there, or cells were lost; those that ended are kept.
        KeyboardInterrupt: the user stopped; cells that workers have begun are still finished and kept.
    """
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise Unavailable('--engine dask needs the package distributed: pip install "offline-bbo[dask]"') from None
    address = engine_options.scheduler or os.environ.get("DASK_SCHEDULER_ADDRESS", "")
    if not address:
        raise BBOError("--engine dask needs --scheduler ADDRESS (or DASK_SCHEDULER_ADDRESS), such as tcp://host:8786")
    _reach(address)
    try:
        client = Client(address, timeout="20s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise BBOError(f"no Dask scheduler answers at {address} ({error}); start one with: dask scheduler") from None
    lost: list[str] = []
    with client:
        futures = client.map(
            worker.run_one,
            [cell.order() for cell in cells],
            out=out.resolve(),
            options=options,
            replace_failed=replace_failed,
            pure=False,
            resources={"GPU": 1} if options.device == "cuda" else None,
            batch_size=1000,
        )
        of = {future.key: cell for future, cell in zip(futures, cells, strict=True)}
        try:
            for future in as_completed(futures, loop=client.loop):
                cell = of[future.key]
                folder = record.cell_folder(out, cell.spec.hash)
                if future.status == "error":
                    lost.append(f"{cell.spec.label()}: {future.exception()}")
                elif not folder.exists():
                    lost.append(f"{cell.spec.label()}: its worker wrote it elsewhere; is {out.resolve()} shared by all workers?")
                else:
                    listener.begin(cell)
                    listener.end(cell, record.read_cell(folder))
                future.release()
        except KeyboardInterrupt:
            client.cancel(futures)
            raise
        finally:
            client.run(worker.close_idle)
    if lost:
        raise BBOError(f"{len(lost)} cells were lost, the first: {lost[0]}; the same command runs them again")


def _reach(address: str) -> None:
    """Raise at once if an address is invalid or nothing listens there: the client itself would keep trying for most of a minute.

    Raises:
        BBOError: with the reason.
    """
    parts = urlsplit(address if "://" in address else f"tcp://{address}")
    if parts.scheme == "inproc":
        return
    try:
        place = (parts.hostname or "", parts.port or 0)
    except ValueError:
        place = ("", 0)
    if not all(place):
        raise BBOError(f"the address of a Dask scheduler is written like tcp://host:8786; got '{address}'")
    try:
        socket.create_connection(place, PATIENCE).close()
    except OSError as error:
        raise BBOError(f"no Dask scheduler answers at {address} ({error}); start one with: dask scheduler") from None
