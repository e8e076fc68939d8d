"""Finds tasks and methods: ours by their folders, other packages' by entry points, single files as `./mine.py:MyClass`.

A method's docstring and spec are read from its source, without running its module, so that listing never imports torch. The file of a
user's own method is not imported at all: a confined process imports it and says what the class declares (`bbo.described`).
"""

from __future__ import annotations

import ast
import fnmatch
import importlib
import importlib.util
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from bbo import local, registry, versions
from bbo.compat import names
from bbo.described import Described, describe
from bbo.errors import BBOError, Unavailable, UnknownName, unknown
from bbo.method import Method, MethodSpec
from bbo.settings import Preset, Setting, choose, make
from bbo.space import Space
from bbo.task import Task, TaskSpec, absent
from bbo.text import line

TASKS, METHODS = "bbo.tasks", "bbo.baselines"


@dataclass(frozen=True)
class ListedMethod:
    """The facts of an installed method, known without importing it.

    Args:
        spec: the facts that the class declares.
        summary: first line of its docstring.
        module, attribute: where its class is.
        unavailable: why it cannot be used here, with the command that fixes it; empty if it can.
        about: its whole docstring.
    """

    spec: MethodSpec
    summary: str = ""
    module: str = ""
    attribute: str = ""
    unavailable: str = ""
    about: str = ""


@dataclass(frozen=True)
class LoadedMethod:
    """A method that can be run: what its class declares, and the name and version its cells carry.

    Args:
        id: the spec's id, for a local file its class's name; with `+REGULARISER` for a composed name.
        version: "OWN.SHARED" (see `bbo.versions`): the spec's version, for a local file the hash of what its class needs; then the sum
            of the versions of its bases and of what it shares with other methods.
        described: what its class declares.
        base: the id without a regulariser.
        regulariser: name of the sharpness regulariser, or empty.
        extra: settings implied by a composed name; they override the preset's and are overridden by the user's.
        package: the package that its class is installed in; empty for a local file.
        here: whether its class may be imported in this process, which for a local file only confined processes do.
    """

    id: str
    version: str
    described: Described
    spec: MethodSpec
    reference: str
    local: bool = False
    base: str = ""
    regulariser: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
    package: str = ""
    here: bool = True

    @property
    def cls(self) -> Any:
        """Its class. For a local file this imports the file here; the harness does so in confined processes only."""
        return load_class(self.reference)

    @property
    def summary(self) -> str:
        """First line of the class's docstring, or the id."""
        return next(iter(self.described.doc.strip().splitlines()), "") or self.id

    def settings(self) -> dict[str, Setting]:
        """Its settings by name (see `bbo.settings`)."""
        return self.described.settings

    def presets(self) -> dict[str, dict[str, Any]]:
        """Its presets: settings by preset name, values by setting name."""
        return self.described.presets

    def config(self, preset: str, task: str, overrides: Mapping[str, str]) -> Preset:
        """All settings under a preset and `--set` overrides (see `bbo.settings.choose`), with which the class can be made.

        Raises:
            UnknownName: no such preset, setting or word.
            BBOError: a value of the wrong type or out of range, settings that the class refuses together, or another regulariser for a
                composed name.
        """
        if self.regulariser and "sharpness" in overrides:
            raise BBOError(
                f"{self.id} is {self.base} with the regulariser {self.regulariser}; got sharpness={overrides['sharpness']}; "
                f"for another one write {self.base}+NAME, for none {self.base}"
            )
        found = choose(self.settings(), self.presets(), self.id, preset, task, overrides, self.extra)
        if not self.here:
            _examine().make(_parts(self.reference)[0], found.config)
        else:
            make(self.cls, self.id, found.config)
        return found

    def unsuitable(self, space: Space, rows: int) -> str:
        """Why the method does not fit a space, or a table with this many rows; empty if it does."""
        if not self.here:
            return str(_examine().unsuitable(_parts(self.reference)[0], space, rows))
        return why_unsuitable(self.cls, space, rows)

    def propose(self, config: dict[str, Any], problem: Any) -> Any:
        """Designs (problem.budget, *shape) for a `bbo.problem.Problem`, not yet checked; a user's file runs in a confined process.

        Raises:
            BBOError: a method of a user's file failed; any other error comes as it is.
        """
        return self.cls(**config).propose(problem) if self.here else _remote().propose(self, config, problem)

    def predict(self, config: dict[str, Any], problem: Any, probes: list[Any]) -> Any:
        """Predictions of its surrogate, trained on a problem, for each array of designs (n, *shape) in `probes`.

        Returns:
            A list of mean (n,) and standard deviation (n,) or None, z-scored, and what the training recorded; None if the method has
            no surrogate.
        """
        if not self.here:
            return _remote().predict(self, config, problem, probes)
        import torch

        made = self.cls(**config)
        if not callable(getattr(made, "surrogate", None)):
            return None
        surrogate, data = made.surrogate(problem), problem.encoded()
        predicted = [surrogate.predict(data.encode(torch.as_tensor(x, device=problem.device))) for x in probes]
        return predicted, surrogate.history


