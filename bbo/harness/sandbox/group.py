"""A control group of Linux for a method's process and all it starts: it bounds their number, and ends them at once.

What is in a group cannot leave it, and neither can what it forks, whatever its session or parent. A group is made below the host's own,
where the system lets it: for root, and where a service manager hands a part of the tree to its user. Elsewhere there is none.
"""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

#: Seconds that the members of a group may take to end.
END = 10.0
PREFIX = "bbo-method-"


class Group:
    """A control group without members.

    Args:
        most: processes and threads that it may hold, where the system has the controller for it.

    Raises:
        OSError: none is available.
    """

    def __init__(self, most: int) -> None:
        self.path = _made()
        with contextlib.suppress(OSError):
            (self.path / "pids.max").write_text(str(most))

    def holds(self, pid: int) -> bool:
        """Whether a process is a member."""
        return pid in self._members()

    def join(self, pid: int) -> bool:
        """Make a process a member; whether the system allows it."""
        if pid <= 0:  # it did not start; 0 would be this process
            return False
        with contextlib.suppress(OSError):
            (self.path / "cgroup.procs").write_text(str(pid))
        return self.holds(pid)

    def refused(self) -> int | None:
        """How many processes and threads could not start, for want of room; None where the system does not bound them."""
        with contextlib.suppress(OSError, ValueError):
            return int((self.path / "pids.events").read_text().split()[1])
        return None

    def kill(self) -> None:
        """End all members, however fast they start others."""
        with contextlib.suppress(OSError):
            (self.path / "pids.max").write_text("0")  # from here on none can be started
        deadline = time.monotonic() + END
        while time.monotonic() < deadline and (members := self._members()):
            with contextlib.suppress(OSError):
                (self.path / "cgroup.kill").write_text("1")
            for pid in members:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.002)

    def close(self) -> None:
        """End all members and remove the group."""
        self.kill()
        deadline = time.monotonic() + END
        while time.monotonic() < deadline and self.path.exists():
            with contextlib.suppress(OSError):  # busy until its last member has been collected
                self.path.rmdir()
                return
            time.sleep(0.01)

    def _members(self) -> set[int]:
        with contextlib.suppress(OSError, ValueError):
            return set(map(int, (self.path / "cgroup.procs").read_text().split()))
        return set()


def _made() -> Path:
    for above in _own():
        for old in above.glob(f"{PREFIX}*"):  # of a host that was killed
            if not os.path.exists(f"/proc/{old.name.split('-')[2]}"):
                with contextlib.suppress(OSError):
                    old.rmdir()
        with contextlib.suppress(OSError):
            return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=above))
    raise OSError("no control groups for this user")


def _own() -> Iterator[Path]:
    """Folders of this process's own groups: first that of the controller that counts processes, if it has a tree of its own."""
    found: dict[str, Path] = {}
    with contextlib.suppress(OSError, ValueError), open("/proc/self/cgroup") as file, open("/proc/self/mountinfo") as mounts:
        groups = dict(line.rstrip("\n").split(":", 2)[1:] for line in file)
        own = {kind: path for kinds, path in groups.items() for kind in kinds.split(",")}
        for words in map(str.split, mounts):
            kind, options = words[words.index("-") + 1], words[-1].split(",")
            name = "pids" if kind == "cgroup" and "pids" in options else "" if kind == "cgroup2" else None
            if name in own and not (below := os.path.relpath(own[name], words[3])).startswith(".."):
                found[name] = Path(words[4], below)
    yield from (found[name] for name in ("pids", "") if name in found)
