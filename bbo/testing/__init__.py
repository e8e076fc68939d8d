"""Checks that any task (`bbo.testing.tasks`) or method (`bbo.testing.methods`), ours or a third party's, must pass.

A check is a function without arguments that raises if it fails; its message is for the plugin's author.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Checks = dict[str, Callable[[], None]]

#: Folders whose code is not the plugin's: this package and installed ones.
PACKAGE = str(Path(__file__).parents[1])
INSTALLED = "site-packages"


@dataclass(frozen=True)
class Verdict:
    """Outcome of one check: what it checks, and why it failed (empty if it passed)."""

    check: str
    failure: str


def verdicts(checks: Checks, traces: dict[str, str] | None = None) -> list[Verdict]:
    """Run every check; a failing one does not stop the others. An exception that ends several checks is reported once.

    Args:
        checks: by what they check.
        traces: takes the traceback of each failure, by the name of its check.
    """
    found: list[Verdict] = []
    told: dict[str, str] = {}
    for name, check in checks.items():
        try:
            check()
        except (Exception, SystemExit) as error:
            text = _failure(error)
            if traces is not None:
                # The first frame is this one.
                trace = error.__traceback__.tb_next if error.__traceback__ else None
                traces[name] = "".join(traceback.format_exception(type(error), error, trace))
            found.append(Verdict(name, f"the same as in '{told[text]}'" if text in told else text))
            told.setdefault(text, name)
        else:
            found.append(Verdict(name, ""))
    return found


def _failure(error: BaseException) -> str:
    """The message of a check's exception; its type and place too, unless it is an assertion with its own message."""
    text = str(error).strip()
    if isinstance(error, AssertionError) and text:
        return text
    frame = _frame(error)
    place = f"{Path(frame.filename).name}:{frame.lineno}, in {frame.name}" if frame else "no place known"
    if isinstance(error, AssertionError) and frame:
        return f"does not hold: {frame.line} ({place})"
    return f"{type(error).__name__}: {text or 'no message'} ({place})"


def _frame(error: BaseException) -> traceback.FrameSummary | None:
    """The innermost line of the plugin's own code in a traceback, or of any code if there is none of its own."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if not f.filename.startswith(PACKAGE) and INSTALLED not in f.filename and Path(f.filename).is_file()]
    return next(reversed(own or frames), None)
