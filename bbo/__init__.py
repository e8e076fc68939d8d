"""Offline black-box optimization: tasks, surrogates, optimizers, a harness and a leaderboard. We maximise everywhere.

`__all__` lists the public names. They are loaded when they are first used, so that `import bbo` is fast; none of them has the name of
a module or package of `bbo`, since importing that would replace it.
"""

from __future__ import annotations

import importlib
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bbo.catalogue import load_task, method_ids, task_ids
    from bbo.errors import BBOError
    from bbo.face.methods import ReadyMethod, load_method
    from bbo.face.proposing import propose
    from bbo.face.results import leaderboard, read_results
    from bbo.face.running import run
    from bbo.problem import Problem
    from bbo.task import Task

__all__ = [
    "BBOError",
    "Problem",
    "ReadyMethod",
    "Task",
    "__version__",
    "leaderboard",
    "load_method",
    "load_task",
    "method_ids",
    "propose",
    "read_results",
    "run",
    "task_ids",
]

#: Where each public name is defined.
_HOMES = {
    "BBOError": "bbo.errors",
    "Problem": "bbo.problem",
    "ReadyMethod": "bbo.face.methods",
    "Task": "bbo.task",
    "leaderboard": "bbo.face.results",
    "load_method": "bbo.face.methods",
    "load_task": "bbo.catalogue",
    "method_ids": "bbo.catalogue",
    "propose": "bbo.face.proposing",
    "read_results": "bbo.face.results",
    "run": "bbo.face.running",
    "task_ids": "bbo.catalogue",
}

try:
    __version__ = version("offline-bbo")
except PackageNotFoundError:  # imported from a checkout that was never installed
    __version__ = "0+unknown"


def __getattr__(name: str) -> Any:
    """Load a public name from its home.

    Raises:
        AttributeError: there is no such name.
    """
    if name not in _HOMES:
        raise AttributeError(f"module 'bbo' has no attribute '{name}'; public names: {', '.join(__all__)}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """The public names, and what is loaded already."""
    return sorted({*globals(), *__all__})
