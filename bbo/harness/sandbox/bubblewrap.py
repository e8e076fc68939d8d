"""Confines a method's process by bubblewrap (`bwrap`), where the kernel has no Landlock: only what it may open is there at all.

The process is in namespaces of its own: mounts with the allow-list alone, other processes, network, host name and System V memory.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from bbo.harness.sandbox.landlock import Allowed

PROGRAM = "bwrap"
#: Without rights, without the host's processes, network, names and memory; with /proc and a few devices of its own.
ALONE = (
    *("--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--cap-drop", "ALL"),
    *("--dev", "/dev", "--proc", "/proc"),
)
#: Made by `ALONE`, whatever the allow-list says of them.
OWN = ("/dev", "/proc")


@cache
def refusal() -> str:
    """Why bubblewrap cannot be used here; empty if it can. Tried once, since containers and systems often forbid namespaces."""
    if sys.platform != "linux" or not (program := shutil.which(PROGRAM)):
        return "bubblewrap is not installed"
    words = [program, *ALONE, "--ro-bind", "/", "/", *ALONE, "true"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=20, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bubblewrap cannot be used ({type(error).__name__})"
    return f"bubblewrap cannot be used ({done.stderr.strip().splitlines()[-1:]})" if done.returncode else ""


def words(allowed: Allowed) -> list[str]:
    """The beginning of a command that runs confined to an allow-list."""
    read = [path for path in allowed.read if not _below(path, OWN)]
    write = [path for path in allowed.write if not _below(path, OWN)]
    devices = [path for path in allowed.devices if path.startswith(("/dev/nvidia", "/dev/dri", "/dev/kfd"))]
    found = [shutil.which(PROGRAM) or PROGRAM, *ALONE]
    for link, target in _links(
        [sys.executable, sys.prefix, *sys.path, "/bin", "/sbin", "/lib", "/lib32", "/lib64"], [*read, *write]
    ):
        found += ["--symlink", target, link]
    for option, paths in (("--ro-bind-try", sorted(read)), ("--dev-bind-try", devices), ("--bind", write)):
        for path in paths:
            found += [option, path, path]
    return [*found, "--remount-ro", "/", "--chdir", "/", "--"]


def _below(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(folder + os.sep) for folder in folders)


def _links(paths: Iterable[str], bound: list[str]) -> Iterator[tuple[str, str]]:
    """Links on the way to these paths, each with what it says, but for those in folders that are there anyway."""
    seen, waiting = set[str](), list(map(os.path.abspath, paths))
    while waiting:
        path = Path(waiting.pop())
        for one in (*reversed(path.parents), path):
            if one.is_symlink() and not _below(str(one), bound):
                if str(one) not in seen:
                    seen.add(str(one))
                    yield str(one), os.readlink(one)
                    waiting.append(os.path.normpath(one.parent / os.readlink(one) / path.relative_to(one)))
                break
