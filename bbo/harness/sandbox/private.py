"""The private folder of a method's process, below the folder for temporary files: its host holds a lock on it, which dies with the host."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bbo.files import remove_tree

#: Not that of earlier versions, which took no lock: their folders are left alone.
PREFIX = "bbo-private-"
#: Seconds that a folder without a lock is old before it counts as left behind: its host may be about to lock it.
AGE = 60.0


class PrivateFolder:
    """A new empty folder at `path`, for this process until it is removed or this process dies.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._lock = os.open(self.path, os.O_RDONLY)
        _locked(self._lock)

    def remove(self) -> None:
        """Remove the folder and all in it."""
        remove_tree(self.path)
        os.close(self._lock)


def clear() -> None:
    """Remove this user's private folders whose hosts have died."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError), _opened(path) as folder:
            facts = os.fstat(folder)
            if facts.st_uid == os.getuid() and time.time() - facts.st_mtime > AGE and _locked(folder):
                remove_tree(path)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield folder
    finally:
        os.close(folder)


def _locked(folder: int) -> bool:
    """Lock a folder; whether that was possible: no other process holds it, and the file system has locks."""
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
