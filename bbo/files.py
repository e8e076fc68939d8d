"""Writing a result's file whole or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from bbo.errors import BBOError


def write(path: Path, content: str | bytes) -> None:
    """Write a file, its folder included, under a temporary name that is then renamed.

    Raises:
        BBOError: it cannot be written there.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise BBOError(f"cannot write {path}: {error.strerror or error}; choose another place") from None
