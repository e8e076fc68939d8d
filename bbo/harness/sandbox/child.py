"""The process in which methods run. It receives visible data and settings over a pipe and sends designs back.

It holds no task and no oracle: those stay in the process that started it (`bbo.harness.host`). Messages to it are `Job`s;
messages from it (`bbo.harness.sandbox.wire`) are "begin", "progress" {step, total} with designs where the job asks for a trace, "ask"
{name} for privileged knowledge, "fetch" {key} and "keep" {key} with an array that seeds share, "violation" {message} and, last,
"answer".
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import random
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from bbo.harness.sandbox import guard, wire
from bbo.space import Space

#: Points of a trace, about: designs of more steps are not sent.
TRACE_POINTS = 50
#: Seconds between two questions for an array that another cell is making.
WAIT = 0.3


@dataclass(frozen=True)
class Job:
    """One call of a method. `x` and `y` are None where the process holds the data of `data_hash` from the job before."""

    data_hash: str
    x: np.ndarray | None
    y: np.ndarray | None
    space: Space
    budget: int
    seed: int
    privileged: tuple[str, ...]
    reference: str
    config: dict[str, Any]
    device: str
    threads: int
    trace: bool
    tf32: bool


class Channel:
    """The way to the host; messages of different threads of a method do not mix."""

    def __init__(self, pipe: Connection) -> None:
        self.pipe, self._lock = pipe, threading.RLock()

    def send(self, kind: str, facts: dict[str, Any], array: np.ndarray | None = None) -> None:
        message = wire.encode(kind, facts, array)
        with self._lock:
            self.pipe.send_bytes(message)

    def ask(self, kind: str, facts: dict[str, Any]) -> Any:
        with self._lock:
            self.send(kind, facts)
            return self.pipe.recv()


class Asked(Mapping[str, float]):
    """Privileged knowledge that stays with the host until it is asked for, so that every use is known there."""

    def __init__(self, names: tuple[str, ...], channel: Channel) -> None:
        self._names, self._channel = names, channel

    def __getitem__(self, name: str) -> float:
        if name not in self._names:
            raise KeyError(name)
        return float(self._channel.ask("ask", {"name": name}))

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names


class HostsShelf:
    """`bbo.problem.Shelf` behind the channel: arrays lie with the host, apart for each data set and each stack."""

    def __init__(self, channel: Channel, of: list[Any]) -> None:
        self._channel, self._of = channel, of

    def fetch(self, key: str, make: Callable[[], np.ndarray]) -> tuple[np.ndarray, bool]:
        whole = {"key": json.dumps([*self._of, key])}
        while isinstance(reply := self._channel.ask("fetch", whole), str) and reply == "wait":
            time.sleep(WAIT)
        if isinstance(reply, np.ndarray):
            return reply, True
        made = make()
        if made.nbytes < wire.LONGEST // 2:
            self._channel.send("keep", whole, made)
        return made, False


def main(pipe_fd: int, lifeline_fd: int, hidden: guard.Hidden) -> None:
    """Serve jobs until the pipe closes or the host dies."""
    _die_with_host(lifeline_fd)
    faulthandler.enable()
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("800")  # where the machine runs out of memory, this process goes before the one that keeps the records
    import torch

    from bbo import catalogue, problem

    del problem
    channel = Channel(Connection(pipe_fd))
    guard.watch(hidden, lambda what: channel.send("violation", {"message": what}))
    data: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    while True:
        try:
            job: Job = channel.pipe.recv()
        except (EOFError, OSError):
            break
        if job.x is not None and job.y is not None:
            data = {job.data_hash: (job.x, job.y)}
        _reset_globals(torch, job)
        channel.send("begin", {})
        facts, designs = _answer(job, *data[job.data_hash], channel, catalogue)
        try:
            channel.send("answer", facts, designs)
        except (TypeError, ValueError) as error:
            channel.send("answer", {**facts, "notes": {}, "error": _error("invalid designs", error, "")})
    os._exit(0)  # threads and exit handlers that a method left behind have no say


def _die_with_host(lifeline: int) -> None:
    """End this process and all it started when the other end of `lifeline` closes, which the kernel does if the host dies."""
    if sys.platform == "linux":
        import fcntl

        # By signal, since a method may hold the interpreter's lock for hours, so that no thread of ours would run.
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)

    def wait() -> None:
        os.read(lifeline, 1)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


def _reset_globals(torch: Any, job: Job) -> None:
    """The same start for every cell, whatever the method before it has set."""
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)
    torch.set_grad_enabled(True)
    torch.set_num_threads(job.threads)
    torch.use_deterministic_algorithms(True)
    torch.backends.cuda.matmul.allow_tf32 = job.tf32
    torch.backends.cudnn.allow_tf32 = job.tf32
    torch.backends.cudnn.benchmark = False
    np.seterr(divide="warn", over="warn", under="ignore", invalid="warn")
    # Methods are to use the generator only; a library that reaches for a global one is at least repeatable.
    torch.manual_seed(job.seed)
    np.random.seed(job.seed % 2**32)  # noqa: NPY002
    random.seed(job.seed)


def _answer(job: Job, x: np.ndarray, y: np.ndarray, channel: Channel, catalogue: Any) -> tuple[dict[str, Any], np.ndarray | None]:
    import torch

    from bbo.problem import Problem

    facts: dict[str, Any] = {"error": None, "stack": {}}
    designs = problem = None
    device = torch.device("cpu")
    _reset_peak_memory()
    wall, cpu = time.perf_counter(), time.process_time()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        try:
            # Importing is the process's cost, not the cell's: other cells of this process find the modules loaded.
            method = catalogue.load_method(job.reference).cls(**job.config)
            device = torch.device(job.device if job.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu")
            facts["stack"] = _stack(torch, device)
            problem = Problem(
                torch.tensor(x, device=device),
                torch.tensor(y, device=device),
                job.space,
                job.budget,
                torch.Generator(device).manual_seed(job.seed),
                Asked(job.privileged, channel),
                _listener(job, channel),
                # Equal bits hang on the stack, so what another stack has made is not taken.
                HostsShelf(channel, [job.data_hash, repr(job.space), torch.__version__, job.tf32, facts["stack"]]),
            )
            wall, cpu = time.perf_counter(), time.process_time()
            found = method.propose(problem)
            designs = found.detach().cpu().numpy() if isinstance(found, torch.Tensor) else np.asarray(found)
        except guard.Violation as error:
            facts["error"] = _error("violation", error, traceback.format_exc())
        except BaseException as error:  # SystemExit too: it ends the method, not the run
            short = isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
            facts["error"] = _error("memory" if short else "error", error, traceback.format_exc())
    facts["cost"] = {
        "wall_seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - cpu,
        "peak_memory_mb": _peak_memory_mb(),
    }
    if device.type == "cuda":
        facts["cost"]["peak_gpu_memory_mb"] = torch.cuda.max_memory_allocated(device) / 2**20
        torch.cuda.reset_peak_memory_stats(device)
    facts["warnings"] = sorted({f"{w.category.__name__}: {w.message}" for w in caught})
    facts["notes"] = problem.notes if problem else {}
    return facts, designs


def _error(reason: str, error: BaseException, trace: str) -> dict[str, str]:
    return {"reason": reason, "type": type(error).__name__, "message": str(error) or type(error).__name__, "traceback": trace}


def _listener(job: Job, channel: Channel) -> Any:
    told, shown = 0.0, (-1, -1)

    def listener(step: int, total: int, designs: Any) -> None:
        nonlocal told, shown
        now, point = time.monotonic(), (total, step * TRACE_POINTS // max(total, 1))
        if job.trace and designs is not None and point != shown:
            shown = point
            shown_designs = designs() if callable(designs) else designs
            channel.send("progress", {"step": step, "total": total}, shown_designs.detach().cpu().numpy())
        elif now - told > 0.1 or step >= total:
            told = now
            channel.send("progress", {"step": step, "total": total})

    return listener


def _stack(torch: Any, device: Any) -> dict[str, Any]:
    from threadpoolctl import threadpool_info

    blas = {f"{p.get('internal_api')} {p.get('version')} {p.get('architecture', '')}".strip() for p in threadpool_info()}
    if torch.backends.mkl.is_available():
        blas.add("mkl in torch")
    found = {"device": device.type, "device_name": "cpu", "threads": torch.get_num_threads(), "blas": sorted(blas)}
    found["cpu_capability"] = torch.backends.cpu.get_cpu_capability()
    if device.type == "cuda":
        found |= {
            "device_name": torch.cuda.get_device_name(device),
            "cuda": torch.version.cuda,
            "tf32": torch.backends.cuda.matmul.allow_tf32,
        }
        found["cudnn"] = torch.backends.cudnn.version()
    return found


def _reset_peak_memory() -> None:
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # elsewhere than on Linux the peak is that of the process so far


def _peak_memory_mb() -> float:
    try:
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024
    except (OSError, StopIteration):
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)
