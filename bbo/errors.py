"""Errors that a user can fix: shown as one line, exit code 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

#: How many allowed names an error line lists.
SHOWN = 30


class BBOError(Exception):
    """Base of the errors this package raises on bad input. The message is one complete line."""


class UnknownName(BBOError):
    """A task, method, preset, setting or file name that does not exist."""


class DesignError(BBOError, ValueError):
    """Designs of the wrong shape or type, out of range, not finite, or not as many as the budget."""


class Unavailable(BBOError):
    """Something known that cannot be used here: a data file or an optional package is missing."""


class DamagedFile(BBOError):
    """A data file that is truncated, altered or not what its name says."""


class DamagedCell(BBOError):
    """A stored cell that is incomplete or does not agree with its own hash."""


def unknown(kind: str, name: str, known: Iterable[str], hint: str = "") -> UnknownName:
    """Build the error for an unknown `name`: near matches first, else what is allowed, or the beginning of a long list of it."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
    allowed = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known[:SHOWN]) or 'none'}{more}"
    return UnknownName(f"unknown {kind} '{name}': {allowed}{'; ' + hint if hint else ''}")


class NumericalError(BBOError):
    """A computation that cannot go on; the message has the numbers that say why."""
