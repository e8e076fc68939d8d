"""Worker processes that evaluate one design at a time, so that a simulator may crash or hang without harming the run.

A worker is asked by a line of JSON and the design's bytes, and answers with a line of JSON. Which worker evaluates a design cannot
change its score: every worker runs the same function on the same bytes. Workers are kept for the next call and end with this process.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

from bbo import lifeline, local
from bbo.errors import BBOError

#: Seconds after which a design counts as failed, and after which a worker that does not start is given up.
DESIGN_LIMIT, START_LIMIT = 60.0, 120.0
#: After this many designs of one set have hung, the others count as failed after `PATIENCE` times the usual seconds of a design, and after
#: `SHORT_LIMIT` at least: a machine that is busy must not fail a design that is merely slow.
HANGS, PATIENCE, SHORT_LIMIT = 3, 20.0, 10.0
#: A further worker is worth its start if it saves this many seconds.
WORTHWHILE = 0.5


@dataclass(frozen=True)
class Simulator:
    """A class with methods `prepare()` and `simulate(design) -> float`, by names that another process can find it by.

    Args:
        module: its module; that of a user's own file is named by a hash of the text that was loaded (`bbo.local`).
        name: of the class.
        variant: argument of the class's constructor; empty if there is none.
        file: path of a user's own file; empty if it is none.
    """

    module: str
    name: str
    variant: str = ""
    file: str = ""

    @classmethod
    def of(cls, thing: object, variant: str = "") -> Simulator:
        """The names of an object's class.

        Raises:
            BBOError: another process cannot find it: it is one of a script or notebook, or is not at the top of its module.
        """
        module, name = type(thing).__module__, type(thing).__qualname__
        if module == "__main__" or "." in name:
            raise _unfindable(name, "of a script or notebook" if module == "__main__" else "inside a function or another class")
        file = str(sys.modules[module].__file__) if module.startswith("bbo_local_") else ""
        return cls(module, name, variant, file)

    def make(self) -> Any:
        """A new object of the class.

        Raises:
            BBOError: a user's own file was edited since this class was loaded, or the module is not installed.
        """
        if self.file:
            made = local.load(f"{self.file}:{self.name}")
            if made.__module__ != self.module:  # its scores would be stored under the version of another text
                raise BBOError(f"{self.file} was edited after {self.name} was loaded from it; run the same command again")
        else:
            made = self._installed()
        return made(self.variant) if self.variant else made()

    def _installed(self) -> Any:
        """The class of an installed module. The current folder, from which its owner may have imported it, is not searched here."""
        try:
            return getattr(importlib.import_module(self.module), self.name)
        except ModuleNotFoundError as error:
            if not f"{self.module}.".startswith(f"{error.name}."):
                raise  # a package that the module needs
        except AttributeError:
            pass  # another module of this name
        raise _unfindable(self.name, f"of the module {self.module}, which is not installed") from None


def _unfindable(name: str, where: str) -> BBOError:
    last = name.rpartition(".")[2]
    return BBOError(
        f"{last} cannot be scored in a worker process, since it is a class {where}: put the class at the top of a file and load it as "
        f"./file.py:{last}"
    )


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Clock:
    """How long a design of one set may take, in seconds; `usual` is what one takes by the task's facts."""

    def __init__(self, usual: float) -> None:
        self._usual, self._hangs = usual, 0

    @property
    def limit(self) -> float:
        """Seconds for the next design."""
        return DESIGN_LIMIT if self._hangs < HANGS else min(DESIGN_LIMIT, max(SHORT_LIMIT, PATIENCE * self._usual))

    def answered(self, seconds: float) -> None:
        """A design was scored; the facts may have said too little."""
        self._usual = max(self._usual, seconds)

    def hung(self) -> None:
        """A design was not scored within its limit."""
        self._hangs += 1


def evaluate(simulator: Simulator, x: np.ndarray, workers: int, usual: float = 0.0) -> tuple[np.ndarray, dict[int, str]]:
    """Scores (n,), float64, of designs x (n, *shape), and the reasons of those that failed, by row; their scores are NaN.

    Args:
        simulator: evaluates one design.
        x: the designs.
        workers: how many processes.
        usual: seconds that a design usually takes.

    Raises:
        BBOError: a worker could not be started, or could not make the simulator.
    """
    scores, reasons = np.full(len(x), np.nan), dict[int, str]()
    clock = _Clock(usual)
    rows, lock, troubles, held = iter(range(len(x))), threading.Lock(), list[BaseException](), list[_Worker]()

    def give_up(error: BaseException) -> None:
        troubles.append(error)
        for worker in list(held):
            worker.kill()

    def take(fresh: bool) -> _Worker:
        worker = _Worker() if fresh else _take()
        held.append(worker)
        return worker

    def work() -> None:
        worker: _Worker | None = None
        try:
            while not troubles:
                with lock:
                    row = next(rows, None)
                if row is None:
                    break
                for again in (False, True):
                    worker = worker or take(fresh=again)
                    worker.load(simulator)
                    try:
                        start = time.monotonic()
                        scores[row] = worker.ask(x[row], clock.limit)
                        clock.answered(time.monotonic() - start)
                        reasons.pop(row, None)
                    except _FailedError as failure:
                        reasons[row] = str(failure)
                        if isinstance(failure, _HungError):
                            clock.hung()
                        if failure.fatal:
                            worker.end()
                            worker = None
                        if isinstance(failure, _CrashedError) and not troubles:
                            continue  # it may have been ended from outside, so only a second crash counts
                    break
        except BaseException as error:  # Ctrl-C too, in the thread that called
            give_up(error)
            if worker:
                worker.end()
                worker = None
        if worker:
            _give(worker)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(max(1, min(workers, len(x))) - 1)]
    try:
        for thread in threads:
            thread.start()
        work()
        for thread in threads:
            thread.join()
    except BaseException as error:
        give_up(error)
        raise
    if troubles:
        raise troubles[0]
    return scores, dict(sorted(reasons.items()))


