"""How cells are run, and the callbacks of a run; none of this is part of a cell's identity."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bbo import numerics
from bbo.errors import BBOError, unknown
from bbo.harness.plan import PlannedCell
from bbo.record import Record


@dataclass(frozen=True)
class RunOptions:
    """How each cell is run.

    Args:
        device: "auto", "cpu" or "cuda".
        threads: BLAS and torch threads of the method process; more than one with "native" numerics only.
        timeout: seconds of wall time a cell may take, 0 for no limit.
        memory: gigabytes (10^9 bytes) a cell may use, 0 for no limit.
        trace: whether intermediate designs are scored and stored.
        cells_per_process: a method process is replaced after this many cells.
        tf32: whether a GPU may round float32 products to TF32, faster and less exact.
        numerics: which kernels the CPU's libraries use, "portable", "compatible" or "native" (`bbo.numerics`).
        sandbox: "auto" confines methods where the kernel can, "required" refuses to run where it cannot, "none" never confines.
        disk: gigabytes (10^9 bytes) that a cell may hold on disk in its private folder, 0 for no limit.
    """

    device: str = "auto"
    threads: int = 1
    timeout: float = 0.0
    memory: float = 0.0
    trace: bool = False
    cells_per_process: int = 100
    tf32: bool = False
    numerics: str = "portable"
    sandbox: str = "auto"
    disk: float = 20.0

    def __post_init__(self) -> None:
        """Refuse numerics that cannot be had: a mode that fixes the kernels fixes one thread, too.

        Raises:
            UnknownName: no such mode.
            BBOError: threads below 1, or more than the mode takes.
        """
        if self.numerics not in numerics.MODES:
            raise unknown("numerics mode", self.numerics, numerics.MODES)
        if self.threads < 1:
            raise BBOError(f"a cell takes at least 1 thread; got {self.threads}")
        if self.numerics in numerics.FIXED and self.threads > 1:
            raise BBOError(
                f"{self.numerics} numerics use one thread per cell; got {self.threads}. Run more cells at a time (--jobs), or choose native "
                "numerics (--numerics native)"
            )


@dataclass(frozen=True)
class EngineOptions:
    """Where cells are run; each engine uses its own part.

    Args:
        jobs: local: cells side by side; slurm: jobs of the array.
        scheduler: dask: the scheduler's address; else DASK_SCHEDULER_ADDRESS of the environment.
        sbatch: slurm: options of sbatch by their long names, such as {"partition": "gpu", "gres": "gpu:1"}.
    """

    jobs: int = 1
    scheduler: str = ""
    sbatch: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Listener:
    """Callbacks of a run: a cell starts, progresses, ends."""

    begin: Callable[[PlannedCell], None] = lambda cell: None
    progress: Callable[[PlannedCell, int, int], None] = lambda cell, step, total: None
    end: Callable[[PlannedCell, Record], None] = lambda cell, result: None
