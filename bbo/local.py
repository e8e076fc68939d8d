"""Single files with a user's own task or method: `./mine.py:MyClass`.

A task's file is imported where its oracle runs. A method's file is imported in confined processes only; the harness reads its text.
The version of such a class is a hash of the code it needs: its own definition and everything in its file that this refers to,
without comments and docstrings. A second class or a comment in the file changes nothing. Where the file looks names up at run time, by
`globals` or `eval` for instance, what a class needs cannot be told from the text: the version is then a hash of the whole file. Modules
beside the file are refused, since they would count for no version.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from types import ModuleType
from typing import Any

from bbo.errors import BBOError, UnknownName, unknown

#: Bytes of the largest file that is read.
LARGEST = 2**24
#: By these, code reaches others by a text, or reads its own file, so what it needs cannot be told from its text: names, attributes, methods.
LOOKUP_NAMES = frozenset(
    [
        "globals",
        "locals",
        "vars",
        "eval",
        "exec",
        "compile",
        "builtins",
        "importlib",
        "inspect",
        "pickle",
        "runpy",
        "__import__",
        "__builtins__",
        "__file__",
        "__doc__",
    ]
)
LOOKUP_ATTRIBUTES = frozenset(
    ["import_module", "__dict__", "__globals__", "f_globals", "_getframe", "__subclasses__", "__doc__", "__builtins__"]
)
LOOKUP_METHODS = frozenset({"__init_subclass__", "__set_name__"})
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
    """All that the class of `FILE.py:Class` needs of its file, without comments and docstrings; the whole file where that cannot be told.

    Raises:
        BBOError: the file is no Python, too large or too deeply nested to be read, or imports a module beside it.
    """
    path, name = _split(reference)
    tree = _parsed(path)
    try:
        if beside := next(_beside(path, tree), ""):
            raise BBOError(
                f"{path} imports {beside}, a module beside it, which its version would not cover: put its code into {path.name}, or "
                "install it as a package"
            )
        if _looks_up(tree):
            return ast.unparse(tree)
        return "\n".join(_needed(tree, name))
    except RecursionError:
        raise BBOError(f"{path} is too deeply nested to be read") from None


def version(reference: str) -> str:
    """Hash of `source`, 16 hex digits; of the whole file where the file looks names up, perhaps in its comments.

    Raises:
        BBOError: as `source`.
    """
    text, path = source(reference), _split(reference)[0]
    if _looks_up(_parsed(path)):
        return digest(reference)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]


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


def _looks_up(tree: ast.Module) -> bool:
    """Whether a file reaches its parts by names that its text does not show."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) if name in LOOKUP_NAMES:
                return True
            case ast.Attribute(value=ast.Name(id="sys"), attr="modules") | ast.keyword(arg="metaclass"):
                return True
            case ast.Attribute(attr=name) if name in LOOKUP_ATTRIBUTES:
                return True
            case ast.FunctionDef(name=name) if name in LOOKUP_METHODS:
                return True
            case ast.alias(name=name) if name.partition(".")[0] in LOOKUP_NAMES or name in LOOKUP_ATTRIBUTES | {"modules"}:
                return True
    return False


def _beside(path: Path, tree: ast.Module) -> Iterator[str]:
    """Modules in the folder of a file that it would import, if the folder were on Python's search path."""
    folder = path.resolve().parent
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names] if node.level and not node.module else [node.module or ""]
        relative = isinstance(node, ast.ImportFrom) and node.level > 0
        for name in (name.partition(".")[0] for name in names):
            there = (folder / f"{name}.py").is_file() or (folder / name).is_dir()
            if there and (relative or _found_in(name, folder)):
                yield name


def _found_in(name: str, folder: Path) -> bool:
    """Whether a module that is not installed elsewhere is one of a folder."""
    if name in sys.stdlib_module_names or name == "bbo":
        return False
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    places = [spec.origin or "", *(spec.submodule_search_locations or ())] if spec else []
    inside = not places or any(Path(place).resolve().is_relative_to(folder) for place in places if place)
    return inside and name not in packages_distributions()  # an installed package may be developed in this folder


def _needed(tree: ast.Module, name: str) -> list[str]:
    """Source of the statements that `name` depends on, in the order of the file."""
    defines = {node: set(_defined(node)) for node in tree.body}
    own = {one for node, names in defines.items() if not isinstance(node, ast.Import | ast.ImportFrom) for one in names}
    # A call that is given something of the file may change it, such as a decorator that registers a function.
    defines = {node: set() if _may_change(node, own) else names for node, names in defines.items()}
    wanted, needed = {name}, set[ast.stmt]()
    while True:
        # A statement that defines nothing (a call, a condition) may change anything, so it always counts.
        more = {node for node, names in defines.items() if node not in needed and (names & wanted or not names)}
        if not more:
            break
        needed |= more
        wanted |= {n.id for node in more for n in ast.walk(node) if isinstance(n, ast.Name)}
    return [ast.unparse(_without_docstrings(node)) for node in tree.body if node in needed and not _is_text(node)]


def _may_change(node: ast.stmt, own: set[str]) -> bool:
    """Whether a statement, when it is run, calls something with one of the names `own` in it; bodies of functions are not run."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        parts: list[ast.AST] = [*node.args.defaults, *filter(None, node.args.kw_defaults)]
    elif isinstance(node, ast.ClassDef):
        parts = [*node.bases]
        if any(_may_change(part, own) for part in node.body):
            return True
    else:
        parts = [node]
    calls = [part for one in parts for part in ast.walk(one) if isinstance(part, ast.Call)]
    calls += getattr(node, "decorator_list", [])
    return any(isinstance(name, ast.Name) and name.id in own for call in calls for name in ast.walk(call))


def _defined(node: ast.stmt) -> Iterator[str]:
    """Names that a statement at the top of a file gives a value, if that is all it does."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        for alias in node.names:
            # What is imported from __future__ changes how the whole file is read.
            if alias.name != "*" and getattr(node, "module", "") != "__future__":
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
