"""How cells are run, and the callbacks of a run; none of this is part of a cell's identity."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real

from bbo import numerics
from bbo.errors import BBOError, unknown
from bbo.harness.plan import PlannedCell
from bbo.record import Record

DEVICES = ("auto", "cpu", "cuda")
SANDBOXES = ("auto", "required", "none")


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
        """Refuse what no cell can be run with.

        Raises:
            UnknownName: no such device, numerics mode or kind of sandbox.
            BBOError: a number is out of its range, or threads are more than the numerics mode takes: one that fixes the kernels fixes one
                thread, too.
        """
        for kind, name, known in (
            ("device", self.device, DEVICES),
            ("numerics mode", self.numerics, numerics.MODES),
            ("sandbox", self.sandbox, SANDBOXES),
        ):
            if name not in known:
                raise unknown(kind, str(name), known)
        _at_least_one("a cell takes at least 1 thread", self.threads)
        _at_least_one("a method's process runs at least 1 cell (cells_per_process)", self.cells_per_process)
        for limit in ("timeout", "memory", "disk"):
            value = getattr(self, limit)
            if not isinstance(value, Real) or not 0 <= float(value) < float("inf"):
                raise BBOError(f"{limit} is a finite number from 0, which means no limit; got {value!r}")
        for flag in ("trace", "tf32"):
            if not isinstance(value := getattr(self, flag), bool):
                raise BBOError(f"{flag} is True or False; got {value!r}")
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

    def __post_init__(self) -> None:
        """Refuse a number of jobs that runs nothing.

        Raises:
            BBOError: it is no whole number from 1.
        """
        _at_least_one("cells run in at least 1 job (jobs)", self.jobs)


def _at_least_one(rule: str, value: object) -> None:
    if not isinstance(value, Integral) or value < 1:
        raise BBOError(f"{rule}, a whole number; got {value!r}")


@dataclass(frozen=True)
class Listener:
    """Callbacks of a run: a cell starts, progresses, ends."""

    begin: Callable[[PlannedCell], None] = lambda cell: None
    progress: Callable[[PlannedCell, int, int], None] = lambda cell, step, total: None
    end: Callable[[PlannedCell, Record], None] = lambda cell, result: None
