"""What is known about failed cells: the message, and the file and line of the failure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import bbo
from bbo import text
from bbo.record import Record

FRAME = re.compile(r'File "(.+?)", line (\d+), in (\S+)')
#: Folders whose code rarely has the fault: this package, installed packages and Python itself.
FOREIGN = (str(Path(bbo.__file__).parent), "site-packages", "/lib/python3")


def message(record: Record) -> str:
    """Why a cell failed, on one line."""
    error = record.error or {}
    kind = [error["type"]] if error.get("reason") == "error" and error.get("type") else []
    return text.line(": ".join([error.get("reason", "failed"), *kind, error.get("message", "")]), 1000)


def place(record: Record) -> str:
    """Where it happened, as "mine.py:12, in propose": the innermost line of the method's own file; empty if that is not known."""
    frames = FRAME.findall((record.error or {}).get("traceback", ""))
    own = [frame for frame in frames if not any(folder in frame[0] for folder in FOREIGN)]
    if not frames:
        return ""
    path, line, function = (own or frames)[-1]
    return f"{text.line(Path(path).name)}:{line}, in {text.line(function)}"


def told(record: Record) -> str:
    """Why and where a cell failed, on one line."""
    where = place(record)
    return message(record) + (f" ({where})" if where else "")


def lines(failed: Iterable[Record], tracebacks: bool = False) -> Iterator[str]:
    """A line for each failed cell; a failure shared by several cells is printed in full only once.

    Args:
        failed: records of failed cells.
        tracebacks: print below each failure the traceback that the record holds, and the end of the method's output.
    """
    first: dict[str, str] = {}
    for record in failed:
        label = record.spec.label()
        failure = told(record)
        if failure in first:
            yield f"failed   {label}: the same as {first[failure]}"
            continue
        first[failure] = label
        yield f"failed   {label}: {failure}"
        if tracebacks:
            parts = {"": (record.error or {}).get("traceback", ""), "output:": record.output}
            for title, part in parts.items():
                if part.strip():
                    yield from [f"    {title}"] if title else []
                    yield from (f"    {line}" for line in text.clean(part).rstrip().splitlines())
