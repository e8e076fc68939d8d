"""Messages of a method process to its host: JSON and, where there are any, one array. Nothing that a method wrote is unpickled."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np

#: Longest message a host accepts, in bytes.
LONGEST = 2**30


def encode(kind: str, facts: dict[str, Any], array: np.ndarray | None = None) -> bytes:
    """One message.

    Raises:
        TypeError: `facts` cannot be written as JSON.
        ValueError: the array holds Python objects.
    """
    buffer = io.BytesIO()
    buffer.write(json.dumps([kind, facts]).encode() + b"\n")
    if array is not None:
        np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def decode(message: bytes) -> tuple[str, dict[str, Any], np.ndarray | None]:
    """Kind, facts and array of a message.

    Raises:
        ValueError: it is not one.
    """
    head, _, body = message.partition(b"\n")
    kind, facts = json.loads(head)
    if not isinstance(kind, str) or not isinstance(facts, dict):
        raise ValueError("not a message")
    return kind, facts, np.load(io.BytesIO(body), allow_pickle=False) if body else None
