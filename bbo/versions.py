"""Versions of methods: a method's scores also depend on the shared modules it imports, so these are part of its version.

Every module below `bbo.surrogates`, `bbo.generative` and `bbo.search`, and `bbo.encoding`, has a VERSION, raised whenever a change could
alter a score. A method's version is "OWN.SHARED": its own, and the sum of the versions of its bases and of every such module that its
file imports, directly or not. Versions only increase, so a sum never repeats. Sources are parsed, not imported.
"""

from __future__ import annotations

import ast
import importlib.util
import pkgutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from bbo.errors import BBOError

ROOMS = ("bbo.surrogates.", "bbo.generative.", "bbo.search.")
#: Modules that every method uses through its problem.
ALWAYS = ("bbo.encoding",)


def shared(*trees: ast.AST) -> int:
    """Sum of the versions of all shared modules that the sources of a method reach.

    Raises:
        BBOError: a shared module without a VERSION.
    """
    reached: set[str] = set()
    waiting = [*ALWAYS, *(name for tree in trees for name in imported(tree))]
    while waiting:
        module = waiting.pop()
        if module not in reached:
            reached.add(module)
            waiting += _imports_of(module)
    return sum(map(_version_of, reached))


def of_all() -> list[tuple[str, int]]:
    """Every shared module with its version, whoever uses it.

    Raises:
        BBOError: a shared module without a VERSION.
    """
    found = list(ALWAYS)
    for room in ROOMS:
        spec = importlib.util.find_spec(room.rstrip("."))
        found += [one.name for one in pkgutil.iter_modules(spec.submodule_search_locations if spec else [], room)]
    return [(module, _version_of(module)) for module in found]


def imported(tree: ast.AST) -> Iterator[str]:
    """Shared modules that a source imports, at its top or inside its functions."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            if name.startswith(ROOMS) and _source(name):
                yield name


@cache
def _imports_of(module: str) -> tuple[str, ...]:
    return tuple(imported(_tree(module)))


@cache
def _version_of(module: str) -> int:
    for node in _tree(module).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "VERSION":
            return int(ast.literal_eval(node.value))
    raise BBOError(f"module {module} is shared by methods, so it needs a line VERSION = 1")


@cache
def _tree(module: str) -> ast.Module:
    path = _source(module)
    assert path is not None
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _source(module: str) -> Path | None:
    try:
        found = importlib.util.find_spec(module)
    except ImportError:  # its parent is a module, so this is a name within it
        return None
    return Path(found.origin) if found and found.origin and found.origin.endswith(".py") else None
