"""The host's side of a method process: started in its own session, watched from outside, killed with all it started."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from bbo.harness.options import RunOptions
from bbo.harness.sandbox import boot, environment, processes, starter, wire
from bbo.harness.sandbox.boot import Start
from bbo.harness.sandbox.child import Job, Question, Settle
from bbo.harness.sandbox.confinement import NONE
from bbo.harness.sandbox.disk import Disk
from bbo.harness.sandbox.group import Group
from bbo.harness.sandbox.guard import Hidden
from bbo.harness.sandbox.private import PrivateFolder
from bbo.harness.sandbox.reach import list_allowed
from bbo.text import clean

#: Seconds between two looks at memory, time and the stop flag.
TICK = 0.05
#: Seconds a process may take to import what it needs and receive its first job.
START = 600.0
#: Bytes of a method's output that are kept.
OUTPUT = 4000

#: Bytes of output on disk, after which it is emptied.
OUTPUT_FILE = 2**26
#: Seconds a method's process may take to read the answer to its question.
READ = 60.0
#: Seconds a process may take to confirm that it has no more messages.
SETTLE = 10.0
#: Seconds a killed process may take to end.
END = 10.0
#: Processes and threads that a method may have, its own included: enough for a worker with a few threads on each processor.
MOST_PROCESSES = 500 + 16 * (os.cpu_count() or 1)
#: Environment variable that marks a method process and all it starts.
MARK = "BBO_METHOD_PROCESS"

#: Called with every message that is for the host; what it returns is sent back if it is not None.
OnMessage = Callable[[wire.Progress | wire.Ask | wire.Fetch | wire.Keep], Any]


@dataclass(frozen=True)
class Bounds:
    """What one cell may use: seconds of wall time, gigabytes (10^9 bytes) of memory and of disk, children included; 0 for no limit."""

    seconds: float = 0.0
    gigabytes: float = 0.0
    disk: float = 0.0


class Lost(Exception):
    """The method gave no answer: `reason` is "timeout", "memory", "disk", "processes", "crash" or "violation"."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason, self.seconds = reason, 0.0


class Stopped(Exception):
    """The stop flag was set while the method ran."""


class Stale(Exception):
    """The process sent a message of another job than its present one; it has been killed."""


@dataclass(frozen=True)
class Arrived:
    """What the reader received, and when (`time.monotonic`): a message with its ticket, or why there will be none."""

    time: float
    ticket: str
    message: wire.Message | str


