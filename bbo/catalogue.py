"""Finds tasks and methods: our own tasks (`bbo.registry`), the entry points `bbo.tasks` and `bbo.baselines`, and single files given
as `./mine.py:MyClass`.

What can be said without running a module (its
class's docstring, version, needed packages) is read off its source, so that listing never imports torch.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import hashlib
import importlib
import importlib.util
import sys
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from bbo import registry
from bbo.errors import BBOError, Unavailable, UnknownName, unknown
from bbo.settings import Preset, resolve
from bbo.task import Task

TASKS, METHODS = "bbo.tasks", "bbo.baselines"


@dataclass(frozen=True)
class Card:
    """What `bbo list` shows of a method, read off its source.

    `composable`: it trains a surrogate that takes a sharpness regulariser, so `ID+ignite` and its like can be asked for.
    """

    id: str
    version: str
    summary: str
    kind: str
    requires: tuple[str, ...]
    unavailable: str = ""
    composable: bool = False


@dataclass(frozen=True)
class Method:
    """A method that can be run: its class, and the name and version its cells carry.

    `extra` are settings that come with a composed name, between the preset's and the user's own.
    """

    id: str
    version: str
    cls: type
    reference: str
    local: bool = False
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        return (self.cls.__doc__ or self.id).strip().splitlines()[0]

    def presets(self) -> dict[str, dict[str, Any]]:
        return dict(getattr(self.cls, "presets", {}))

    def config(self, preset: str, task: str, overrides: dict[str, str]) -> Preset:
        """All settings under a preset and `--set` overrides (see `bbo.settings`)."""
        return resolve(self.cls, self.id, preset, task, overrides, self.extra)


@cache
def _points(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=group)}


def task_ids() -> list[str]:
    """Ids of all installed tasks, variants not expanded."""
    return sorted(registry.own_tasks().keys() | _points(TASKS).keys())


def method_ids() -> list[str]:
    """Ids of all installed methods."""
    return sorted(_points(METHODS))


def task_modules() -> list[str]:
    """Modules of all installed tasks."""
    return sorted({*registry.modules(), *(point.module for point in _points(TASKS).values())})


def is_local(reference: str) -> bool:
    """Whether `reference` names a class in a file: `./mine.py:MyClass`."""
    return ".py:" in reference or reference.endswith(".py")


def local_file(reference: str) -> str:
    """Whole path of the file of `FILE.py:Class`."""
    return str(Path(reference.rpartition(":")[0]).resolve())


def is_task(reference: str) -> bool:
    """Whether an id or `FILE.py:Class` names a task; otherwise it names a method.

    Raises:
        UnknownName: it names neither.
    """
    if is_local(reference):
        cls, _ = _load_local(reference)
        return isinstance(cls, type) and issubclass(cls, Task)
    if reference.partition(":")[0] in task_ids():
        return True
    if reference.partition("+")[0] in _points(METHODS):
        return False
    raise unknown("task or method", reference, [*task_ids(), *method_ids()])


def load_task(reference: str) -> Task:
    """The task of an id, of `id:variant`, or of `FILE.py:Class`.

    Raises:
        UnknownName: no such task, variant, file or class.
        Unavailable: known, but its module or a package it needs cannot be imported.
    """
    if is_local(reference):
        if not is_task(reference):
            raise BBOError(f"{reference} is not a task: the class must derive from bbo.task.Task")
        return _load_local(reference)[0]()
    name, _, variant = reference.partition(":")
    if name not in task_ids():
        raise unknown("task", name, task_ids(), "see: bbo list tasks")
    cls: Any = registry.own_tasks().get(name) or _load_point(_points(TASKS)[name])
    if variant and not cls.variants():
        raise UnknownName(f"task '{name}' has no variants; ask for it as {name}")
    return cls(variant) if variant else cls()


def load_method(reference: str) -> Method:
    """The method of an id or of `FILE.py:Class`, or of either with `+REGULARISER` (ignite, ignite2, sam).

    Raises:
        UnknownName: no such method, regulariser, file or class.
        Unavailable: known, but a package it needs is missing.
        BBOError: a regulariser for a method that takes none.
    """
    method, plus, regulariser = reference.rpartition("+")
    if plus and regulariser.isidentifier():
        if "+" in method.rpartition(":")[2].rpartition("/")[2]:
            raise BBOError(f"a method takes one regulariser; got '{reference}'")
        return _composed(load_method(method), regulariser)
    if is_local(reference):
        cls, text = _load_local(reference)
        if not callable(getattr(cls, "propose", None)):
            raise BBOError(f"{reference} is not a method: the class needs a method propose(self, problem)")
        return Method(cls.__name__, hashlib.sha256(text).hexdigest()[:16], cls, reference, local=True)
    if reference not in _points(METHODS):
        raise unknown("method", reference, method_ids(), "see: bbo list baselines")
    card = method_card(reference)
    if card.unavailable:
        raise Unavailable(f"method '{reference}' is not available: {card.unavailable}")
    cls = _load_point(_points(METHODS)[reference])
    return Method(reference, str(getattr(cls, "version", "0")), cls, reference)


def _composed(method: Method, regulariser: str) -> Method:
    """A method with a sharpness regulariser in the training of its surrogate, at the published settings."""
    from bbo.surrogates import sharpness  # torch comes along, which the methods that can be composed need anyway

    if regulariser not in sharpness.PUBLISHED:
        raise unknown("regulariser", regulariser, sharpness.PUBLISHED, f"write it as {method.id}+ignite")
    if not getattr(method.cls, "composable", False):
        able = ", ".join(name for name in method_ids() if method_card(name).composable)
        raise BBOError(
            f"'{method.id}' takes no sharpness regulariser, since it trains no surrogate that could; those that do: {able}"
        )
    return replace(
        method,
        id=f"{method.id}+{regulariser}",
        version=f"{method.version}+{sharpness.VERSION}",
        reference=f"{method.reference}+{regulariser}",
        extra={"sharpness": regulariser, **sharpness.PUBLISHED[regulariser]},
    )


def method_card(name: str) -> Card:
    """A method's card, without importing its module; never raises for an installed name."""
    try:
        facts = _class_facts(_points(METHODS)[name])
    except Exception as error:  # a third party's broken package must not break the list
        return Card(name, "?", "", "?", (), f"its source cannot be read: {error}")
    requires = tuple(facts.get("requires", ()))
    return Card(
        name,
        str(facts.get("version", "0")),
        facts["doc"].strip().splitlines()[0] if facts["doc"] else "",
        str(facts.get("kind", "")),
        requires,
        missing_packages(requires),
        bool(facts.get("composable", False)),
    )


