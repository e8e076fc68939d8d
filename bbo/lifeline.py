"""Processes that end with their owner: it keeps one end of a pipe, its lifeline, and the kernel closes that end when the owner dies."""

from __future__ import annotations

import os
import signal
import sys
import threading


def hold(lifeline: int) -> None:
    """End this process's group when the other end of the pipe `lifeline` closes, on Linux; the caller leads the group."""
    if sys.platform == "linux":
        import fcntl

        # By signal, since a method or a simulator may hold the interpreter's lock for hours, and no thread of ours would run.
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)


def watch(lifeline: int) -> None:
    """The same by a thread, for other systems than Linux."""

    def wait() -> None:
        os.read(lifeline, 1)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()
