"""What to run: tasks x methods x seeds under a preset and overrides, from the command line or a TOML file.

A plan is saved with the results (`DIR/plans/HASH.json`) with everything resolved, so that `status` knows what is missing.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import json
import os
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from bbo import catalogue, protocol
from bbo.errors import BBOError, unknown
from bbo.record import CellSpec
from bbo.task import Dataset, Task


@dataclass(frozen=True)
class Request:
    """What the user asked for, before names are looked up.

    Args:
        tasks, methods: ids or `FILE.py:Class`.
        seeds: seed numbers.
        preset: name of the preset for every method.
        overrides: `method.key` to the value's text.
        budget: designs per cell.
    """

    tasks: tuple[str, ...]
    methods: tuple[str, ...]
    seeds: tuple[int, ...] = tuple(range(8))
    preset: str = "fast"
    overrides: dict[str, str] = field(default_factory=dict)
    budget: int = protocol.BUDGET


@dataclass(frozen=True)
class LoadedTask:
    """A task with its visible table in memory, as the harness holds it."""

    reference: str
    task: Task
    dataset: Dataset
    version: str
    data_hash: str
    local: bool


@dataclass(frozen=True)
class PlannedMethod:
    """One method, with the settings it takes on each task."""

    method: catalogue.Method
    presets: dict[str, str]
    configs: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Order:
    """A cell by name: all that a worker elsewhere needs to run it, and what a saved plan says of it.

    Args:
        spec: the cell.
        task, method: references under which the catalogue finds them; files by their whole path.
        preset: the preset its settings came from, for the record.
    """

    spec: CellSpec
    task: str
    method: str
    preset: str


@dataclass(frozen=True)
class PlannedCell:
    """A cell and what is needed to run it."""

    spec: CellSpec
    task: LoadedTask
    method: catalogue.Method
    preset: str

    def order(self) -> Order:
        return Order(self.spec, self.task.reference, self.method.reference, self.preset)


@dataclass(frozen=True)
class Plan:
    """A request with all names looked up, all data loaded and all settings resolved."""

    tasks: tuple[LoadedTask, ...]
    methods: tuple[PlannedMethod, ...]
    seeds: tuple[int, ...]
    budget: int

    def __iter__(self) -> Iterator[PlannedCell]:
        return self.cells()

    def cells(self) -> Iterator[PlannedCell]:
        """All cells, seeds outermost, so that an unfinished run has whole columns to show."""
        for seed, task, method in itertools.product(self.seeds, self.tasks, self.methods):
            id = task.task.spec.id
            spec = CellSpec(
                task=id,
                task_version=task.version,
                data_hash=task.data_hash,
                method=method.method.id,
                method_version=method.method.version,
                config=method.configs[id],
                seed=seed,
                budget=self.budget,
                protocol=protocol.VERSION,
            )
            yield PlannedCell(spec, task, method.method, method.presets[id])

    def to_json(self) -> str:
        tasks = [
            {"id": t.task.spec.id, "version": t.version, "data_hash": t.data_hash, "reference": t.reference} for t in self.tasks
        ]
        methods = [
            {"id": m.method.id, "version": m.method.version, "presets": m.presets, "configs": m.configs}
            | {"reference": m.method.reference}
            for m in self.methods
        ]
        plan = {"tasks": tasks, "methods": methods, "seeds": self.seeds, "budget": self.budget, "protocol": protocol.VERSION}
        return json.dumps(plan, indent=1, sort_keys=True) + "\n"

    def save(self, out: Path) -> None:
        """Write the plan below a results folder, whole or not at all; the same plan is written once."""
        text = self.to_json()
        path = out / "plans" / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
        if not path.exists():
            temporary = path.with_suffix(f".tmp{os.getpid()}")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                temporary.write_text(text)
                os.replace(temporary, path)
            except OSError as error:
                with contextlib.suppress(OSError):
                    temporary.unlink(missing_ok=True)
                raise BBOError(f"cannot write the plan into {out}: {error.strerror}; make room or choose another --out") from None


def planned(out: Path) -> list[Order]:
    """Every cell of every plan saved in a results folder, each once.

    Raises:
        BBOError: the folder holds no plan, or one that cannot be read.
    """
    paths = sorted((out / "plans").glob("*.json"))
    if not paths:
        raise BBOError(f"{out} holds no plan (no file {out / 'plans' / '*.json'}); make one with: bbo run ... --out {out}")
    found: dict[str, Order] = {}
    for path in paths:
        try:
            plan = json.loads(path.read_text())
            for seed, task, method in itertools.product(plan["seeds"], plan["tasks"], plan["methods"]):
                config, preset = method["configs"][task["id"]], method["presets"][task["id"]]
                versions = (task["id"], task["version"], task["data_hash"], method["id"], method["version"])
                spec = CellSpec(*versions, config, seed, plan["budget"], plan["protocol"])
                found.setdefault(spec.hash, Order(spec, task["reference"], method["reference"], preset))
        except (ValueError, KeyError, TypeError) as error:
            raise BBOError(f"plan {path} cannot be read ({error}); remove it and run its command again") from None
    return list(found.values())


def planned_specs(out: Path) -> list[CellSpec]:
    """The specs of `planned`."""
    return [order.spec for order in planned(out)]


def look_up(order: Order) -> PlannedCell:
    """The cell of an order, with its task loaded.

    Raises:
        BBOError: it cannot be run here: something is missing, or is here in another version than the order names.
    """
    spec = order.spec
    task = _load_asked(order.task, spec.task_version, spec.data_hash)
    method = catalogue.load_method(order.method)
    here = (task.version, task.data_hash, method.version, protocol.VERSION)
    asked = (spec.task_version, spec.data_hash, spec.method_version, spec.protocol)
    names = ("version of the task", "data of the task", "version of the method", "version of the protocol")
    for name, ours, theirs in zip(names, here, asked, strict=True):
        if ours != theirs:
            raise BBOError(f"{spec.label()} cannot be run here: the {name} is {ours}, the cell is of {theirs}")
    return PlannedCell(spec, task, method, order.preset)


def make(request: Request) -> Plan:
    """Look up and resolve a request.

    Raises:
        BBOError: unknown names or settings, unavailable tasks or methods, an empty axis.
    """
    for axis in ("tasks", "methods", "seeds"):
        if not getattr(request, axis):
            raise BBOError(f"nothing to run: no {axis} given; use -t TASK and -b METHOD, or --suite {'|'.join(suites())}")
    if request.budget < 1:
        raise BBOError(f"the budget must be at least 1 design; got {request.budget}")
    found = [catalogue.load_method(_whole(reference)) for reference in dict.fromkeys(request.methods)]
    tasks = [_load(_whole(reference)) for reference in dict.fromkeys(request.tasks)]
    _refuse_shared_files(tasks, found)
    by_id: dict[str, str] = {}
    for kind, id, reference in [("task", t.task.spec.id, t.reference) for t in tasks] + [
        ("method", b.id, b.reference) for b in found
    ]:
        if by_id.setdefault(f"{kind} {id}", reference) != reference:
            raise BBOError(f"two {kind}s are called '{id}': {by_id[f'{kind} {id}']} and {reference}; rename one")
    overrides: dict[str, dict[str, str]] = {b.id: {} for b in found}
    for key, text in request.overrides.items():
        name, dot, setting = key.rpartition(".")
        if not dot or name not in overrides:
            raise unknown("method in --set", name or key, overrides, "write it as method.key=value")
        overrides[name][setting] = text
    methods = []
    for method in found:
        resolved = {t.task.spec.id: method.config(request.preset, t.task.spec.id, overrides[method.id]) for t in tasks}
        names = {id: preset.name for id, preset in resolved.items()}
        methods.append(PlannedMethod(method, names, {id: preset.config for id, preset in resolved.items()}))
    return Plan(tuple(tasks), tuple(methods), tuple(dict.fromkeys(request.seeds)), request.budget)


def _whole(reference: str) -> str:
    """A local file's reference with its whole path: methods run in another folder, workers perhaps on another machine."""
    if not catalogue.is_local(reference) or not reference.rpartition(":")[0]:
        return reference
    return f"{catalogue.local_file(reference)}:{reference.rpartition(':')[2]}"


