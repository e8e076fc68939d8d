"""The process in which methods run. It receives visible data and settings over a pipe and sends designs back.

It holds no task and no oracle: those stay in the process that started it (`bbo.harness.host`). It receives `Job`s, replies to its
questions, and `Settle`; it sends the messages of `bbo.harness.sandbox.wire`.
"""

from __future__ import annotations

import contextlib
import errno
import faulthandler
import hashlib
import json
import os
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

from bbo import described, lifeline, numerics, settings
from bbo.errors import BBOError
from bbo.harness.sandbox import guard, landlock, wire
from bbo.harness.sandbox.state import State
from bbo.space import Space
from bbo.text import bounded_list, clean, clean_json

#: Approximate number of points in a trace; designs of further steps are not sent.
TRACE_POINTS = 50
#: Numbers of the errors with which the system refuses a file.
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)
#: Seconds between two questions for an array that another cell is making.
WAIT = 0.3


@dataclass(frozen=True)
class Job:
    """One call of a method.

    `x` and `y` are None if the process still holds the data of `data_hash` from the job before. Every message carries `ticket`, and an
    array of more than `longest` bytes is refused as designs. With `probes`, rows (n, *shape), the method's surrogate is trained and
    predicts them instead: the answer is float32 (2, sum of n), means and standard deviations (NaN where it gives none), z-scored; empty
    if the method has no surrogate.
    """

    ticket: str
    longest: int
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
    probes: tuple[np.ndarray, ...] | None = None


@dataclass(frozen=True)
class Settle:
    """Sent after an answer: asks whether the process has more messages, and in which state the method left it."""

    ticket: str


@dataclass(frozen=True)
class Question:
    """A question about the class of a user's file: "describe", "make" (settings), "unsuitable" (space, rows) or "check"."""

    ticket: str
    reference: str
    what: str
    arguments: tuple[Any, ...] = ()


class Channel:
    """The connection to the host; messages from different threads of a method do not mix."""

    def __init__(self, pipe: Connection) -> None:
        self.pipe, self.ticket = pipe, ""
        self.process, self._lock = os.getpid(), threading.RLock()
        os.register_at_fork(after_in_child=self._forked)

    def send(self, message: wire.Message) -> None:
        """Send one message to the host; nothing is sent from a forked child, except a violation."""
        # Forked children of a method may not send messages for it; only their violations are reported.
        if os.getpid() == self.process or isinstance(message, wire.Violation):
            data = wire.encode(self.ticket, message)
            with self._lock:
                self.pipe.send_bytes(data)

    def ask(self, message: wire.Message) -> Any:
        """Send one message and return the host's reply.

        Raises:
            RuntimeError: called from a forked child.
        """
        if os.getpid() != self.process:
            raise RuntimeError(f"only the method's own process may ask for what the harness keeps ({type(message).__name__})")
        with self._lock:
            self.send(message)
            return wire.receive(self.pipe)

    def _forked(self) -> None:
        self._lock = threading.RLock()  # another thread may have held it


class Asked(Mapping[str, float]):
    """Privileged knowledge, which the host keeps until it is requested, so that the host knows of every use."""

    def __init__(self, names: tuple[str, ...], channel: Channel) -> None:
        self._names, self._channel = names, channel

    def __getitem__(self, name: str) -> float:
        if name not in self._names:
            raise KeyError(name)
        return float(self._channel.ask(wire.Ask(name)))

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names


class SharedByHost:
    """`bbo.problem.Shelf` behind the channel: the host stores the arrays, keyed by data set and stack."""

    def __init__(self, channel: Channel, of: list[Any]) -> None:
        self._channel, self._of = channel, of

    def fetch(self, key: str, make: Callable[[], np.ndarray]) -> tuple[np.ndarray, bool]:
        """The array of a key, from `make` if no cell has computed it yet; and whether it was found."""
        whole = hashlib.sha256(json.dumps([*self._of, key]).encode()).hexdigest()
        while isinstance(reply := self._channel.ask(wire.Fetch(whole)), str) and reply == "wait":
            time.sleep(WAIT)
        if isinstance(reply, np.ndarray):
            return reply, True
        made = make()
        self._channel.send(wire.Keep(whole, made if made.nbytes <= wire.SHARED else None))
        return made, False


