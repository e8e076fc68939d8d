"""What is hidden from methods on this machine: task modules, their data, and the results of other cells."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from bbo import catalogue, data
from bbo.harness.sandbox.guard import Hidden

#: Environment variables that lead to data or results; removed from the method's environment.
VARIABLES = ("BBO_DATA_DIR",)


def list_hidden(out: Path, local_tasks: frozenset[str] = frozenset()) -> Hidden:
    """Modules and paths that a method may not touch.

    Args:
        out: the results folder; its cells hold scores.
        local_tasks: files of local tasks in the run.
    """
    modules = {"bbo.tasks", *catalogue.task_modules()}
    paths = {data.package_dir().parent, data.cache_dir(), out / "cells", out / "shared", *map(Path, local_tasks)}
    # Not the whole folders of the search path: a user may keep data beside the very environment that Python runs from.
    paths |= {folder / name for folder in data.search_path() for name in data.manifest()}
    for module in modules:
        try:
            spec = importlib.util.find_spec(module)
        except ImportError:  # a third party's broken package holds nothing that a method could reach
            continue
        if spec and spec.origin:
            paths.add(Path(spec.origin))
    return Hidden(tuple(sorted(modules)), tuple(sorted(os.path.realpath(path) for path in paths)))
