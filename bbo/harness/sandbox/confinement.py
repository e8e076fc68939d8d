"""By which means method processes are confined on this machine: Landlock, else bubblewrap, else none."""

from __future__ import annotations

from bbo.harness.sandbox import bubblewrap, landlock, seccomp

#: What a record says of a process that was not confined.
NONE = "none"
BUBBLEWRAP = "bubblewrap"


def name() -> str:
    """How records say it: "landlock-7+seccomp", "bubblewrap+seccomp", "landlock-7", or "none"."""
    if landlock.abi():
        found = f"landlock-{landlock.abi()}"
    elif not bubblewrap.refusal():
        found = BUBBLEWRAP
    else:
        return NONE
    return found + ("+seccomp" if seccomp.available() else "")