def main(pipe_fd: int, lifeline_fd: int, hidden: guard.Hidden, allowed: landlock.Allowed | None, host: int) -> None:
    """Serve jobs until the pipe closes or the process `host` dies; confined to `allowed` before anything of a method is read."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("800")  # if the machine runs out of memory, this process is killed before the one that writes the records
    lifeline.hold(lifeline_fd)
    if allowed is not None:
        landlock.confine(allowed, protected=(os.getppid(), host))
    lifeline.watch(lifeline_fd)
    faulthandler.enable()
    adopt_orphans()
    for descriptor in (pipe_fd, lifeline_fd):
        os.set_inheritable(descriptor, False)
    import torch

    from bbo import catalogue

    numerics.complete()
    numerics.operations()  # computed before a method could change how, and kept

    channel, state = Channel(Connection(pipe_fd)), State(torch)
    guard.watch(hidden, lambda what: channel.send(wire.Violation(clean(what))), confined=allowed is not None)
    data: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    machine: dict[str, Any] = {}
    while True:
        try:
            job = wire.receive(channel.pipe)
        except (EOFError, OSError):
            break
        if isinstance(job, Settle):
            changed = state.changed()
            channel.ticket = job.ticket
            channel.send(wire.Settled([clean(name, 200) for name in changed][:20]))
        if isinstance(job, Question):
            channel.ticket = job.ticket
            state.restore(1, False, 0)
            channel.send(_reply(job, catalogue))
        if not isinstance(job, Job):  # a reply that the method did not wait for
            continue
        channel.ticket = job.ticket
        if job.x is not None and job.y is not None:
            data = {job.data_hash: (job.x, job.y)}
        state.restore(job.threads, job.tf32, job.seed)
        machine = machine or _told_first(torch, job.device)
        channel.send(wire.Begin(machine))
        answer = _answer(job, *data[job.data_hash], channel, catalogue, allowed is not None)
        channel.send(answer)
    os._exit(0)  # skip exit handlers and threads a method left behind


def adopt_orphans() -> None:
    """Adopt the orphans of child processes, so that daemons too are found and ended with this process.

    On other systems than Linux only processes with this process's mark in their environment are found.
    """
    if sys.platform == "linux":
        import ctypes

        PR_SET_CHILD_SUBREAPER = 36
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _answer(job: Job, x: np.ndarray, y: np.ndarray, channel: Channel, catalogue: Any, confined: bool) -> wire.Answer:
    import torch

    from bbo.problem import Problem

    error: dict[str, str] | None = None
    stack: dict[str, Any] = {}
    designs = problem = None
    device, limit = torch.device("cpu"), sys.getrecursionlimit()
    cpu = time.process_time()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        # These are of code, not of results, and many come once a process, at an import.
        for kind in (DeprecationWarning, PendingDeprecationWarning):
            warnings.simplefilter("ignore", kind)
        try:
            # Imports count for the process, not for the cell: later cells of this process find the modules loaded.
            method = catalogue.load_class(job.reference)(**job.config)
            device = _device(torch, job.device)
            stack = _stack(torch, device)
            problem = Problem(
                torch.tensor(x, device=device),
                torch.tensor(y, device=device),
                job.space,
                job.budget,
                torch.Generator(device).manual_seed(job.seed),
                Asked(job.privileged, channel),
                _listener(job, channel),
                # Bit equality depends on the software stack, so arrays are shared only within one stack.
                SharedByHost(channel, [job.data_hash, repr(job.space), torch.__version__, job.tf32, stack]),
            )
            channel.send(wire.Propose())
            cpu = time.process_time()
            found = method.propose(problem) if job.probes is None else _predicted(method, problem, job.probes)
            designs = _plain(found, job.longest)
        except guard.Violation as problem_found:
            error = _error("violation", problem_found)
        except InvalidDesigns as problem_found:
            error = _error("invalid designs", problem_found, trace=False)
        except BaseException as problem_found:  # SystemExit too: it ends the method, not the run
            short = isinstance(problem_found, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in _said(
                problem_found
            )
            error = _error("memory" if short else "error", problem_found)
            if confined and isinstance(problem_found, OSError) and problem_found.errno in REFUSED and problem_found.filename:
                error["message"] += " (methods are confined and may write only to their temporary working folder)"
    if os.getpid() != channel.process:
        os._exit(0)  # a forked child that came back from `propose`
    sys.setrecursionlimit(limit)
    cost = {"cpu_seconds": time.process_time() - cpu, "peak_memory_mb": _peak_memory_mb()}
    if device.type == "cuda":
        cost["peak_gpu_memory_mb"] = torch.cuda.max_memory_allocated(device) / 2**20
        torch.cuda.reset_peak_memory_stats(device)
    said = bounded_list(sorted({f"{w.category.__name__}: {_said(w.message)}" for w in caught}))
    notes = clean_json(problem.notes) if problem else {}
    return wire.Answer(error, notes, stack, cost, said, None if error else designs)


def _predicted(method: Any, problem: Any, probes: tuple[np.ndarray, ...]) -> np.ndarray:
    """Means and standard deviations of a method's surrogate (2, sum of rows), float32; its history goes into the problem's notes."""
    import torch

    if not callable(getattr(method, "surrogate", None)):
        return np.empty((2, 0), np.float32)
    surrogate, data = method.surrogate(problem), problem.encoded()
    parts = [surrogate.predict(data.encode(torch.as_tensor(x, device=problem.device))) for x in probes]
    rows = [
        torch.stack([mean.detach().float(), torch.full_like(mean, torch.nan) if std is None else std.detach().float()])
        for mean, std in parts
    ]
    problem.notes.clear()
    problem.note(**bounded_history(getattr(surrogate, "history", {})))
    array: np.ndarray = torch.cat(rows, dim=1).cpu().numpy()
    return array


def bounded_history(history: Mapping[str, Any], room: int = 48 * 1024) -> dict[str, Any]:
    """The parts of a training's record, (epochs, members) by quantity, that fit into a message; a number takes 20 bytes."""
    kept: dict[str, Any] = {}
    for name, values in history.items():
        numbers = np.asarray(values, dtype=float)
        room -= 20 * numbers.size + len(name)
        if room > 0 and np.isfinite(numbers).all():
            kept[name] = numbers.tolist()
    return kept


