"""Single files with a user's own task or method: `./mine.py:MyClass`.

A task's file is imported where its oracle runs. A method's file is imported in confined processes only; the harness reads its text.
The version of such a class is a hash of the code it needs: its own definition and everything in its file that this refers to,
without comments and docstrings. A second class or a comment in the file changes nothing.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from bbo.errors import BBOError, UnknownName, unknown

#: Bytes of the largest file that is read.
LARGEST = 2**24
#: Modules whose classes are bases of tasks.
_OF_TASKS = ("bbo.task", "bbo.tasks", "bbo.simulation")


def is_local(reference: str) -> bool:
    """Whether `reference` names a class in a file: `./mine.py:MyClass`."""
    return ".py:" in reference or reference.endswith(".py")


def file_of(reference: str) -> str:
    """Whole path of the file of `FILE.py:Class`."""
    return str(Path(reference.rpartition(":")[0]).resolve())


def whole(reference: str) -> str:
    """A local file's reference with its whole path: methods run in another folder, workers perhaps on another machine."""
    if not is_local(reference) or not reference.rpartition(":")[0]:
        return reference
    return f"{file_of(reference)}:{reference.rpartition(':')[2]}"


def load(reference: str) -> type:
    """The class of `FILE.py:Class`; imports the file, so it can do anything that this process may.

    Raises:
        UnknownName: no such file, or no such class in it.
        BBOError: the file cannot be imported, or the name is not a class.
    """
    path, name = _split(reference)
    text = _read(path)
    module = _import(path.resolve(), text)
    if not hasattr(module, name):
        raise unknown(f"class in {path}", name, _classes(text))
    found = getattr(module, name)
    if not isinstance(found, type):
        raise BBOError(
            f"{reference} is not a class; name a class: {path}:NAME with NAME one of {', '.join(_classes(text)) or 'none'}"
        )
    return found


def is_task(reference: str) -> bool:
    """Whether the text of a file says that a class is a task: by its base classes, or by what it defines.

    Raises:
        UnknownName: no such file, or no such class in it.
        BBOError: the file is no Python.
    """
    path, name = _split(reference)
    tree = _parsed(path)
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    if name not in classes:
        raise unknown(f"class in {path}", name, classes)
    origins = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    waiting, seen = [classes[name]], set[str]()
    while waiting:
        node = waiting.pop()
        seen.add(node.name)
        if any(isinstance(part, ast.FunctionDef) and part.name == "propose" for part in node.body):
            return False
        if any(isinstance(part, ast.FunctionDef) and part.name in ("oracle", "simulate", "dataset") for part in node.body):
            return True
        for base in map(ast.unparse, node.bases):
            if base in classes and base not in seen:
                waiting.append(classes[base])
            elif origins.get(base, base).startswith(_OF_TASKS):
                return True
    return False


def source(reference: str) -> str:
    """All that the class of `FILE.py:Class` needs of its file, without comments and docstrings.

    Raises:
        BBOError: the file is no Python, or too large or too deeply nested to be read.
    """
    path, name = _split(reference)
    try:
        return "\n".join(_needed(_parsed(path), name))
    except RecursionError:
        raise BBOError(f"{path} is too deeply nested to be read") from None


def version(reference: str) -> str:
    """Hash of `source`, 16 hex digits."""
    return hashlib.sha256(source(reference).encode(errors="surrogatepass")).hexdigest()[:16]


def digest(reference: str) -> str:
    """Hash of the whole file, 16 hex digits.

    Raises:
        UnknownName: no such file.
        BBOError: it cannot be read.
    """
    return hashlib.sha256(_read(_split(reference)[0])).hexdigest()[:16]


def _read(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            text = file.read(LARGEST + 1)
    except OSError as error:
        raise BBOError(f"{path} cannot be read: {error.strerror}") from None
    if len(text) > LARGEST:
        raise BBOError(f"{path} has more than {LARGEST // 2**20} MB, too much for a file with a class")
    return text


def _parsed(path: Path) -> ast.Module:
    try:
        return ast.parse(_read(path))
    except SyntaxError as error:
        raise BBOError(f"{path} cannot be imported: line {error.lineno}: {type(error).__name__}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise BBOError(f"{path} cannot be imported: {type(error).__name__}: {error}") from None


def _split(reference: str) -> tuple[Path, str]:
    name, _, cls = reference.rpartition(":")
    if reference.endswith(".py") and Path(reference).is_file():
        classes = _classes(_read(Path(reference)))
        raise UnknownName(f"name a class of {reference}: " + (" or ".join(f"{reference}:{c}" for c in classes) or "it has none"))
    path = Path(name)
    if not name or not cls or not path.is_file():
        raise UnknownName(f"no file for '{reference}'; write it as ./mine.py:MyClass, with an existing file")
    return path, cls


def _classes(text: bytes) -> list[str]:
    try:
        return [node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _needed(tree: ast.Module, name: str) -> list[str]:
    """Source of the statements that `name` depends on, in the order of the file."""
    defines = {node: set(_defined(node)) for node in tree.body}
    wanted, needed = {name}, set[ast.stmt]()
    while True:
        # A statement that defines nothing (a call, a condition) may change anything, so it always counts.
        more = {node for node, names in defines.items() if node not in needed and (names & wanted or not names)}
        if not more:
            break
        needed |= more
        wanted |= {n.id for node in more for n in ast.walk(node) if isinstance(n, ast.Name)}
    return [ast.unparse(_without_docstrings(node)) for node in tree.body if node in needed and not _is_text(node)]


def _defined(node: ast.stmt) -> Iterator[str]:
    """Names that a statement at the top of a file gives a value, if that is all it does."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        for alias in node.names:
            if alias.name != "*":
                yield alias.asname or alias.name.partition(".")[0]
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if all(isinstance(target, ast.Name) for target in targets):
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _without_docstrings(node: ast.stmt) -> ast.stmt:
    for part in ast.walk(node):
        if isinstance(part, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and _is_text(part.body[0]):
            part.body = part.body[1:] or [ast.Pass()]
    return node


@cache
def _import(path: Path, text: bytes) -> ModuleType:
    name = f"bbo_local_{path.stem}_{hashlib.sha256(text).hexdigest()[:16]}"
    module: Any = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # dataclasses look their module up while the class is being made
    try:
        # The text that was read, not what a cached .pyc file says it was.
        exec(compile(text, path, "exec"), vars(module))
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        del sys.modules[name]
        said = f"{type(error).__name__}: {error}".removesuffix(": ")
        raise BBOError(f"{path} cannot be imported: {_where(path, error)}{said}") from error
    return module


def _where(path: Path, error: BaseException) -> str:
    """The last line of the file that an error went through."""
    lines, trace = [], error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == str(path):
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return f"line {lines[-1]}: " if lines else ""