def why_unsuitable(cls: Any, space: Space, rows: int) -> str:
    """What the class of a method says of a space; a class with only `propose` fits every one."""
    return cls.unsuitable(space, rows) if issubclass(cls, Method) else ""


def _examine() -> Any:
    """The part of the harness that asks the class in a user's file; loaded when it is needed, since the harness uses this module."""
    return importlib.import_module("bbo.harness.sandbox.examine")


def _remote() -> Any:
    return importlib.import_module("bbo.harness.sandbox.remote")


@cache
def _points(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=group)}


@cache
def _listed() -> dict[str, ListedMethod]:
    """All installed methods by id: ours from the folder, then other packages'."""
    found = {}
    for path in _files(METHODS):
        module = f"{METHODS}.{path.stem}"
        for node in _classes(path):
            if (spec := _spec(node)) is not None:
                found[spec.id] = _card(spec, node, module)
    for name, point in _points(METHODS).items():
        found.setdefault(name, _foreign(point))
    return dict(sorted(found.items()))


def _files(package: str) -> list[Path]:
    spec = importlib.util.find_spec(package)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    return sorted(path for folder in folders for path in Path(folder).glob("*.py") if not path.stem.startswith("_"))


def _classes(path: Path) -> list[ast.ClassDef]:
    return [node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef)]


def _spec(node: ast.ClassDef) -> MethodSpec | None:
    """The spec of a class, read from its source; None if the class itself has none.

    Raises:
        ValueError: an argument is not a literal, so it cannot be read without running the module.
    """
    for part in node.body:
        if isinstance(part, ast.Assign) and ast.unparse(part.targets[0]) == "spec" and isinstance(part.value, ast.Call):
            return MethodSpec(**{str(word.arg): ast.literal_eval(word.value) for word in part.value.keywords})
    return None


def _card(spec: MethodSpec, node: ast.ClassDef, module: str) -> ListedMethod:
    about = (ast.get_docstring(node) or "").strip()
    summary = next(iter(about.splitlines()), "")
    return ListedMethod(spec, summary, module, node.name, missing_packages(spec.requires, spec.extra), about)


def _foreign(point: EntryPoint) -> ListedMethod:
    """The card of another package's method, which may be a plain class; a broken package does not break the list."""
    try:
        found = importlib.util.find_spec(point.module)
        if found is None or found.origin is None:
            raise ImportError(f"no module {point.module}")
        node = next((node for node in _classes(Path(found.origin)) if node.name == point.attr), None)
        if node is None:
            raise ImportError(f"no class {point.attr} in {found.origin}")
        return _card(replace(_spec(node) or _plain(point.name), id=point.name), node, point.module)
    except Exception as error:
        return ListedMethod(_plain(point.name), "", point.module, point.attr, f"its source cannot be read: {error}")


