"""Pairs of a task and a method that does not fit it: not a failure, and not a gap. The planner lists them in its plans."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from bbo.errors import BBOError


class Unsuitable(NamedTuple):
    """Ids of a task and of a method that does not fit it, and why."""

    task: str
    method: str
    reason: str


def read(folder: Path) -> list[Unsuitable]:
    """The pairs that the plans saved in a results folder leave out (`unsuitable` in `plans/*.json`), each once.

    Raises:
        BBOError: a plan cannot be read.
    """
    found: dict[tuple[str, str], Unsuitable] = {}
    for path in sorted((folder / "plans").glob("*.json")):
        try:
            for pair in json.loads(path.read_text(encoding="utf-8")).get("unsuitable", ()):
                found.setdefault((pair["task"], pair["method"]), Unsuitable(pair["task"], pair["method"], str(pair["reason"])))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BBOError(f"plan {path} cannot be read ({error}); remove it and run its command again") from None
    return list(found.values())
