"""By which means method processes are confined on this machine: Landlock, or none."""

from __future__ import annotations

from bbo.harness.sandbox import landlock, seccomp

#: What a record says of a process that was not confined.
NONE = "none"


def name() -> str:
    """How records say it: "landlock-7+seccomp", "landlock-7", or "none"."""
    if not landlock.abi():
        return NONE
    return f"landlock-{landlock.abi()}" + ("+seccomp" if seccomp.available() else "")
