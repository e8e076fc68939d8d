"""Our own tasks, found by searching the folder `bbo.tasks`: a new task is a new file there, and nothing else needs editing.

Task modules import NumPy and no torch, so that all of them can be imported to be listed. Third parties use entry points instead
(`bbo.catalogue`).
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cache

from bbo.data import Source, entry
from bbo.task import Task

PACKAGE = "bbo.tasks"


@cache
def modules() -> tuple[str, ...]:
    """Names of the folder's modules, including those that define no task; sorted."""
    package = importlib.import_module(PACKAGE)
    return tuple(sorted(module.name for module in pkgutil.walk_packages(package.__path__, f"{PACKAGE}.")))


@cache
def own_tasks() -> dict[str, type[Task]]:
    """The class of every task id, variants not expanded; sorted by id.

    A class is a task if it has a `spec`, or is a family that names its `variants`; other classes are base classes.

    Raises:
        ValueError: two classes have the same id.
    """
    package = importlib.import_module(PACKAGE)
    found: dict[str, type[Task]] = {}
    for module in pkgutil.iter_modules(package.__path__, f"{PACKAGE}."):
        for cls in vars(importlib.import_module(module.name)).values():
            if not (inspect.isclass(cls) and issubclass(cls, Task) and cls.__module__ == module.name and _concrete(cls)):
                continue
            name = cls().spec.id
            if name in found:
                raise ValueError(f"{cls.__qualname__} and {found[name].__qualname__} both have the id {name}")
            found[name] = cls
    return dict(sorted(found.items()))


def _concrete(cls: type[Task]) -> bool:
    return not inspect.isabstract(cls) and (hasattr(cls, "spec") or cls.variants.__func__ is not Task.variants.__func__)  # type: ignore[attr-defined]


def sources() -> list[Source]:
    """Where the data files of our tasks come from, each once."""
    return list(dict.fromkeys(source for cls in own_tasks().values() for source in cls.sources()))


def instead(name: str) -> str:
    """What to do for the data of a task, of a source or of a data file with this name, in a few words; empty if nothing has it."""
    files = [file for source in sources() for file in source.files if name in (source.name, file)]
    if not files and name not in own_tasks():
        return ""
    commands = dict.fromkeys(entry(file).get for file in files or own_tasks()[name]().spec.data)
    return "instead: " + " && ".join(filter(None, commands)) if any(commands) else "it is part of the package"