def _plain(id: str, composable: bool = False) -> MethodSpec:
    """The facts of a class that declares none."""
    return MethodSpec(id=id, version=1, kind="", title="", composable=composable)


def task_ids() -> list[str]:
    """Ids of all installed tasks, variants not expanded."""
    return sorted(registry.own_tasks().keys() | _points(TASKS).keys())


def method_ids() -> list[str]:
    """Ids of all installed methods."""
    return list(_listed())


def task_modules() -> list[str]:
    """Modules of all installed tasks."""
    return sorted({*registry.modules(), *(point.module for point in _points(TASKS).values())})


def method_modules() -> list[str]:
    """Modules of other packages' methods."""
    return sorted({point.module for point in _points(METHODS).values()})


def is_task(reference: str) -> bool:
    """Whether an id or `FILE.py:Class` names a task; otherwise it names a method.

    Raises:
        UnknownName: it names neither.
    """
    method, _ = _parts(reference)
    if local.is_local(method):
        return local.is_task(method)
    name = names.ours(reference.partition(":")[0])
    if name in task_ids():
        return True
    if said := names.elsewhere(name):
        raise UnknownName(said)
    if method in _listed():
        return False
    raise unknown("task or method", reference, [*task_ids(), *method_ids()], "see: bbo list tasks, bbo list methods")


def expand_tasks(reference: str) -> list[str]:
    """Ids that a reference stands for: "all", a pattern such as `rna-*` or `tfbind8:*`, our id for a name of Design-Bench, or itself.

    Raises:
        UnknownName: nothing matches the pattern.
    """
    name, colon, variant = reference.partition(":")
    if colon and "*" in variant and not local.is_local(reference):
        return _matching("variant", reference, [f"{name}:{one}" for one in load_task(name).variants()])
    return _expanded("task", names.ours(reference), task_ids())


def expand_methods(reference: str) -> list[str]:
    """Ids that a reference stands for: "all", a pattern such as `gradient-*`, or the reference itself; never composed names.

    Raises:
        UnknownName: nothing matches the pattern.
    """
    return _expanded("method", reference, method_ids())


def _expanded(kind: str, reference: str, known: list[str]) -> list[str]:
    if local.is_local(reference) or (reference != "all" and "*" not in reference):
        return [reference]
    return known if reference == "all" else _matching(kind, reference, known)


def _matching(kind: str, pattern: str, known: list[str]) -> list[str]:
    found = fnmatch.filter(known, pattern)
    if not found:
        raise unknown(kind, pattern, known, f"see: bbo list {'methods' if kind == 'method' else 'tasks'}")
    return found


def load_task(reference: str) -> Task:
    """The task of an id, of `id:variant`, of a name of Design-Bench, or of `FILE.py:Class`.

    Raises:
        UnknownName: no such task, variant, file or class.
        Unavailable: known, but its package is broken, or one that it needs is missing.
        BBOError: the class in a file is no task.
    """
    if local.is_local(reference):
        return _local_task(reference)
    name, _, variant = reference.partition(":")
    name = names.ours(name)
    if name not in task_ids():
        if said := names.elsewhere(name):
            raise UnknownName(said)
        raise unknown("task", name, task_ids(), "see: bbo list tasks")
    own = registry.own_tasks().get(name)
    cls = own or _loaded(lambda: _checked(_points(TASKS)[name].load()), name)
    if variant and not cls.variants():
        raise BBOError(f"task {name} has no variants; got '{reference}'")
    words = [variant] if variant else []
    return cls(*words) if own else _loaded(lambda: _made(cls, *words), reference)


def _local_task(reference: str) -> Task:
    cls = local.load(reference)
    try:
        return _made(_checked(cls))
    except BBOError:
        raise
    except (Exception, SystemExit) as error:
        raise BBOError(f"{reference} cannot be used as a task: {_said(error)}") from error


def _checked(cls: Any) -> Any:
    """The class of a user's or another package's task.

    Raises:
        TypeError: it is none.
    """
    if not (isinstance(cls, type) and issubclass(cls, Task)):
        raise TypeError(f"a task is a class that must derive from bbo.task.Task; got {cls!r}")
    return cls


