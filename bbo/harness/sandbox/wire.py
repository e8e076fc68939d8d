"""Messages of a method process to its host: JSON, and in some an array. Nothing that a method wrote is unpickled.

Every message carries the ticket of its job: the cell's name and a random number that the host drew for this job. Messages are
checked completely here, so that the host handles only typed messages; anything else is `Garbage`.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from bbo.text import LONGEST as TEXT

#: Bytes that all texts of a message may take as JSON, which writes a character as six bytes at most.
TEXTS = 6 * 6 * TEXT
#: Bytes of the largest array that seeds share.
SHARED = 10**8
#: Reasons that a method process may give for its failure.
REASONS = ("error", "memory", "violation", "invalid designs")

#: Errors that the answer to a question may be.
ERRORS = ("BBOError", "UnknownName", "Unavailable")


class Garbage(ValueError):
    """Bytes that are not a message, or a message with invalid contents."""


@dataclass(frozen=True)
class Begin:
    """The job has arrived; the time limit counts from here. `stack` says what the process runs on, before it has loaded a method."""

    stack: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Propose:
    """The method is loaded and is called now; its cost counts from here."""


@dataclass(frozen=True)
class Progress:
    """`step` of `total` steps are done; `array` holds the current designs if a trace was requested."""

    step: int
    total: int
    array: np.ndarray | None = None


@dataclass(frozen=True)
class Ask:
    """A request for privileged knowledge, by name."""

    name: str


@dataclass(frozen=True)
class Fetch:
    """A request for an array that seeds share."""

    key: str


@dataclass(frozen=True)
class Keep:
    """An array that seeds share, made because the answer to `Fetch` was "make"; None if it is too large."""

    key: str
    array: np.ndarray | None


@dataclass(frozen=True)
class Violation:
    """The method tried to access something hidden."""

    message: str


@dataclass(frozen=True)
class Answer:
    """The end of a job: `array` holds the designs, or `error` says why there are none. Stack and cost are as the process reports them."""

    error: dict[str, str] | None
    notes: dict[str, Any] = field(default_factory=dict)
    stack: dict[str, Any] = field(default_factory=dict)
    cost: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    array: np.ndarray | None = None


@dataclass(frozen=True)
class Settled:
    """The process has no more messages for the job; `changed` names the state that the method left changed."""

    changed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Told:
    """The answer to a question about a class; the asker checks the facts."""

    facts: dict[str, Any]


@dataclass(frozen=True)
class Refused:
    """A question that ended in an error of one of `ERRORS`."""

    kind: str
    message: str


@dataclass(frozen=True)
class Coming:
    """From the host: an array of this shape and type follows, as bytes."""

    shape: tuple[int, ...]
    kind: str
    by_column: bool


Message = Begin | Propose | Progress | Ask | Fetch | Keep | Violation | Answer | Settled | Told | Refused


def deliver(pipe: Connection, reply: Any) -> None:
    """Send something from the host to a method's process; an array is sent without a copy."""
    if isinstance(reply, np.ndarray):
        by_column = reply.flags.fnc
        pipe.send(Coming(reply.shape, reply.dtype.str, by_column))
        pipe.send_bytes(reply.ravel("F" if by_column else "C").view(np.uint8).data)
    else:
        pipe.send(reply)  # a pickle: the method's process trusts its host


def receive(pipe: Connection) -> Any:
    """In a method's process: what the host sent by `deliver`."""
    found = pipe.recv()
    if isinstance(found, Coming):
        data = np.frombuffer(bytearray(pipe.recv_bytes()), found.kind)
        return data.reshape(found.shape, order="F" if found.by_column else "C")
    return found


