"""Questions to a user's method file: what its class declares, and what it says of spaces and settings.

The file is imported in a method process, confined like one that runs cells; the process here reads answers, which are plain data. One
process is kept for a few seconds, since a plan asks about every task.
"""

from __future__ import annotations

import atexit
import json
import threading
import uuid
from functools import lru_cache
from typing import Any

from bbo import local
from bbo.described import Described, from_plain
from bbo.errors import BBOError, Unavailable, UnknownName
from bbo.harness.options import RunOptions
from bbo.harness.sandbox import confinement, starter, wire
from bbo.harness.sandbox.child import Question
from bbo.harness.sandbox.hidden import list_hidden
from bbo.harness.sandbox.parent import Lost, MethodProcess
from bbo.space import Space
from bbo.text import clean, line

#: Seconds that a file may take to be imported and to answer.
PATIENCE = 300.0
#: Seconds after its last answer for which a process is kept.
KEPT = 5.0

_ERRORS = {"UnknownName": UnknownName, "Unavailable": Unavailable, "BBOError": BBOError}
_lock = threading.RLock()
_kept: tuple[str, MethodProcess] | None = None
_timer: threading.Timer | None = None


def describe(reference: str) -> Described:
    """What the class of `FILE.py:Class` declares.

    Raises:
        UnknownName: no such file, or no such class in it.
        BBOError: the file cannot be imported, or the class is not a method.
    """
    return _described(reference, local.digest(reference))


def make(reference: str, config: dict[str, Any]) -> None:
    """Check that the class can be made with these settings.

    Raises:
        BBOError: it refuses them.
    """
    _made(reference, local.digest(reference), json.dumps(config, sort_keys=True))


def unsuitable(reference: str, space: Space, rows: int) -> str:
    """Why the method does not fit a space, or a table with this many rows; empty if it does."""
    return _unsuitable(reference, local.digest(reference), space, rows)


def check(reference: str) -> list[tuple[str, str, str]]:
    """The conformance checks of a method: what is checked, why it failed (empty if it passed), and the traceback of the failure."""
    found = _ask(reference, "check")["verdicts"]
    if not isinstance(found, list) or not all(isinstance(one, list) and len(one) == 3 for one in found):
        raise _invalid(reference)
    return [(line(str(name)), clean(str(failure)), clean(str(trace))) for name, failure, trace in found]


def close() -> None:
    """End the process that is kept."""
    global _kept
    with _lock:
        if _kept:
            _kept[1].close()
            _kept = None


@lru_cache(maxsize=1000)
def _described(reference: str, digest: str) -> Described:
    facts = _ask(reference, "describe")
    try:
        return from_plain(facts)
    except Exception as error:  # whatever it sent, the message is ours
        raise _invalid(reference, line(str(error))) from None


@lru_cache(maxsize=10_000)
def _made(reference: str, digest: str, config: str) -> None:
    _ask(reference, "make", json.loads(config))


@lru_cache(maxsize=10_000)
def _unsuitable(reference: str, digest: str, space: Space, rows: int) -> str:
    reason = _ask(reference, "unsuitable", space, rows).get("reason")
    if not isinstance(reason, str):
        raise _invalid(reference)
    return line(reason)


def _invalid(reference: str, why: str = "") -> BBOError:
    return BBOError(f"the process that imported {reference} sent invalid facts{f' ({why})' if why else ''}")


def _ask(reference: str, what: str, *arguments: Any) -> dict[str, Any]:
    file = local.file_of(reference)
    with _lock:
        process = _process(file)
        question = Question(uuid.uuid4().hex, local.whole(reference), what, arguments)
        try:
            answer = process.inquire(question, PATIENCE)
        except Lost as lost:
            close()
            raise BBOError(_told(file, what, lost, process.output())) from None
        except BaseException:
            close()
            raise
        if what == "check":  # it ran the method, which may have left anything behind
            close()
    if isinstance(answer, wire.Refused):
        raise _ERRORS[answer.kind](answer.message)
    return answer.facts


def _told(file: str, what: str, lost: Lost, output: str) -> str:
    last = line(output.strip().rpartition("\n")[2])
    failed = {"describe": "cannot be imported", "check": "cannot be checked"}.get(what, f"gave no answer to '{what}'")
    return f"{file} {failed}: {lost}{f'; its last words: {last}' if last else ''}"


def _process(file: str) -> MethodProcess:
    """A process for a file: the one that is kept, or a new one."""
    global _kept, _timer
    if _timer:
        _timer.cancel()
    if _kept and (_kept[0] != file or not _kept[1].alive):
        close()
    if not _kept:
        process = MethodProcess(RunOptions("cpu"), list_hidden(None), file, confinement.name(), threading.Event())
        _kept = (file, process)
    _timer = threading.Timer(KEPT, _close_idle)
    _timer.daemon = True
    _timer.start()
    return _kept[1]


def _close_idle() -> None:
    if _lock.acquire(blocking=False):  # else a question is under way, which starts the timer again
        try:
            if threading.current_thread() is _timer:
                close()
        finally:
            _lock.release()


def _end() -> None:
    close()
    starter.close_idle()


atexit.register(_end)