def _made(cls: Any, *words: str) -> Task:
    made: Task = cls(*words)
    if not isinstance(made.spec, TaskSpec):
        raise TypeError(f"its spec must be a bbo.task.TaskSpec; got {type(made.spec).__name__}")
    return made


def load_method(reference: str) -> LoadedMethod:
    """The method of an id or of `FILE.py:Class`, or of either with `+REGULARISER` (ignite, ignite2, sam, boss).

    Raises:
        UnknownName: no such method, regulariser, file or class.
        Unavailable: known, but its package is broken, or one that it needs is missing.
        BBOError: a regulariser for a method that takes none; a class that is not a method, or whose declarations are invalid.
    """
    method, regulariser = _parts(reference)
    if regulariser:
        return _composed(load_method(method), regulariser)
    if local.is_local(method):
        return _local(method)
    if method not in _listed():
        raise unknown("method", method, method_ids(), "see: bbo list methods")
    card = _listed()[method]
    if card.unavailable:
        raise Unavailable(f"method '{method}' is not available: {card.unavailable}")
    cls = load_class(method)
    found = describe(cls, method, method)
    spec = replace(cls.spec, id=method) if "spec" in vars(cls) else _plain(method, found.composable)
    text = _source_of(cls.__module__)
    package = card.module.partition(".")[0]
    return LoadedMethod(
        method, _version(found, str(spec.version), text, installed=True), found, spec, method, base=method, package=package
    )


def load_class(reference: str) -> Any:
    """The class of a method, without its regulariser; imports its module, or the user's file.

    Raises:
        UnknownName: no such method, file or class.
        Unavailable: its package is broken, or one that it needs is missing.
        BBOError: the file cannot be imported.
    """
    method, _ = _parts(reference)
    if local.is_local(method):
        return local.load(method)
    if method not in _listed():
        raise unknown("method", method, method_ids(), "see: bbo list methods")
    card = _listed()[method]
    return _loaded(lambda: getattr(importlib.import_module(card.module), card.attribute), method)


def _parts(reference: str) -> tuple[str, str]:
    """A reference without and its regulariser."""
    method, plus, regulariser = reference.rpartition("+")
    if not (plus and regulariser.isidentifier()):
        return reference, ""
    if "+" in method.rpartition(":")[2].rpartition("/")[2]:
        raise BBOError(f"a method takes one regulariser; got '{reference}'")
    return method, regulariser


def _local(reference: str) -> LoadedMethod:
    return replace(_of_file(reference, _examine().describe(reference)), here=False)


def load_here(reference: str) -> LoadedMethod:
    """`load_method`, with a user's file imported in this process.

    Raises:
        UnknownName, Unavailable, BBOError: as `load_method`.
    """
    method, regulariser = _parts(reference)
    if not local.is_local(method):
        return load_method(reference)
    if regulariser:
        return _composed(load_here(method), regulariser)
    return _of_file(reference, describe(local.load(reference), reference))


def _of_file(reference: str, found: Described) -> LoadedMethod:
    spec = replace(found.spec, id=found.name) if found.spec else _plain(found.name, found.composable)
    if missing := missing_packages(spec.requires, ""):
        raise Unavailable(f"method '{reference}' is not available: {missing}")
    version = _version(found, local.version(reference), local.source(reference), installed=False)
    return LoadedMethod(found.name, version, found, spec, reference, local=True, base=found.name)


def _version(found: Described, own: str, source: str, installed: bool) -> str:
    """`own`, a dot, and the sum of the versions of the class's bases and of all modules that these and `source` share with others."""
    # Of a user's file only these are looked up: what a class says of its bases must not make us import anything.
    modules = {card.module for card in _listed().values()}
    bases = [(module, name) for module, name in found.bases if installed or module in modules or module.startswith(f"{METHODS}.")]
    trees = [ast.parse(source), *(ast.parse(_source_of(module)) for module, _ in bases)]
    specs = [
        spec
        for tree, (_, name) in zip(trees[1:], bases, strict=True)
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == name and (spec := _spec(node))
    ]
    return f"{own}.{versions.shared(*trees) + sum(spec.version for spec in specs)}"


