"""Checks that any task (`bbo.testing.tasks`) or method (`bbo.testing.methods`), ours or a third party's, must pass.

A check is a function without arguments that returns if all is well and raises otherwise; its message is for the plugin's author.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Checks = dict[str, Callable[[], None]]


@dataclass(frozen=True)
class Verdict:
    """Outcome of one check: what it says, and why it failed (empty if it passed)."""

    check: str
    failure: str


def verdicts(checks: Checks) -> list[Verdict]:
    """Run every check; a failing one does not stop the others."""
    found = []
    for name, check in checks.items():
        try:
            check()
            found.append(Verdict(name, ""))
        except Exception as error:
            text = str(error) or "no message"
            found.append(Verdict(name, text if isinstance(error, AssertionError) else f"{type(error).__name__}: {text}"))
    return found
