"""One method process as the host holds it: started in its own session, watched from outside, killed with all it started."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from bbo.harness.sandbox import wire
from bbo.harness.sandbox.child import Job
from bbo.harness.sandbox.guard import Hidden
from bbo.harness.sandbox.hidden import VARIABLES

#: Seconds between two looks at memory, time and the stop flag.
TICK = 0.05
#: Seconds a process may take until it has imported what it needs and taken its first job.
START = 600.0
#: Characters of what a method printed that are kept.
OUTPUT = 4000

BOOT = """\
import json, sys
path, pipe, lifeline, modules, paths = json.loads(sys.argv[1])
sys.path[:] = path
from bbo.harness.sandbox import guard, child as method_process
method_process.main(pipe, lifeline, guard.Hidden(tuple(modules), tuple(paths)))
"""

#: Called with kind, facts and array of every message but the answer; what it returns is sent back if it is not None.
OnMessage = Callable[[str, dict[str, Any], np.ndarray | None], Any]


@dataclass(frozen=True)
class Bounds:
    """What one cell may use: seconds of wall time and gigabytes (10^9 bytes) of memory, children included; 0 for no limit."""

    seconds: float = 0.0
    gigabytes: float = 0.0


class Lost(Exception):
    """The method gave no answer: `reason` is "timeout", "memory", "crash" or "violation"."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason, self.seconds = reason, 0.0


class Stopped(Exception):
    """The stop flag was set while the method ran."""


class MethodProcess:
    """A running method process."""

    def __init__(self, threads: int, hidden: Hidden) -> None:
        self.cells = 0
        self.data_hash = ""
        self._folder = Path(tempfile.mkdtemp(prefix="bbo-method-"))
        self._output = self._folder / "output"
        work = self._folder / "work"
        work.mkdir()
        self._pipe, theirs = multiprocessing.Pipe()
        lifeline, self._lifeline = os.pipe()
        path = [os.path.abspath(entry) for entry in sys.path]
        arguments = json.dumps([path, theirs.fileno(), lifeline, hidden.modules, hidden.paths])
        # Its own session: Ctrl-C in a terminal reaches the host alone. Opened for appending, so that it can be emptied.
        with open(self._output, "ab") as output:
            self._popen = subprocess.Popen(
                [sys.executable, "-c", BOOT, arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=work,
                env=_environment(threads, work),
                pass_fds=(theirs.fileno(), lifeline),
                start_new_session=True,
            )
        theirs.close()
        os.close(lifeline)
        self._messages: queue.SimpleQueue[tuple[str, dict[str, Any], np.ndarray | None] | None] = queue.SimpleQueue()
        # A thread of its own, so that a method that sends half a message stalls nobody.
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def alive(self) -> bool:
        return self._popen.poll() is None

    def ask(
        self, job: Job, bounds: Bounds, stop: threading.Event, on_message: OnMessage
    ) -> tuple[dict[str, Any], np.ndarray | None]:
        """Run a job and return the answer's facts and designs.

        Raises:
            Lost: no answer came; the process is dead then.
            Stopped: `stop` was set; the process is dead then.
        """
        self.cells += 1
        with contextlib.suppress(OSError):
            os.truncate(self._output, 0)
        # The method's clock starts when it begins: starting a process and importing torch are not its time.
        started, limit = time.monotonic(), START
        watch = _Memory(self._popen.pid, bounds.gigabytes)
        try:
            self._send(job)
            self.data_hash = job.data_hash
            while True:
                message = self._next()
                if message is None:
                    how = self._how_it_ended()
                    if self._popen.poll() == -signal.SIGTERM:
                        stop.wait(1)  # a scheduler that ends a job signals host and method alike; ours may come a moment later
                if stop.is_set():
                    raise Stopped
                if message is None:
                    raise Lost("crash", how)
                kind, facts, array = message
                if kind == "answer":
                    return facts, array
                if kind == "begin":
                    started, limit = time.monotonic(), bounds.seconds
                elif kind == "violation":
                    raise Lost("violation", str(facts.get("message")))
                elif kind != "tick" and (reply := on_message(kind, facts, array)) is not None:
                    self._send(reply)
                if limit and time.monotonic() - started > limit:
                    raise Lost("timeout", f"took longer than {limit:g} s")
                if used := watch.over():
                    raise Lost("memory", f"used {used:.2f} GB, more than the {bounds.gigabytes:g} GB allowed")
        except (Lost, Stopped) as error:
            self.kill()
            if isinstance(error, Lost):
                error.seconds = time.monotonic() - started
            raise

    def output(self) -> str:
        """The end of what the method printed in the last job."""
        try:
            return self._output.read_bytes()[-OUTPUT:].decode(errors="replace")
        except OSError:
            return ""

    def kill(self) -> None:
        """End the process and all it started; no signal handler of theirs can prevent it."""
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self._popen.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    child.kill()
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()

    def close(self) -> None:
        """Kill the process and remove its folder."""
        self.kill()
        self._pipe.close()
        os.close(self._lifeline)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _send(self, message: Any) -> None:
        # Towards the method's process a pickle is harmless: the host made it.
        with contextlib.suppress(ConnectionError):  # it died; the reader tells so
            self._pipe.send(message)

    def _read(self) -> None:
        try:
            while True:
                self._messages.put(wire.decode(self._pipe.recv_bytes(wire.LONGEST)))
        except Exception:  # the end of the pipe, or bytes that are no message: either way nothing more will come
            self._messages.put(None)

    def _next(self) -> tuple[str, dict[str, Any], np.ndarray | None] | None:
        try:
            return self._messages.get(timeout=TICK)
        except queue.Empty:
            return "tick", {}, None

    def _how_it_ended(self) -> str:
        try:
            code = self._popen.wait(2)
        except subprocess.TimeoutExpired:
            return "the method's process wrote garbage into the harness's pipe"
        if code >= 0:
            return f"the method's process ended without an answer (exit code {code})"
        name = signal.Signals(-code).name
        hint = "; perhaps the machine ran out of memory" if -code == signal.SIGKILL else ""
        return f"the method's process ended without an answer (signal {-code}, {name}{hint})"


class _Memory:
    """Resident memory of a process and all it started; the children are looked for less often, since that is slow."""

    def __init__(self, pid: int, gigabytes: float) -> None:
        self._limit, self._looks = gigabytes * 1e9, 0
        self._process = psutil.Process(pid) if gigabytes else None
        self._children: list[psutil.Process] = []

    def over(self) -> float:
        """Gigabytes used if that is more than allowed, else 0."""
        if self._process is None:
            return 0.0
        used = 0
        with contextlib.suppress(psutil.Error):
            if self._looks % 5 == 0:
                self._children = self._process.children(recursive=True)
            self._looks += 1
            for process in (self._process, *self._children):
                with contextlib.suppress(psutil.Error):
                    used += process.memory_info().rss
        return used / 1e9 if used > self._limit else 0.0


def _environment(threads: int, work: Path) -> dict[str, str]:
    """The host's environment without the ways to data, and with all that must be settled before libraries load."""
    env = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    # BLAS reads its thread count when it is loaded, cuBLAS its workspace when CUDA starts; DYNAMIC lets a busy machine
    # change the number of threads, and the hash seed the order of sets: both can change the last bits of a result.
    counts = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    fixed = {"MKL_DYNAMIC": "FALSE", "OMP_DYNAMIC": "FALSE", "PYTHONHASHSEED": "0", "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
    return {**env, **counts, **fixed, "TMPDIR": str(work), "PWD": str(work)}
