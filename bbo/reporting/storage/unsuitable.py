"""Pairs of a task and a method that does not fit it: not a failure, and not a gap. The planner lists them in its plans."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from bbo import bounded
from bbo.bounded import Unreadable
from bbo.errors import BBOError
from bbo.text import line


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
            for pair in bounded.parsed_json(path, bounded.text(path)).get("unsuitable", ()):
                told = Unsuitable(pair["task"], pair["method"], pair["reason"])
                if not all(isinstance(words, str) for words in told):
                    raise TypeError("'unsuitable' holds texts")
                found.setdefault(told[:2], told)
        except Unreadable as error:
            raise BBOError(f"plan {error}; remove it and run its command again") from None
        except (KeyError, TypeError, AttributeError) as error:
            raise BBOError(f"plan {path} cannot be read ({line(str(error))}); remove it and run its command again") from None
    return list(found.values())
