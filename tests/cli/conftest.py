"""What the tests of the command line share."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest


@pytest.fixture
def terminal():
    """Runs `bbo` on a terminal of that many columns and returns what it wrote there, escape sequences and all."""

    def run(*words, columns=80, cwd=None, **environment):
        ours, theirs = pty.openpty()
        plain = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS")}
        process = subprocess.Popen(
            [sys.executable, "-m", "bbo.cli", *map(str, words)],
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            cwd=cwd,
            env={**plain, "COLUMNS": str(columns), "TERM": "xterm", **environment},
        )
        os.close(theirs)
        written = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other end was closed
                break
            if not part:
                break
            written += part
        process.wait()
        os.close(ours)
        return written.decode().replace("\r\n", "\n")

    return run
