"""The process in which methods run. It receives visible data and settings over a pipe and sends designs back.

It holds no task and no oracle: those stay in the process that started it (`bbo.harness.host`). Messages to it are `Job`s;
messages from it are `("begin",)`, `("progress", step, total)` and, last, `("answer", dict)`.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import threading
import time
import traceback
import warnings
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from typing import Any

import numpy as np

from bbo.space import Space


@dataclass(frozen=True)
class Job:
    """One call of a method. `x` and `y` are None where the process holds the data of `data_hash` from the job before."""

    data_hash: str
    x: np.ndarray | None
    y: np.ndarray | None
    space: Space
    budget: int
    seed: int
    privileged: dict[str, float]
    reference: str
    config: dict[str, Any]
    device: str


def main(pipe: Connection, threads: int) -> None:
    """Serve jobs until the pipe closes or the starting process dies."""
    threading.Thread(target=_die_with_parent, daemon=True).start()
    os.environ.pop("BBO_DATA_DIR", None)
    with tempfile.TemporaryDirectory(prefix="bbo-method-") as folder:
        os.chdir(folder)
        _prepare_torch(threads)
        data: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        while True:
            try:
                job = pipe.recv()
            except (EOFError, OSError, KeyboardInterrupt):
                break
            pipe.send(("begin",))
            if job.x is not None:
                data = {job.data_hash: (job.x, job.y)}
            pipe.send(("answer", _answer(job, *data[job.data_hash], pipe)))
        os.chdir("/")


def _die_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _prepare_torch(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def _answer(job: Job, x: np.ndarray, y: np.ndarray, pipe: Connection) -> dict[str, Any]:
    import torch

    from bbo.catalogue import load_baseline
    from bbo.problem import Problem

    last = 0.0

    def listener(step: int, total: int, designs: Any) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > 0.1 or step >= total:
            last = now
            pipe.send(("progress", step, total))

    answer: dict[str, Any] = {"designs": None, "error": None}
    problem = None
    _reset_peak_memory()
    wall, cpu = time.perf_counter(), time.process_time()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        try:
            device = torch.device(job.device if job.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu")
            answer["stack"] = _stack(device)
            generator = torch.Generator(device).manual_seed(job.seed)
            # Methods are to use the generator only; a library that reaches for a global one is at least repeatable.
            torch.manual_seed(job.seed)
            np.random.seed(job.seed % 2**32)  # noqa: NPY002
            random.seed(job.seed)
            problem = Problem(
                torch.as_tensor(x, device=device),
                torch.as_tensor(y, device=device),
                job.space,
                job.budget,
                generator,
                job.privileged,
                listener,
            )
            designs = load_baseline(job.reference).cls(**job.config).propose(problem)
            answer["designs"] = designs.detach().cpu().numpy() if isinstance(designs, torch.Tensor) else np.asarray(designs)
        except Exception as error:
            text = traceback.format_exc()
            answer["error"] = {"reason": "error", "type": type(error).__name__, "message": str(error), "traceback": text}
    answer["cost"] = {
        "wall_seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - cpu,
        "peak_memory_mb": _peak_memory_mb(),
    }
    answer["warnings"] = sorted({f"{w.category.__name__}: {w.message}" for w in caught})
    answer["notes"] = problem.notes if problem else {}
    answer["privileged"] = problem.privileged_used if problem else []
    return answer


def _stack(device: Any) -> dict[str, Any]:
    import torch
    from threadpoolctl import threadpool_info

    blas = sorted({f"{p.get('internal_api')} {p.get('version')}" for p in threadpool_info() if p.get("user_api") == "blas"})
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    return {"device": device.type, "device_name": name, "threads": torch.get_num_threads(), "blas": blas}


def _reset_peak_memory() -> None:
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass  # elsewhere than on Linux the peak is that of the process so far


def _peak_memory_mb() -> float:
    try:
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024
    except (OSError, StopIteration):
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)
