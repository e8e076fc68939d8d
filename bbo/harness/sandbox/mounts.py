"""Gives a method's process its own /dev/shm and hides sockets with names in the file system, which Landlock does not govern.

A namespace of mounts does both: root may make one; others may where the system lets users make namespaces. Elsewhere it is left out.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import sys
from collections.abc import Iterable, Iterator

_NEW_MOUNTS, _NEW_USER = 0x00020000, 0x10000000
_NO_SETUID, _NO_DEVICES, _BIND, _RECURSIVE, _PRIVATE = 2, 4, 4096, 16384, 1 << 18
SHARED_MEMORY = "/dev/shm"
#: Where services keep their sockets.
SERVICES = "/run"
#: Sockets that are needed: CUDA's service for several processes, and the directory of users.
NEEDED = ("/tmp/nvidia-mps", os.environ.get("CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps"), "/var/lib/sss")
#: Most sockets that are hidden one by one.
MOST = 1000


def separate(keep: Iterable[str]) -> None:
    """Give this process, which must have one thread, its own /dev/shm and hide sockets from it; for good.

    Args:
        keep: what it may open; nothing of this is hidden.

    Raises:
        OSError: the system does not allow it. The process may be in a user namespace then, so it must end.
    """
    keep = [os.path.realpath(path) for path in keep]
    sockets = [path for path in _sockets() if not path.startswith((*NEEDED, *(one.rstrip("/") + "/" for one in keep)))]
    user, group = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_MOUNTS) < 0:
        _check(libc.unshare(_NEW_MOUNTS | _NEW_USER))
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)

    def mount(what: str, where: str, kind: str, flags: int, options: str = "") -> None:
        _check(libc.mount(what.encode(), where.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode() or None))

    mount("none", "/", "", _RECURSIVE | _PRIVATE)
    mount("tmpfs", SHARED_MEMORY, "tmpfs", _NO_SETUID | _NO_DEVICES, "mode=1777")
    if os.path.isdir(SERVICES) and not any((path + "/").startswith(SERVICES + "/") for path in keep):
        mount("tmpfs", SERVICES, "tmpfs", _NO_SETUID | _NO_DEVICES, "mode=755")
    for path in sockets:
        with contextlib.suppress(OSError):  # hidden by /run, or gone
            if stat.S_ISSOCK(os.lstat(path).st_mode):
                mount("/dev/null", path, "", _BIND)


def allowed() -> bool:
    """Whether processes here may have mounts of their own; tried in a forked process, which must be safe to make."""
    if sys.platform != "linux":
        return False
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            separate(())
            os._exit(0)
        os._exit(1)
    return os.waitpid(pid, 0)[1] == 0


def _sockets() -> Iterator[str]:
    """Paths of the sockets that have one, at most `MOST`."""
    with contextlib.suppress(OSError), open("/proc/net/unix", errors="surrogateescape") as file:
        paths = {words[7].rstrip("\n") for line in file if len(words := line.split(maxsplit=7)) == 8}
        yield from sorted(path for path in paths if path.startswith("/"))[:MOST]


def _check(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
