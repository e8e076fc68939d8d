"""Guards a method process: importing a task, opening hidden files or searching the heap is refused and reported to the host.

It prevents accidents and casual cheating. It is not a security barrier: malicious code can bypass any guard in its own process.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from typing import Any

#: Audit events with paths or command lines among their arguments (docs.python.org/3/library/audit_events.html).
PATH_EVENTS = frozenset(
    [
        "open",
        "os.listdir",
        "os.scandir",
        "os.chdir",
        "os.link",
        "os.symlink",
        "os.rename",
        "os.remove",
        "os.truncate",
        "os.exec",
        "os.posix_spawn",
        "os.spawn",
        "os.system",
        "shutil.copyfile",
        "shutil.copytree",
        "shutil.move",
        "sqlite3.connect",
        "subprocess.Popen",
        "ctypes.dlopen",
    ]
)
HEAP_EVENTS = frozenset({"gc.get_objects", "gc.get_referrers"})
#: Another process's memory, environment or open files.
OTHER_PROCESS = re.compile(r"/proc/(\d+)/")


@dataclass(frozen=True)
class Hidden:
    """What a method must not reach: modules by name (with all below them), and files or folders by real path."""

    modules: tuple[str, ...]
    paths: tuple[str, ...]


class Violation(PermissionError):
    """A method tried to reach what is hidden from it."""


def watch(hidden: Hidden, report: Callable[[str], None], confined: bool = False) -> None:
    """Refuse access to `hidden` from now on; `report` is called before the error is raised, since the method may catch it.

    In a `confined` process the heap and /proc may be looked at, as profilers and joblib do: the kernel keeps other processes closed.
    """

    def refuse(what: str) -> None:
        report(what)
        raise Violation(what)

    def named(name: str) -> bool:
        return any(name == module or name.startswith(module + ".") for module in hidden.modules)

    class Finder(MetaPathFinder):
        def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
            if named(name):
                refuse(f"the method imported {name}; methods may not reach tasks or their data")

    sys.meta_path.insert(0, Finder())
    own, libraries = str(os.getpid()), _folder_of("torch")

    def look(text: str) -> None:
        for path in hidden.paths:
            if text == path or text.startswith(path + os.sep):
                refuse(f"the method opened {path}; methods may not read hidden data, tasks or results")
        other = OTHER_PROCESS.match(text + os.sep)
        if other and other.group(1) != own and not confined:
            refuse(f"the method opened {text}; methods may not look into other processes")

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in HEAP_EVENTS and not confined:
            # torch itself walks the heap in places; methods have no need to.
            if not sys._getframe(1).f_code.co_filename.startswith(libraries):
                refuse(f"the method called {event}; methods may not search the heap")
        elif event in PATH_EVENTS:
            for text in _texts(arguments):
                look(os.path.realpath(text))
                if event not in ("open", "os.listdir", "os.scandir"):  # a command line: the path may be part of a word
                    for word in (*hidden.paths, *hidden.modules):
                        if word in text:
                            refuse(f"the method started a command that names {word}; methods may not reach tasks or their data")

    sys.addaudithook(hook)


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, bytes | os.PathLike):
        return [os.fsdecode(value)]
    if isinstance(value, list | tuple):
        return [text for part in value for text in _texts(part)]
    return []


def _folder_of(package: str) -> str:
    return os.path.dirname(os.path.realpath(sys.modules[package].__file__ or "")) + os.sep