class _FailedError(Exception):
    """A design that has no score; `fatal` if its worker is of no further use."""

    fatal = False


class _HungError(_FailedError):
    """No answer came in time."""

    fatal = True


class _CrashedError(_FailedError):
    """The worker ended."""

    fatal = True


class _Worker:
    """One process, and the socket to it. It ends when the socket is closed, and is killed in mid-simulation when we die."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        line, self._lifeline = os.pipe()
        with theirs, open(line, "rb", closefd=True):
            # Its own session: Ctrl-C in a terminal reaches its owner alone.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", f"from bbo.workers import serve; serve({theirs.fileno()}, {line})"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")},
                pass_fds=(theirs.fileno(), line),
                start_new_session=True,
            )
        self._file = self._socket.makefile("rwb")
        self._held: Simulator | None = None

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def load(self, simulator: Simulator) -> None:
        """Have the worker make the simulator, unless it holds it already."""
        if self._held == simulator:
            return
        try:
            answer = self._exchange({"make": astuple(simulator)}, b"", START_LIMIT)
        except _FailedError as failure:
            raise BBOError(f"no worker process for {simulator.name}: {failure}") from None
        if "refused" in answer:
            raise BBOError(answer["refused"])
        if "failed" in answer:
            raise BBOError(f"a worker process cannot make {simulator.name}: {answer['failed']}")
        self._held = simulator

    def ask(self, design: np.ndarray, limit: float) -> float:
        """The score of one design (*shape), which may take `limit` seconds."""
        answer = self._exchange({"dtype": design.dtype.str, "shape": design.shape}, design.tobytes(), limit)
        if "failed" in answer:
            raise _FailedError(answer["failed"])
        return float(answer["score"])

    def _exchange(self, question: dict[str, Any], body: bytes, limit: float) -> dict[str, Any]:
        try:
            self._socket.settimeout(limit)
            self._file.write(json.dumps(question).encode() + b"\n" + body)
            self._file.flush()
            line = self._file.readline()
        except TimeoutError:
            raise _HungError(f"no answer after {limit:g} s") from None
        except OSError:
            line = b""
        if not line.endswith(b"\n"):
            self._socket.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(5.0)
            raise _CrashedError(f"the process crashed (exit status {self._process.poll()})")
        return json.loads(line)

    def kill(self) -> None:
        """Kill the process; whoever waits for its answer is told that it crashed."""
        self._process.kill()

    def end(self) -> None:
        """End the process and let go of all that it took."""
        self.kill()
        with contextlib.suppress(OSError):
            self._file.close()
        self._socket.close()
        os.close(self._lifeline)
        self._process.wait()


_idle: list[_Worker] = []


def _take() -> _Worker:
    while _idle:
        with contextlib.suppress(IndexError):  # another thread was quicker
            worker = _idle.pop()
            if worker.alive:
                return worker
            worker.end()
    return _Worker()


def _give(worker: _Worker) -> None:
    if len(_idle) < cores():
        _idle.append(worker)
    else:
        worker.end()


@atexit.register
def _end_all() -> None:
    while _idle:
        _idle.pop().end()


# A forked child must not talk to the workers of its parent.
os.register_at_fork(after_in_child=_idle.clear)


def serve(descriptor: int, owner: int) -> None:
    """The worker's side: answer over the socket `descriptor` until its other end closes; killed once that of the pipe `owner` does."""
    lifeline.hold(owner)
    lifeline.watch(owner)
    for inherited in (descriptor, owner):
        os.set_inheritable(inherited, False)  # what a simulator starts must not keep them open
    file = socket.socket(fileno=descriptor).makefile("rwb")
    simulator: Any = None
    while line := file.readline():
        question = json.loads(line)
        try:
            if "make" in question:
                simulator = Simulator(*question["make"]).make()
                simulator.prepare()
                answer: dict[str, Any] = {}
            else:
                dtype, shape = np.dtype(question["dtype"]), question["shape"]
                body = file.read(dtype.itemsize * int(np.prod(shape)))
                answer = {"score": float(simulator.simulate(np.frombuffer(body, dtype).reshape(shape)))}
        except Exception as error:
            refused = "make" in question and isinstance(error, BBOError)
            answer = {"refused": str(error)} if refused else {"failed": f"{type(error).__name__}: {error}"}
        file.write(json.dumps(answer).encode() + b"\n")
        file.flush()
