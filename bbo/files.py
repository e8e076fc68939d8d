"""Atomic writes: a file is written under a temporary name beside its place, then renamed."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
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