def encode(ticket: str, message: Message) -> bytes:
    """One message.

    Raises:
        TypeError: its facts cannot be written as JSON.
        ValueError: a number is not finite, or the array holds Python objects.
    """
    facts = {f.name: getattr(message, f.name) for f in fields(message) if f.name != "array"}
    buffer = io.BytesIO()
    buffer.write(json.dumps([ticket, type(message).__name__, facts], allow_nan=False).encode() + b"\n")
    array: np.ndarray | None = getattr(message, "array", None)
    if array is not None:
        np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def decode(data: bytes) -> tuple[str, Message]:
    """Ticket and message.

    Raises:
        Garbage: it is not one.
    """
    try:
        end = data.index(b"\n", 0, TEXTS) + 1  # before it is parsed: a hundred megabytes of JSON would take gigabytes
        ticket, kind, facts = json.loads(data[:end], parse_constant=_no_constant)
        cls, checks = _KINDS[kind]
        if not isinstance(ticket, str) or set(facts) != set(checks):
            raise Garbage(f"a message {kind} has the facts {', '.join(checks) or 'none'}")
        for name, check in checks.items():
            if not check(facts[name]):
                raise Garbage(f"'{name}' of the message {kind} is not valid")
        takes = any(f.name == "array" for f in fields(cls))
        if end < len(data) and not takes:
            raise Garbage(f"a message {kind} has no array")
        message = cls(**facts, **({"array": _array(data, end) if end < len(data) else None} if takes else {}))
    except Garbage:
        raise
    except Exception as error:  # the parsers raise many kinds
        raise Garbage(f"not a message ({type(error).__name__})") from None
    if isinstance(message, Keep):
        array = message.array
        if array is not None and (array.nbytes > SHARED or array.ndim > 8 or array.dtype.kind not in "biuf"):
            raise Garbage("a message Keep has an array of numbers, of 100 MB at most")
    if isinstance(message, Answer) and (message.array is None) == (message.error is None):
        raise Garbage("an answer has either designs or an error")
    return ticket, message


def _array(data: bytes, start: int) -> np.ndarray:
    """The array that begins at byte `start`, read without a copy; its header is not trusted with the size."""
    stream = io.BytesIO(data)
    stream.seek(start)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, by_column, kind = read[np.lib.format.read_magic(stream)](stream)
    if kind.hasobject or kind.names is not None or kind.subdtype is not None:
        raise Garbage("an array of a message holds plain values only")
    start = stream.tell()
    if math.prod(shape) * kind.itemsize != len(data) - start:
        raise Garbage("an array of a message is not of the size it says")
    return np.frombuffer(data, kind, math.prod(shape), start).reshape(shape, order="F" if by_column else "C")


def _no_constant(name: str) -> None:
    raise Garbage(f"{name} in a message")


def _text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= TEXT


def _whole(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _amount(value: Any) -> bool:
    """A finite number that is not negative, small enough for sums of squares."""
    return type(value) in (int, float) and 0 <= value <= 1e100


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _error(value: Any) -> bool:
    return value is None or (
        isinstance(value, dict)
        and set(value) == {"reason", "type", "message", "traceback"}
        and all(map(_text, value.values()))
        and value["reason"] in REASONS
    )


def _among(known: Mapping[str, Callable[[Any], bool]]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(name in known and known[name](part) for name, part in value.items())


_STACK = {
    "device": lambda value: value in ("cpu", "cuda"),
    "device_name": _text,
    "threads": _whole,
    "blas": _texts,
    "cpu_capability": _text,
    "numerics": _text,
    "fingerprint": _text,
    "cuda": _text,
    "tf32": lambda value: isinstance(value, bool),
    "cudnn": lambda value: value is None or _whole(value),
}
_COST = dict.fromkeys(("cpu_seconds", "peak_memory_mb", "peak_gpu_memory_mb"), _amount)
_KINDS: dict[str, tuple[type[Any], dict[str, Callable[[Any], bool]]]] = {
    "Begin": (Begin, {"stack": _among(_STACK)}),
    "Propose": (Propose, {}),
    "Progress": (Progress, {"step": _whole, "total": _whole}),
    "Ask": (Ask, {"name": _text}),
    "Fetch": (Fetch, {"key": _text}),
    "Keep": (Keep, {"key": _text}),
    "Violation": (Violation, {"message": _text}),
    "Answer": (
        Answer,
        {
            "error": _error,
            "notes": lambda value: isinstance(value, dict),
            "stack": _among(_STACK),
            "cost": _among(_COST),
            "warnings": _texts,
        },
    ),
    "Settled": (Settled, {"changed": _texts}),
    "Told": (Told, {"facts": lambda value: isinstance(value, dict)}),
    "Refused": (Refused, {"kind": lambda value: value in ERRORS, "message": _text}),
}
