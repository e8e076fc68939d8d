"""Errors that the user can fix: shown as one line, exit code 2."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

#: Of up to this many names all are listed, of more only the nearest.
FEW = 12
NEAREST = 5
#: Names at least this similar (0 to 1) are suggested.
SIMILAR = 0.6


class BBOError(Exception):
    """Base of the errors this package raises on bad input. The message is one complete line."""


class UnknownName(BBOError):
    """A task, method, preset, setting or file name that does not exist."""


class DesignError(BBOError, ValueError):
    """Designs of the wrong shape or type, out of range, not finite, or not as many as the budget."""


class Unavailable(BBOError):
    """A known task or method that cannot be used here: a data file or an optional package is missing."""


class DamagedFile(BBOError):
    """A data file that is truncated, altered or not what its name says."""


class DamagedCell(BBOError):
    """A stored cell that is incomplete or does not agree with its own hash."""


class NumericalError(BBOError):
    """A computation that cannot continue; the message gives the numbers that explain it."""


def unknown(kind: str, name: str, known: Iterable[str], hint: str = "") -> UnknownName:
    """Build the error for an unknown `name`: the most similar names, and the others if there are few."""
    known = sorted(set(known))
    likeness = {other: _similarity(name, other) for other in known}
    nearest = sorted(known, key=lambda other: -likeness[other])[:NEAREST]
    meant = [other for other in nearest if likeness[other] >= SIMILAR]
    words = [f"did you mean {_either(meant)}?"] if meant else []
    if len(known) <= FEW:
        words += [f"known: {', '.join(known) or 'none'}"] if not known or len(meant) < len(known) else []
    elif not meant:
        words += [f"the nearest of {len(known)} are {', '.join(nearest)}"]
    return UnknownName(f"unknown {kind} '{name}': {' '.join(words)}{f' ({hint})' if hint else ''}")


def _similarity(name: str, known: str) -> float:
    """From 0 to 1; initials ("lr" for learning_rate) and the beginning of a name count as near."""
    name, known = name.lower(), known.lower()
    initials = "".join(word[0] for word in re.split(r"[-_+:. ]+", known) if word)
    if len(name) > 1 and name == initials:
        return 1.0
    ratio = difflib.SequenceMatcher(None, name, known).ratio()
    return max(ratio, SIMILAR) if len(name) > 1 and known.startswith(name) else ratio


def _either(names: list[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
