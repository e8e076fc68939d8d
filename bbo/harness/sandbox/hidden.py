"""What is hidden from methods on this machine: task modules, their data, and the results of other cells."""

from __future__ import annotations

import importlib.util
import os
from functools import cache
from pathlib import Path

from bbo import catalogue, data
from bbo.harness.sandbox.guard import Hidden


def list_hidden(out: Path | None, local_tasks: frozenset[str] = frozenset()) -> Hidden:
    """Modules and paths that a method may not touch.

    Args:
        out: the results folder, whose cells hold scores; None where there is none yet.
        local_tasks: files of local tasks in the run.
    """
    modules, sources = _tasks()
    paths = {data.package_dir().parent, data.cache_dir(), *map(Path, local_tasks), *sources}
    if out:
        paths |= {out / "cells", out / "shared"}
    # Not the whole folders of the search path: a user may keep data beside the very environment that Python runs from.
    paths |= {folder / name for folder in data.search_path() for name in data.manifest()}
    return Hidden(modules, tuple(sorted(set(map(os.path.realpath, paths)))))


@cache
def _tasks() -> tuple[tuple[str, ...], frozenset[Path]]:
    """Modules of all tasks, and their files; of other packages that offer tasks everything that is no Python source."""
    modules, paths = {"bbo.tasks", *catalogue.task_modules()}, set[Path]()
    for module in modules:
        try:
            spec = importlib.util.find_spec(module)
        except (
            Exception,
            SystemExit,
        ):  # this imports its package; a third party's broken package holds nothing that a method could reach
            continue
        if spec is None or not spec.origin:
            continue
        source = Path(spec.origin)
        paths |= {source, *source.parent.glob(f"__pycache__/{source.stem}.*")}
        if "." in module and not module.startswith("bbo."):
            paths |= {
                path for path in source.parent.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc", ".so", ".pyi")
            }
    return tuple(sorted(modules)), frozenset(paths)