def missing_packages(requires: tuple[str, ...]) -> str:
    """Why packages named by import name cannot be used, with the command that mends it; empty if they can."""
    missing = [name for name in requires if importlib.util.find_spec(name) is None]
    return f"needs the package {', '.join(missing)}: pip install {' '.join(missing)}" if missing else ""


def _load_point(point: EntryPoint) -> Any:
    try:
        return point.load()
    except ImportError as error:
        raise Unavailable(f"'{point.name}' cannot be loaded from {point.value}: {error}") from error


def _class_facts(point: EntryPoint) -> dict[str, Any]:
    """Docstring and literal class attributes of an entry point's class, from its source text."""
    spec = importlib.util.find_spec(point.module)
    if spec is None or spec.origin is None:
        raise ImportError(f"no module {point.module}")
    for node in ast.parse(Path(spec.origin).read_text()).body:
        if isinstance(node, ast.ClassDef) and node.name == point.attr:
            facts: dict[str, Any] = {"doc": ast.get_docstring(node)}
            for line in node.body:
                if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
                    with contextlib.suppress(ValueError):  # not a literal, so nothing a card could show
                        facts[line.targets[0].id] = ast.literal_eval(line.value)
            return facts
    raise ImportError(f"no class {point.attr} in {spec.origin}")


def _load_local(reference: str) -> tuple[Any, bytes]:
    """Class and file text of `FILE.py:Class`."""
    name, _, cls = reference.rpartition(":")
    path = Path(name)
    if not name or not cls or not path.is_file():
        raise UnknownName(f"no file for '{reference}'; write it as ./mine.py:MyClass, with an existing file")
    text = path.read_bytes()
    module = _import_file(path.resolve(), hashlib.sha256(text).hexdigest()[:16])
    if not hasattr(module, cls):
        classes = [n for n, v in vars(module).items() if isinstance(v, type) and v.__module__ == module.__name__]
        raise unknown(f"class in {path}", cls, classes)
    return getattr(module, cls), text


@cache
def _import_file(path: Path, digest: str) -> ModuleType:
    name = f"bbo_local_{path.stem}_{digest}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up while the class is being made
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise BBOError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    return module


def defaults(cls: type) -> dict[str, Any]:
    """Settings of a method with their default values; none for a class that is not a dataclass."""
    return {f.name: getattr(cls(), f.name) for f in dataclasses.fields(cls)} if dataclasses.is_dataclass(cls) else {}