def _refuse_shared_files(tasks: list[LoadedTask], methods: list[catalogue.Method]) -> None:
    of_tasks = {catalogue.local_file(task.reference) for task in tasks if task.local}
    for method in methods:
        if method.local and catalogue.local_file(method.reference) in of_tasks:
            raise BBOError(
                f"{method.reference} is in the file of a task, which methods must not read; put it into a file of its own"
            )


@functools.lru_cache(maxsize=32)
def _load_asked(reference: str, version: str, data_hash: str) -> LoadedTask:
    """`_load`, once a process for each version that is asked for: a local file may change."""
    return _load(reference)


def _load(reference: str) -> LoadedTask:
    task = catalogue.load_task(reference)
    dataset = task.dataset()
    version, local = task.spec.version, catalogue.is_local(reference)
    if local:  # the oracle is not covered by the data's hash, so the file's text is part of the version
        version += "+" + hashlib.sha256(Path(reference.rpartition(":")[0]).read_bytes()).hexdigest()[:16]
    return LoadedTask(reference, task, dataset, version, dataset.sha256(), local)


def suites() -> list[str]:
    """Names of the suites that ship with the package."""
    return sorted(p.name.removesuffix(".toml") for p in files("bbo").joinpath("suites").iterdir() if p.name.endswith(".toml"))


def read_suite(name: str) -> dict[str, Any]:
    """The settings of a shipped suite."""
    if name not in suites():
        raise unknown("suite", name, suites())
    return _parse(files("bbo").joinpath("suites", f"{name}.toml").read_text(), f"suite {name}")


def read_plan(path: Path) -> dict[str, Any]:
    """The settings of a plan file: any of tasks, methods, seeds, preset, budget, and a table `set`."""
    try:
        return _parse(path.read_text(), str(path))
    except OSError as error:
        raise BBOError(f"plan {path} cannot be read: {error.strerror}") from None


def _parse(text: str, name: str) -> dict[str, Any]:
    known = {"tasks", "methods", "seeds", "preset", "budget", "set"}
    try:
        plan = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BBOError(f"{name} is not valid TOML: {error}") from None
    if "baselines" in plan:  # the name of this key in older plan files
        plan["methods"] = plan.pop("baselines")
    for key in plan:
        if key not in known:
            raise unknown(f"key in {name}", key, known)
    if "seeds" in plan:
        plan["seeds"] = parse_seeds(str(plan["seeds"])) if isinstance(plan["seeds"], str | int) else tuple(plan["seeds"])
    return plan


def parse_seeds(text: str) -> tuple[int, ...]:
    """`0-7`, `3`, or `0,2,5-6`, each seed once, in the order given."""
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or (dash and int(last) < int(first)):
            raise BBOError(f"seeds are written like 0-7, 3, or 0,2,5-6; got '{text}'")
        seeds.extend(range(int(first), int(last or first) + 1))
    return tuple(dict.fromkeys(seeds))


def describe(spec: CellSpec) -> dict[str, Any]:
    """A cell as plain data, with its hash."""
    return {"hash": spec.hash, **asdict(spec)}
