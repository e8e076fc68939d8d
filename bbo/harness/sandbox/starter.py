"""Starts method processes, by way of a process that has loaded torch already (`bbo.harness.sandbox.boot`). Starters are kept for reuse."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from multiprocessing.connection import Connection, wait

from bbo.harness.sandbox.boot import FORKS, Start
from bbo.harness.sandbox.environment import LIBRARIES

BOOT = """\
import json, sys
path, control = json.loads(sys.argv[1])
sys.path[:] = path
from bbo.harness.sandbox import boot
boot.main(control)
"""
_lock = threading.Lock()
_idle: list[Starter] = []


class Starter:
    """A process that starts method processes, one at a time.

    Args:
        environment: variables that its libraries load with; what a method process is given replaces the others.
    """

    def __init__(self, environment: dict[str, str]) -> None:
        self.key = _key(environment)
        self.pid = 0
        #: Whether the method process has mounts of its own.
        self.separate = False
        self._code: int | None = None
        self._buffer = b""
        self._reading = threading.Lock()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self._control, theirs = socket.socketpair()
        self._requests = Connection(os.dup(self._control.fileno()))
        path = [os.path.abspath(entry) for entry in sys.path]
        # Its own session: Ctrl-C in a terminal reaches the host alone.
        self._popen = subprocess.Popen(
            [sys.executable, "-c", BOOT, json.dumps([path, theirs.fileno()])],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            cwd=os.sep,
            env=environment,
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
        )
        theirs.close()

    @property
    def root(self) -> int:
        """The process below which everything belongs to the present method process."""
        return self._popen.pid

    def begin(self, request: Start, descriptors: tuple[int, int, int]) -> None:
        """Ask for a method process; its `pid` is there once `started` says so.

        Raises:
            OSError: the starter has died.
        """
        self.pid, self._code = 0, None
        self._requests.send(request)
        socket.send_fds(self._control, [b"."], descriptors)
        if not FORKS:
            self.pid = self._popen.pid

    def started(self, seconds: float) -> bool:
        """Whether the method process runs, or has failed to start, waiting up to `seconds` for it."""
        self._listen(seconds)
        return bool(self.pid) or self._code is not None

    def poll(self) -> int | None:
        """Exit code of the method process as `subprocess` gives it, None while it runs."""
        if not FORKS:
            return self._popen.poll()
        if self._code is None:
            self._listen(0)
        return self._code

    def wait(self, seconds: float) -> int | None:
        """`poll`, waiting up to `seconds` for the end."""
        deadline = time.monotonic() + seconds
        while self.poll() is None and (left := deadline - time.monotonic()) > 0:
            self._listen(min(left, 0.05)) if FORKS else time.sleep(0.01)
        return self.poll()

    def said(self) -> str:
        """The end of what the starter itself printed: why it could not start."""
        with contextlib.suppress(OSError):
            self._log.seek(0)
            return self._log.read()[-2000:].decode(errors="replace")
        return ""

    def release(self) -> None:
        """Keep the starter for the next method process, if it can start another."""
        if FORKS and self._popen.poll() is None and (not self.pid or self._code is not None):
            with _lock:
                _idle.append(self)
        else:
            self.close()

    def close(self) -> None:
        """End the starter."""
        self._popen.kill()
        self._popen.wait()
        self._control.close()
        self._requests.close()
        self._log.close()

    def _listen(self, seconds: float) -> None:
        with self._reading:
            # Never by a time-out of the socket: that would make it non-blocking, and a long request would be cut in the middle.
            if not wait([self._control], seconds):
                return
            try:
                came = self._control.recv(4096)
            except OSError:
                came = b""
            if not came:  # the starter has died
                self._code = self._popen.wait()
                return
            *lines, self._buffer = (self._buffer + came).split(b"\n")
            for line in lines:
                facts = json.loads(line)
                self.pid = facts.get("pid", self.pid)
                self._code = facts.get("code", self._code)
                self.separate = bool(facts.get("separate", self.separate))


def take(environment: dict[str, str]) -> Starter:
    """An idle starter whose libraries loaded with these variables, or a new one."""
    key = _key(environment)
    with _lock:
        for starter in _idle:
            if starter.key == key and starter._popen.poll() is None:
                _idle.remove(starter)
                return starter
    return Starter(environment)


def close_idle() -> None:
    """End the starters that wait for work."""
    with _lock:
        idle, _idle[:] = list(_idle), []
    for starter in idle:
        starter.close()


def _key(environment: dict[str, str]) -> tuple[object, ...]:
    return tuple(sys.path), tuple(sorted((k, v) for k, v in environment.items() if k.startswith(LIBRARIES)))
