"""How much a method's process writes to disk: the files of its private folder, and those that it deleted and keeps open."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Iterator

from bbo.harness.sandbox import processes

#: Seconds between two looks, and how many times the duration of a look they are at least.
PAUSE, SHARE = 1.0, 20
#: Bytes that every file and folder counts, however small.
ENTRY = 4096


class Disk:
    """Bytes that a process and all it started hold on the disk of its private folder.

    Args:
        folder: the private folder.
        pid: the process.
        gigabytes: how much is allowed, 10^9 bytes each; 0 for no limit.
    """

    def __init__(self, folder: str, pid: int, gigabytes: float) -> None:
        self._folder, self._pid, self._limit = folder, pid, gigabytes * 1e9
        self._next = time.monotonic() + PAUSE

    def over(self) -> float:
        """Gigabytes used if that is more than allowed, infinity if folders are nested too deeply to be measured, else 0."""
        start = time.monotonic()
        if not self._limit or start < self._next:
            return 0.0
        used = 0.0
        for size in self._sizes():
            used += size
            if used > self._limit:
                break
        end = time.monotonic()
        self._next = end + max(PAUSE, SHARE * (end - start))
        return used / 1e9 if used > self._limit else 0.0

    def _sizes(self) -> Iterator[float]:
        waiting = [self._folder]
        while waiting:
            folder = waiting.pop()
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        with contextlib.suppress(FileNotFoundError):
                            yield ENTRY + entry.stat(follow_symlinks=False).st_blocks * 512
                            if entry.is_dir(follow_symlinks=False):
                                waiting.append(entry.path)
            except OSError as error:  # it was removed, or may not be read
                if error.errno == errno.ENAMETOOLONG:
                    yield float("inf")
        yield from self._deleted()

    def _deleted(self) -> Iterator[float]:
        try:
            device = os.stat(self._folder).st_dev
        except OSError:
            return
        seen = set()
        for pid in (self._pid, *(process.pid for process in processes.descendants(self._pid))):
            with contextlib.suppress(OSError):
                for name in os.listdir(f"/proc/{pid}/fd"):
                    with contextlib.suppress(OSError):
                        facts = os.stat(f"/proc/{pid}/fd/{name}")
                        if (
                            stat.S_ISREG(facts.st_mode)
                            and not facts.st_nlink
                            and facts.st_dev == device
                            and facts.st_ino not in seen
                        ):
                            seen.add(facts.st_ino)
                            yield facts.st_blocks * 512