class MethodProcess:
    """A running method process.

    Args:
        options: how cells are run.
        hidden: what the guard refuses.
        owner: whose methods it runs: a local file, which it may read, or a package.
        confinement: how it is confined, as records say it.
        stop: set to give up waiting for its start.

    Raises:
        Stopped: `stop` was set.
    """

    def __init__(self, options: RunOptions, hidden: Hidden, owner: str, confinement: str, stop: threading.Event) -> None:
        self.owner, self.confinement = owner, confinement
        self.cells = 0
        self.data_hash = ""
        #: What it said of the machine before its first cell.
        self._machine: dict[str, Any] = {}
        #: Whether the next cell would find the process in the same state as this one did.
        self.clean = True
        self._mark = uuid.uuid4().hex
        self._folder = PrivateFolder()
        self._output = self._folder.path / "output"
        work = self._folder.path / "work"
        work.mkdir()
        self._pipe, theirs = multiprocessing.Pipe()
        lifeline, self._lifeline = os.pipe()
        variables = environment.of_method(os.environ, options.threads, work, options.numerics) | {MARK: self._mark}
        file = owner if os.path.isabs(owner) else ""
        allowed = list_allowed(hidden.paths, file, (work, self._output), options.device != "cpu") if confinement != NONE else None
        self._starter = starter.take(variables)
        self._group: Group | None = None
        with contextlib.suppress(OSError):
            self._group = Group(MOST_PROCESSES) if boot.FORKS else None
        # Opened for appending, so that it can be emptied.
        with open(self._output, "ab") as output, contextlib.suppress(OSError):  # it died; `started` notices
            largest, group = int(options.disk * 1e9), str(self._group.path) if self._group else ""
            most = MOST_PROCESSES + 10  # so that more can be seen
            start = Start(variables, str(work), hidden, allowed, os.getpid(), largest, group, most)
            self._starter.begin(start, (theirs.fileno(), lifeline, output.fileno()))
        theirs.close()
        os.close(lifeline)
        while not self._starter.started(TICK):
            if stop.is_set():
                self._abandon()
                raise Stopped
        if self._starter.separate and confinement != NONE:
            self.confinement = f"{confinement}+mounts"
        if not self._starter.pid:
            with open(self._output, "a") as output:
                output.write(self._starter.said())
        if self._group and not self._group.join(self._starter.pid):  # it may not, or has ended already
            self._group.close()
            self._group = None
        self._longest = wire.TEXTS
        # Threads of their own, so that a method that sends half a message, or does not read what it asked for, blocks no one.
        # The reader takes a message once the one before has been handled and the method has read what it was sent: a host holds
        # one message or one reply of a method at a time, and a method that floods the pipe waits.
        self._closed, self._turn, self._written = threading.Event(), threading.Event(), threading.Event()
        self._handled, self._sent = True, 0.0
        self._inbox: queue.Queue[Arrived] = queue.Queue(1)
        self._outbox: queue.Queue[Any] = queue.Queue(1)
        self._written.set()
        for work_of in (self._read, self._write):
            threading.Thread(target=work_of, daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._starter.poll() is None

    def ask(self, job: Job, bounds: Bounds, stop: threading.Event, on_message: OnMessage) -> wire.Answer:
        """Run a job and return its answer, with the cost as measured from outside.

        Raises:
            Lost: no answer came, or it broke the protocol; the process has been killed.
            Stale: something of an earlier job still runs in the process, which has been killed.
            Stopped: `stop` was set; the process has been killed.
        """
        self.cells += 1
        with contextlib.suppress(OSError):
            os.truncate(self._output, 0)
        self._longest = wire.TEXTS + job.longest
        started = time.monotonic()
        try:
            self._send(job)
            self.data_hash = job.data_hash
            return self._converse(job, bounds, stop, on_message)
        except (Lost, Stopped, Stale) as error:
            self.kill()
            if isinstance(error, Lost):
                error.seconds = error.seconds or time.monotonic() - started
            raise

    def inquire(self, question: Question, seconds: float) -> wire.Told | wire.Refused:
        """Ask about a class and return the answer.

        Raises:
            Lost: no answer came in time, or the process broke the protocol; it has been killed.
        """
        self._longest = wire.TEXTS
        deadline, check = time.monotonic() + seconds, self._watch(Bounds(disk=RunOptions().disk))
        try:
            self._send(question)
            while time.monotonic() < deadline:
                check()
                arrived = self._next(threading.Event())
                if arrived is None:
                    continue
                message = self._of(arrived, question.ticket)
                if isinstance(message, wire.Violation):
                    raise Lost("violation", message.message)
                if isinstance(message, wire.Told | wire.Refused):
                    return message
                raise Lost("crash", f"the method's process said {type(message).__name__} out of turn")
            raise Lost("timeout", f"no answer within {seconds:g} s")
        except (Lost, Stale) as error:
            self.kill()
            if isinstance(error, Stale):
                raise Lost("crash", "the method's process said more than it was asked for") from None
            raise

    def _converse(self, job: Job, bounds: Bounds, stop: threading.Event, on_message: OnMessage) -> wire.Answer:
        # The method's clock starts when it begins: starting a process and importing torch are not its time.
        started, limit, meter = time.monotonic(), START, None
        check = self._watch(bounds)
        expected: type[Any] = wire.Begin
        arrived: Arrived | None
        message: wire.Message | None
        try:
            while True:
                arrived = message = None  # it may be large, and is let go before the next is read
                arrived = self._next(stop)
                if arrived is not None:
                    message = self._of(arrived, job.ticket)
                    if isinstance(message, wire.Violation):
                        raise Lost("violation", message.message)
                    if isinstance(message, wire.Begin | wire.Propose | wire.Answer):
                        if not isinstance(message, expected) and not (isinstance(message, wire.Answer) and message.error):
                            raise Lost("crash", f"the method's process said {type(message).__name__} out of turn")
                    elif expected is not wire.Answer or isinstance(message, wire.Settled | wire.Told | wire.Refused):
                        raise Lost("crash", f"the method's process said {type(message).__name__} out of turn")
                    match message:
                        case wire.Begin(stack):
                            self._machine = self._machine or stack
                            started, limit, expected = arrived.time, bounds.seconds, wire.Propose
                        case wire.Propose():
                            meter, expected = processes.Meter(self._starter.pid, arrived.time), wire.Answer
                        case wire.Answer():
                            cost = meter.read(arrived.time) if meter else {"wall_seconds": arrived.time - started}
                            self._check(message, job)
                            self._settle(job, stop)
                            stack = message.stack | self._machine if message.stack else {}
                            return replace(message, cost=message.cost | cost, stack=stack)
                        case wire.Progress() | wire.Ask() | wire.Fetch() | wire.Keep():
                            self._handle(message, job, on_message)
                if expected is not wire.Begin and not self._written.is_set() and time.monotonic() - self._sent > READ:
                    raise Lost("crash", "the method's process asks questions and does not read the answers")
                if limit and time.monotonic() - started > limit:
                    raise Lost("timeout", f"took longer than {limit:g} s")
                check()
        except Lost as error:
            error.seconds = time.monotonic() - started
            raise

    def _watch(self, bounds: Bounds) -> Callable[[], None]:
        """A function that raises `Lost` once the process uses more than it may, and bounds its output."""
        pid = self._starter.pid
        memory, disk = processes.Memory(pid, bounds.gigabytes), Disk(str(self._folder.path), pid, bounds.disk)
        number = processes.Number(pid, MOST_PROCESSES, self._group)

        def check() -> None:
            if used := memory.over():
                raise Lost("memory", f"used {used:.2f} GB, more than the {bounds.gigabytes:g} GB allowed")
            if used := disk.over():
                what = f"wrote {used:.2f} GB to disk, more than the {bounds.disk:g} GB allowed"
                raise Lost("disk", what if used < float("inf") else "made folders nested too deeply to be measured")
            if number.over():
                raise Lost("processes", f"started more than the {MOST_PROCESSES} processes and threads allowed")
            self._bound_output()

        return check

    def _handle(self, message: Any, job: Job, on_message: OnMessage) -> None:
        try:
            if (reply := on_message(message)) is not None:
                if isinstance(reply, str) and reply == "make":  # room for one: however many are to come, they come one by one
                    self._longest = wire.TEXTS + job.longest + wire.SHARED
                self._send(reply)
        except Lost:
            raise
        except Exception as error:  # any exception here was caused by this message
            what = f"{type(message).__name__} could not be handled: {type(error).__name__}: {error}"
            raise Lost("crash", clean(f"the message {what}")) from error

    def _of(self, arrived: Arrived, ticket: str) -> wire.Message:
        if isinstance(arrived.message, str):
            raise Lost("crash", arrived.message)
        if arrived.ticket != ticket:
            if self.cells > 1:  # a thread or a child of an earlier cell may have spoken
                raise Stale
            raise Lost("crash", "the method's process sent a message with the ticket of another cell")
        return arrived.message

    def _check(self, answer: wire.Answer, job: Job) -> None:
        """Check that the device and threads that the process reports are those requested."""
        stack = answer.stack
        if answer.error and not stack:
            return
        device, threads = stack.get("device"), stack.get("threads")
        if device is None or (job.device != "auto" and device != job.device) or threads != job.threads:
            asked = f"device {job.device}, {job.threads} threads"
            raise Lost("crash", f"the method's process reports device {device}, {threads} threads; requested was {asked}")

    def _settle(self, job: Job, stop: threading.Event) -> None:
        """End what the cell left running, check that its process has no more messages, and ask for the process's state."""
        left = processes.descendants(self._starter.pid)
        processes.kill(left)
        self.clean = not left
        self._longest = wire.TEXTS
        ticket = uuid.uuid4().hex
        self._send(Settle(ticket))
        deadline = time.monotonic() + SETTLE
        while time.monotonic() < deadline:
            arrived = self._next(stop)
            if arrived is None:
                continue
            if isinstance(arrived.message, str):  # it ended, or closed the pipe: nothing more will come
                break
            if isinstance(arrived.message, wire.Violation):
                raise Lost("violation", arrived.message.message)
            if not (isinstance(arrived.message, wire.Settled) and arrived.ticket == ticket):
                raise Lost("crash", "the method's process sent more messages than it was asked for")
            self.clean = self.clean and not arrived.message.changed
            return
        self.clean = False

    def output(self) -> str:
        """The end of what the method printed in the last job."""
        try:
            with open(self._output, "rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - OUTPUT))
                return file.read(OUTPUT).decode(errors="replace")
        except OSError:
            return ""

    def kill(self) -> None:
        """Kill the process and all it started, even in other sessions; no signal handler can prevent it."""
        if self._group:
            self._group.kill()
        if self.alive:
            processes.suspend(self._starter.pid)
        if boot.FORKS:  # what outlives the process becomes a child of the starter
            processes.kill_below(self._starter.root)
        else:
            processes.kill_below(self._starter.pid)
            processes.kill_group(self._starter.pid)
            # Surviving children of a process that has died carry its mark in their environment.
            processes.kill_all(lambda: processes.marked(MARK, self._mark))
        self._starter.wait(END)

    def close(self) -> None:
        """Kill the process and remove its folder."""
        self._closed.set()
        self.kill()
        self._starter.release()
        if self._group:
            self._group.close()
        self._pipe.close()
        os.close(self._lifeline)
        self._folder.remove()

    def _abandon(self) -> None:
        """Give up a process that has not started."""
        self._starter.close()
        if self._group:
            self._group.close()
        self._pipe.close()
        os.close(self._lifeline)
        self._folder.remove()

    def _send(self, message: Any) -> None:
        self._written.clear()
        self._sent = time.monotonic()
        self._outbox.put(message)

    def _write(self) -> None:
        while not self._closed.is_set():
            with contextlib.suppress(queue.Empty):
                self._write_one(self._outbox.get(timeout=1))
                self._written.set()

    def _write_one(self, message: Any) -> None:
        with contextlib.suppress(OSError):  # it died; the reader reports that
            wire.deliver(self._pipe, message)

    def _read(self) -> None:
        while not self._closed.is_set():
            if self._turn.wait(1) and self._written.wait(1):
                self._turn.clear()
                if not self._read_one():
                    return

    def _read_one(self) -> bool:
        """Take one message from the pipe; whether others may follow."""
        ticket = ""
        message: wire.Message | str
        try:
            ticket, message = wire.decode(self._pipe.recv_bytes(self._longest))
        except (EOFError, ConnectionError):
            message = self._how_it_ended()
        except Exception as error:  # not a message, or too many bytes: nothing after it can be decoded
            message = f"the method's process wrote invalid bytes into the harness's pipe ({error})"
        self._inbox.put(Arrived(time.monotonic(), ticket, message))
        return not isinstance(message, str)

    def _next(self, stop: threading.Event) -> Arrived | None:
        """The next that arrived, or None where nothing came for a moment."""
        arrived = None
        if self._handled:
            self._handled = False
            self._turn.set()
        with contextlib.suppress(queue.Empty):
            arrived = self._inbox.get(timeout=TICK)
            self._handled = True
        if arrived and isinstance(arrived.message, str) and self._starter.poll() == -signal.SIGTERM:
            stop.wait(1)  # a scheduler that ends a job signals both host and method; the host's signal may arrive a moment later
        if stop.is_set():
            raise Stopped
        return arrived

    def _bound_output(self) -> None:
        with contextlib.suppress(OSError):
            if self._output.stat().st_size > OUTPUT_FILE:
                os.truncate(self._output, 0)

    def _how_it_ended(self) -> str:
        code = self._starter.wait(2)
        if code is None:
            return "the method's process closed the harness's pipe"
        if code >= 0:
            return f"the method's process ended without an answer (exit code {code})"
        name = signal.Signals(-code).name
        hint = "; perhaps the machine ran out of memory" if -code == signal.SIGKILL else ""
        return f"the method's process ended without an answer (signal {-code}, {name}{hint})"