def _reply(question: Question, catalogue: Any) -> wire.Told | wire.Refused:
    """The answer to a question; whatever the class does, it is an answer or an error with a message."""
    try:
        facts = clean_json(_facts(question, catalogue), wire.TEXTS // 8)
        return wire.Told(facts)
    except BBOError as error:
        kind = next(name for name in (*(base.__name__ for base in type(error).__mro__), "BBOError") if name in wire.ERRORS)
        return wire.Refused(kind, clean(str(error)))
    except BaseException as error:
        return wire.Refused("BBOError", clean(f"{question.reference}: {type(error).__name__}: {_said(error)}"))


def _facts(question: Question, catalogue: Any) -> dict[str, Any]:
    cls = catalogue.load_class(question.reference)
    match question.what:
        case "describe":
            return described.describe(cls, question.reference).to_plain()
        case "make":
            settings.make(cls, cls.__name__, *question.arguments)
            return {}
        case "unsuitable":
            return {"reason": catalogue.why_unsuitable(cls, *question.arguments)}
        case _:
            from bbo.testing import methods, verdicts

            traces: dict[str, str] = {}
            found = verdicts(methods.checks(catalogue.load_here(question.reference)), traces)
            return {"verdicts": [[one.check, clean(one.failure, 4000), clean(traces.get(one.check, ""), 16_000)] for one in found]}


class InvalidDesigns(TypeError):
    """The method returned something that cannot be sent as an array."""


def _plain(found: Any, longest: int) -> np.ndarray:
    """What a method returned, as an array of plain values."""
    import torch

    if found is None:
        raise InvalidDesigns("propose returned None; it must return the designs")
    try:
        designs = found.detach().cpu().numpy() if isinstance(found, torch.Tensor) else np.asarray(found)
    except Exception as error:  # no rectangle, a sparse or a meta tensor, bfloat16
        raise InvalidDesigns(f"what the method returned is not an array: {type(error).__name__}: {_said(error)}") from None
    if designs.dtype.hasobject or designs.dtype.names is not None:
        what = "Objects" if designs.dtype.hasobject else "records"
        raise InvalidDesigns(f"the method returned a {type(found).__name__} of {what}; designs are an array of numbers")
    if np.ma.is_masked(found):
        raise InvalidDesigns("the method returned a masked array; designs have no missing values")
    if designs.nbytes > longest:
        raise InvalidDesigns(
            f"the method returned an array of shape {designs.shape} and type {designs.dtype}, far more than the budget"
        )
    return designs


def _error(reason: str, error: BaseException, trace: bool = True) -> dict[str, str]:
    kind = clean(type(error).__name__, 200)
    text = clean(traceback.format_exc()) if trace else ""
    return {"reason": reason, "type": kind, "message": clean(_said(error)) or kind, "traceback": text}


def _said(error: Any) -> str:
    """The message of an exception; empty if its `__str__` fails."""
    try:
        return str(error)
    except Exception:
        return ""


def _listener(job: Job, channel: Channel) -> Any:
    told, shown = 0.0, (-1, -1)

    def listener(step: int, total: int, designs: Any) -> None:
        nonlocal told, shown
        now, point = time.monotonic(), (total, step * TRACE_POINTS // max(total, 1))
        if job.trace and designs is not None and point != shown:
            shown = point
            now_shown = designs() if callable(designs) else designs
            channel.send(wire.Progress(step, total, _plain(now_shown, job.longest)))
        elif now - told > 0.1 or step >= total:
            told = now
            channel.send(wire.Progress(step, total))

    return listener


def _device(torch: Any, name: str) -> Any:
    return torch.device(name if name != "auto" else "cuda" if torch.cuda.is_available() else "cpu")


def _told_first(torch: Any, device: str) -> dict[str, Any]:
    """Facts of the machine, for the host: before the first method of this process is loaded, which could forge them later."""
    try:
        return _machine(torch, _device(torch, device))
    except Exception:  # no such device: the cell says so
        return {}


def _stack(torch: Any, device: Any) -> dict[str, Any]:
    from threadpoolctl import threadpool_info

    blas = {f"{p.get('internal_api')} {p.get('version')} {p.get('architecture', '')}".strip() for p in threadpool_info()}
    if torch.backends.mkl.is_available():
        blas.add("mkl in torch")
    found = {"device": device.type, "device_name": "cpu", "threads": torch.get_num_threads(), "blas": sorted(blas)}
    return found | _machine(torch, device)


def _machine(torch: Any, device: Any) -> dict[str, Any]:
    found = {"device_name": "cpu", "cpu_capability": torch.backends.cpu.get_cpu_capability()}
    found |= {"numerics": numerics.mode(), "fingerprint": numerics.fingerprint()}
    if device.type == "cuda":
        found |= {
            "device_name": torch.cuda.get_device_name(device),
            "cuda": torch.version.cuda,
            "tf32": torch.backends.cuda.matmul.allow_tf32,
        }
        found["cudnn"] = torch.backends.cudnn.version()
    return found


def _peak_memory_mb() -> float:
    """Of the process so far; on Linux the host measures the method's own."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)
