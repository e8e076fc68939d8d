"""What a method process is made of: a process that has loaded torch and the harness's own modules, and no task and no method.

On Linux it forks a method process whenever the host asks for one, within milliseconds, where loading torch takes seconds. One method process
at a time; whatever that leaves behind becomes this process's child, so that the host finds and ends it. On other systems, where
libraries do not survive a fork, this process becomes the method process itself.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import re
import resource
import select
import signal
import socket
import sys
import tempfile
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from bbo.harness.sandbox import child, mounts
from bbo.harness.sandbox.guard import Hidden
from bbo.harness.sandbox.landlock import Allowed

#: Whether method processes are forked.
FORKS = sys.platform == "linux"
#: Bytes of a dump that Linux takes for "none at all"; elsewhere that is 0.
NO_DUMP = 1 if sys.platform == "linux" else 0


@dataclass(frozen=True)
class Start:
    """A request for a method process. Three descriptors follow it: its pipe, its lifeline, its output.

    Args:
        environment: all environment variables.
        folder: its working folder.
        hidden: what the guard refuses.
        allowed: what it may open; None to leave it unconfined.
        host: number of the process that asks.
        largest: bytes of the largest file that it may write; 0 for no limit.
        group: folder of its control group, which is removed if the host dies; empty for none.
        most: how many processes and threads it may have, where it is in a namespace of its own users.
    """

    environment: dict[str, str]
    folder: str
    hidden: Hidden
    allowed: Allowed | None
    host: int
    largest: int = 0
    group: str = ""
    most: int = 0


def main(descriptor: int) -> None:
    """Serve requests until the host closes the other end of the socket `descriptor`."""
    control = socket.socket(fileno=descriptor)
    control.set_inheritable(False)
    requests = Connection(descriptor)
    child.adopt_orphans()
    import threadpoolctl  # noqa: F401
    import torch

    import bbo.problem  # noqa: F401
    from bbo import catalogue

    catalogue.method_ids()
    separate = mounts.allowed()
    torch.use_deterministic_algorithms(True)  # imports torch's compiler, for a second; so do its optimizers
    gc.collect()
    gc.freeze()  # the collector of a forked process then leaves these pages shared
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    current, joined = 0, ""
    while True:
        ready, _, _ = select.select([descriptor, woken], [], [])
        if woken in ready:
            os.read(woken, 1000)
            current = _reap(current, control)
        if descriptor not in ready:
            continue
        try:
            request = requests.recv()
            _, descriptors, _, _ = socket.recv_fds(control, 1, 3)
        except (EOFError, OSError):
            break  # the host has ended, perhaps killed
        current = os.fork() if FORKS else 0
        if current == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            if FORKS:
                os.setsid()
                for end in (woken, wake):
                    os.close(end)
                control.close()
            _become(request, separate, *descriptors)
        for each in descriptors:
            os.close(each)
        joined = request.group
        _say(control, {"pid": current, "separate": int(separate and request.allowed is not None)})
    _end_all()
    with contextlib.suppress(OSError):
        os.rmdir(joined)  # the host has not


def _end_all() -> None:
    """Kill all that was started here, sessions of their own included, until nothing is left: their orphans become our children."""
    import psutil

    for _ in range(200):
        found = psutil.Process().children(recursive=True)
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.kill()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if not found:
            return
        time.sleep(0.01)


def _reap(current: int, control: socket.socket) -> int:
    """Collect dead children; the one that the host knows is reported. The number of the method process, 0 once it has ended."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return 0
        if pid == 0:
            return current
        if pid == current:
            current = 0
            _say(control, {"code": os.waitstatus_to_exitcode(status)})


def _say(control: socket.socket, facts: dict[str, int]) -> None:
    control.sendall(json.dumps(facts).encode() + b"\n")


def _become(request: Start, separate: bool, pipe: int, lifeline: int, output: int) -> Any:
    """Turn this process into a method process; does not return."""
    try:
        with open(os.devnull) as nothing:
            os.dup2(nothing.fileno(), 0)
        for standard in (1, 2):
            os.dup2(output, standard)
        os.close(output)
        if separate and request.allowed is not None:
            mounts.separate((*request.allowed.read, *request.allowed.write))
            _limit_processes(request.most)
        if request.largest:
            # A limit that the user has set lower stays: only root could raise it, and nobody should.
            limits = [own for own in resource.getrlimit(resource.RLIMIT_FSIZE) if own != resource.RLIM_INFINITY]
            largest = min([request.largest, *limits])
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
        # No dump of its memory, neither into a file nor to a crash handler outside the sandbox: 1 has this meaning for Linux.
        resource.setrlimit(resource.RLIMIT_CORE, (NO_DUMP, NO_DUMP))
        os.environ.clear()
        os.environ.update(request.environment)
        os.chdir(request.folder)
        tempfile.tempdir = None  # the compiler asked for it in the starter's own environment
        child.main(pipe, lifeline, request.hidden, request.allowed, request.host)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(1)


def _limit_processes(most: int) -> None:
    """Let the kernel refuse further processes; of no effect for root.

    It counts those of the user, in a namespace of its own users only those there (since Linux 5.14).
    """
    release = tuple(map(int, re.findall(r"\d+", os.uname().release)[:2]))
    if most and os.geteuid() and release >= (5, 14):
        limits = [own for own in resource.getrlimit(resource.RLIMIT_NPROC) if own != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_NPROC, (min([most, *limits]),) * 2)
