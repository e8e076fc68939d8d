"""Where cells run: on this machine, on Dask workers, in a Slurm array. One signature for all; each is loaded when it is asked for."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Protocol

from bbo.errors import unknown
from bbo.harness.options import EngineOptions, Listener, RunOptions
from bbo.harness.plan import PlannedCell

NAMES = ("local", "dask", "slurm")


class Engine(Protocol):
    """Runs cells into a results folder and returns when all have ended; those that have ended stay, whatever happens.

    Raises:
        BBOError: cells could not be run or were lost.
        KeyboardInterrupt: the user stopped the run.
    """

    def __call__(
        self,
        cells: list[PlannedCell],
        out: Path,
        options: RunOptions,
        engine_options: EngineOptions,
        listener: Listener,
        replace_failed: bool = False,
    ) -> None:
        """Run `cells` into the results folder `out`."""


def load(name: str) -> Engine:
    """The engine of a name.

    Raises:
        UnknownName: there is none.
    """
    if name not in NAMES:
        raise unknown("engine", name, NAMES)
    engine: Engine = importlib.import_module(f"bbo.harness.engines.{name}").run
    return engine
