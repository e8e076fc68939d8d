"""Atomic writes: a file is written under a temporary name beside its place, then renamed."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from bbo.errors import BBOError


def temporary(path: Path) -> Path:
    """A unique temporary name beside `path`: hidden, and with the prefix `.tmp-`."""
    return path.with_name(f".tmp-{path.name}-{uuid.uuid4().hex[:8]}")


@contextlib.contextmanager
def whole(path: Path) -> Iterator[IO[bytes]]:
    """A binary file to write in a `with` block: at `path` if the block succeeds, and no file at all otherwise.

    Raises:
        OSError: it cannot be written there.
    """
    unfinished = temporary(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(unfinished, "wb") as file:
            yield file
        os.replace(unfinished, path)
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink()


def write(path: Path, content: str | bytes) -> None:
    """Write a file atomically; its folder is made if needed.

    Raises:
        BBOError: it cannot be written there.
    """
    try:
        with whole(path) as file:
            file.write(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise BBOError(f"cannot write {path}: {error.strerror or error}; choose another place") from None


def same(one: Path, other: Path) -> bool:
    """Whether two paths are of one file, by whatever links."""
    both = os.path.exists(one) and os.path.exists(other)
    return os.path.realpath(one) == os.path.realpath(other) or (both and os.path.samefile(one, other))


def keep(read: Iterable[Path], option: str, path: Path | None) -> None:
    """Refuse a file to be written that is one of the results that were read.

    Raises:
        BBOError: it is; the message names the option.
    """
    if path and any(same(path, other) for other in read):
        raise BBOError(f"{option} {path} would overwrite the results; choose another name")


def remove_tree(folder: Path) -> None:
    """Remove a folder and all in it, as far as that is possible; it may hold what its writer meant to be hard to remove.

    Folders nested deeper than paths or Python's stack allow are pulled up first, and those without permissions get them. What is in
    the folder must not change meanwhile.
    """
    with contextlib.suppress(OSError):
        _open_up(folder)
        while entries := list(os.scandir(folder)):
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.path)
                    continue
                _open_up(entry.path)
                for inner in list(os.scandir(entry.path)):
                    if inner.is_dir(follow_symlinks=False):
                        _open_up(inner.path)
                        os.rename(inner.path, folder / uuid.uuid4().hex)
                    else:
                        os.unlink(inner.path)
                os.rmdir(entry.path)
        os.rmdir(folder)


def _open_up(folder: str | Path) -> None:
    if os.stat(folder).st_mode & 0o700 != 0o700:
        os.chmod(folder, 0o700)