def _source_of(module: str) -> str:
    """Text of an installed module, which is not imported.

    Raises:
        BBOError: it has none.
    """
    try:
        found = importlib.util.find_spec(module)
        return Path(str(found and found.origin)).read_text(encoding="utf-8")
    except (ImportError, OSError, ValueError) as error:
        raise BBOError(f"the source of {module} cannot be read: {error}") from None


def has_surrogate(card: ListedMethod) -> bool:
    """Whether a listed method has a surrogate that can be diagnosed: by the sources of its class and its bases, none of them imported."""
    try:
        return _defines(card.module, card.attribute, "surrogate")
    except (BBOError, SyntaxError, ValueError):  # a broken package does not break the list
        return False


def _defines(module: str, name: str, function: str) -> bool:
    """Whether a class, or one of its bases in a module of the same package, defines a function."""
    tree = ast.parse(_source_of(module))
    node = next((node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name), None)
    if node is None:
        return False
    if any(isinstance(part, ast.FunctionDef) and part.name == function for part in node.body):
        return True
    package = module.partition(".")[0]
    origins = {
        alias.asname or alias.name: (part.module, alias.name)
        for part in tree.body
        if isinstance(part, ast.ImportFrom) and part.module and part.module.partition(".")[0] == package
        for alias in part.names
    } | {part.name: (module, part.name) for part in tree.body if isinstance(part, ast.ClassDef)}
    bases = [origins[base] for base in map(ast.unparse, node.bases) if base in origins]
    return any(_defines(*base, function) for base in bases)


def _composed(method: LoadedMethod, regulariser: str) -> LoadedMethod:
    """A method with a sharpness regulariser in the training of its surrogate, at the published settings."""
    from bbo.surrogates import sharpness  # this imports torch, which composable methods need anyway

    if regulariser not in sharpness.PUBLISHED:
        raise unknown("regulariser", regulariser, sharpness.PUBLISHED, f"write it as {method.id}+ignite")
    if not method.spec.composable:
        raise BBOError(
            f"'{method.id}' takes no sharpness regulariser, since it trains no surrogate that could use one; bbo list methods shows which "
            "are composable"
        )
    return replace(
        method,
        id=f"{method.id}+{regulariser}",
        reference=f"{method.reference}+{regulariser}",
        regulariser=regulariser,
        extra={"sharpness": regulariser, **sharpness.PUBLISHED[regulariser]},
    )


def method_card(name: str) -> ListedMethod:
    """An installed method's card, without importing its module.

    Raises:
        UnknownName: no such method.
    """
    if name not in _listed():
        raise unknown("method", name, method_ids(), "see: bbo list methods")
    return _listed()[name]


def cards() -> Iterator[ListedMethod]:
    """The cards of all installed methods, in the order of their ids."""
    yield from _listed().values()


def missing_packages(requires: tuple[str, ...], extra: str = "") -> str:
    """Why packages named by import name cannot be used, with the command that installs them; empty if they can."""
    missing = absent(requires)
    package = f'"offline-bbo[{extra}]"' if extra else " ".join(missing)
    return f"needs the package {', '.join(missing)}: pip install {package}" if missing else ""


def _loaded(load: Callable[[], Any], reference: str) -> Any:
    """What `load` returns of an installed package, which may be broken in any way.

    Raises:
        Unavailable: it is.
        BBOError: an error of ours, as it is.
    """
    try:
        return load()
    except BBOError:
        raise
    except (Exception, SystemExit) as error:
        raise Unavailable(f"'{reference}' cannot be loaded: {_said(error)}") from error


def _said(error: BaseException) -> str:
    return line(f"{type(error).__name__}: {error}".removesuffix(": "))
