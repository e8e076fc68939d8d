"""Arrays that the cells of a results folder share across seeds: `DIR/shared/`, stored by hosts on behalf of their methods.

Writes are atomic, and one cell at a time computes an array; others that need it wait. If that cell
dies, its lock is released. The folder is a cache: it can be removed at any time, and results do not change.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import Literal

import numpy as np
from filelock import FileLock, Timeout

from bbo import bounded, files
from bbo.bounded import Unreadable

#: Bytes of the largest array, and of all that one cell may store: an endless row of arrays would fill the disk.
LARGEST, MOST = 10**8, 10**9


class SharedArrays:
    """One host's access to a results folder's shared arrays."""

    def __init__(self, out: Path) -> None:
        self._folder = out / "shared"
        self._making: dict[str, FileLock] = {}
        self._stored = 0

    def fetch(self, key: str) -> np.ndarray | Literal["make", "wait"]:
        """The array of a key; or "make" if the asking cell must compute and `keep` it, or "wait" if another cell is computing it."""
        path = self._path(key)
        found = _read(path)
        if found is not None or key in self._making:
            return found if found is not None else "make"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path.with_suffix(".lock"))
            lock.acquire(blocking=False)
        except Timeout:
            return "wait"
        except (OSError, NotImplementedError):  # no space, or no locks on this file system: it may be computed twice
            return "make"
        found = _read(path)  # it may have been stored while we waited for the lock
        if found is not None:
            lock.release()
            return found
        self._making[key] = lock
        return "make"

    def keep(self, key: str, array: np.ndarray) -> None:
        """Store an array that `fetch` answered with "make"; nothing where it is larger than `LARGEST`.

        Raises:
            ValueError: with it, the cell's arrays would be more than `MOST`.
        """
        path = self._path(key)
        if array.nbytes > LARGEST:
            return self.release(key)
        self._stored += array.nbytes
        if self._stored > MOST:
            raise ValueError(f"a cell shares at most {MOST / 1e9:g} GB of arrays")
        with contextlib.suppress(OSError), files.whole(path) as file:  # without space nothing is shared; the cell has its array
            np.savez(file, allow_pickle=False, array=array)
        self.release(key)

    def release(self, key: str) -> None:
        """Let another cell make the array of a key, if `fetch` answered with "make"."""
        if lock := self._making.pop(key, None):
            lock.release()

    def let_go(self) -> None:
        """Release the locks on arrays that were requested and not computed."""
        while self._making:
            self._making.popitem()[1].release()

    def _path(self, key: str) -> Path:
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.npz"


def _read(path: Path) -> np.ndarray | None:
    try:
        return bounded.npz(path, ["array"], LARGEST, links=False)["array"]
    except Unreadable:  # missing or damaged, which the archive's checksum tells: it is computed again
        return None
