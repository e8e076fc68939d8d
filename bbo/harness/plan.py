"""What to run: a request with all names looked up and all settings resolved and checked, as cells task x method x seed.

A plan is saved with the results (`DIR/plans/HASH.json`), so that `status` knows what is missing and tables know what does not apply.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bbo import bounded, catalogue, files, local, protocol
from bbo.bounded import Unreadable
from bbo.catalogue import LoadedMethod
from bbo.errors import BBOError, Unavailable, unknown
from bbo.harness.loaded import LoadedTask, load, load_asked
from bbo.harness.request import MOST_DESIGNS, MOST_SEEDS, SEED_LIMIT, Request, suites
from bbo.record import CellSpec
from bbo.settings import Preset, refuse_typo
from bbo.text import line

#: Fields of a spec that are texts.
TEXTS = ("task", "task_version", "data_hash", "method", "method_version")

#: How the settings of a sharpness regulariser begin.
REGULARISING = "sharpness"

#: How many reasons for leaving something out an error names.
MOST_REASONS = 3


@dataclass(frozen=True)
class PlannedMethod:
    """One method, with the preset it takes on each task it fits (by id), and why it does not fit the others."""

    method: LoadedMethod
    presets: dict[str, Preset]
    unsuitable: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Order:
    """A cell by name: all that a worker elsewhere needs to run it, and what a saved plan says of it.

    Args:
        spec: the cell.
        task, method: references under which the catalogue finds them; files by their whole path.
        preset: the preset its settings came from, for the record.
        overrides: the settings that differ from that preset, for the record.
    """

    spec: CellSpec
    task: str
    method: str
    preset: str
    overrides: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PlannedCell:
    """A cell and what is needed to run it."""

    spec: CellSpec
    task: LoadedTask
    method: LoadedMethod
    preset: str
    overrides: dict[str, Any] = field(default_factory=dict)

    def order(self) -> Order:
        """The cell by name, for a worker elsewhere or a saved plan."""
        return Order(self.spec, self.task.reference, self.method.reference, self.preset, self.overrides)


@dataclass(frozen=True)
class Plan:
    """A request with all names looked up, all data loaded and all settings resolved.

    `skipped` are the tasks and methods that were left out since they are not available here, with the reason.
    """

    tasks: tuple[LoadedTask, ...]
    methods: tuple[PlannedMethod, ...]
    seeds: tuple[int, ...]
    budget: int
    skipped: dict[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[PlannedCell]:
        """All cells, seeds outermost, so that an unfinished run already has complete columns."""
        for seed, task, planned in itertools.product(self.seeds, self.tasks, self.methods):
            id, method = task.task.spec.id, planned.method
            if id in planned.unsuitable:
                continue
            preset = planned.presets[id]
            spec = CellSpec(
                task=id,
                task_version=task.version,
                data_hash=task.data_hash,
                method=method.id,
                method_version=method.version,
                config=preset.config,
                seed=seed,
                budget=self.budget,
                protocol=protocol.VERSION,
            )
            yield PlannedCell(spec, task, method, preset.name, preset.overrides)

    def unsuitable(self) -> list[dict[str, str]]:
        """Pairs that are not run because the method does not fit the task: task, method and reason."""
        return [
            {"task": task, "method": planned.method.id, "reason": reason}
            for planned in self.methods
            for task, reason in planned.unsuitable.items()
        ]

    def to_json(self) -> str:
        """The plan as it is saved; the same request gives the same text."""
        tasks = [
            {"id": t.task.spec.id, "version": t.version, "data_hash": t.data_hash, "reference": t.reference} for t in self.tasks
        ]
        methods = [
            {"id": m.method.id, "version": m.method.version, "reference": m.method.reference}
            | {"presets": {task: asdict(preset) for task, preset in m.presets.items()}}
            for m in self.methods
        ]
        plan = {"tasks": tasks, "methods": methods, "unsuitable": self.unsuitable()}
        plan |= {"seeds": self.seeds, "budget": self.budget, "protocol": protocol.VERSION}
        return json.dumps(plan, indent=1, sort_keys=True, allow_nan=False) + "\n"

    def save(self, out: Path) -> None:
        """Write the plan below a results folder, whole or not at all; the same plan is written once.

        Raises:
            BBOError: it cannot be written.
        """
        text = self.to_json()
        path = out / "plans" / f"{name_of(text)}.json"
        if path.exists() and bounded.content(path) == text.encode():
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            files.write(path, text)
        except (OSError, BBOError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise BBOError(f"cannot write the plan into {out}: {reason}; make room or choose another --out") from None


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
        for order in orders(saved(path)):
            found.setdefault(order.spec.hash, order)
    return list(found.values())


def saved(path: Path) -> dict[str, Any]:
    """One saved plan as plain data, in which `orders` finds all that it needs.

    Raises:
        BBOError: it cannot be read, is not a plan, or was altered since it was saved.
    """
    try:
        words = bounded.text(path)
        plan: dict[str, Any] = bounded.parsed_json(path, words)
        if not isinstance(plan, dict) or len(plan["seeds"]) > MOST_SEEDS:
            raise TypeError("it is not a plan")
        for order in orders({**plan, "seeds": [0]}):
            texts = (*(getattr(order.spec, name) for name in TEXTS), order.task, order.method, order.preset)
            if not all(isinstance(one, str) for one in texts) or not isinstance(order.spec.config, dict):
                raise TypeError("a name or a version is not text, or settings are not a table")
            if not isinstance(order.overrides, dict) or len(order.spec.hash) != 20:
                raise TypeError("changed settings are not a table")
        whole = (*plan["seeds"], plan["budget"], plan["protocol"])
        if not all(type(number) is int and 0 <= number < SEED_LIMIT for number in whole):
            raise TypeError("seeds, budget and protocol are whole numbers from 0 on")
    except Unreadable as error:
        raise BBOError(f"plan {error}; remove it and run its command again") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = line(f"{type(error).__name__}: {error}")
        raise BBOError(f"plan {path} cannot be read ({why}); remove it and run its command again") from None
    if path.stem != name_of(words):
        raise BBOError(f"plan {path} was altered since it was saved; remove it and run its command again")
    return plan


def name_of(words: str) -> str:
    """The name, without its ending, of the file that a plan's text is saved in."""
    return hashlib.sha256(words.encode()).hexdigest()[:16]


def orders(plan: Mapping[str, Any]) -> Iterator[Order]:
    """Every cell of one saved plan."""
    for seed, task, method in itertools.product(plan["seeds"], plan["tasks"], plan["methods"]):
        preset = method["presets"].get(task["id"])
        if preset is None:
            continue
        if isinstance(preset, str):  # a plan from before records had overrides
            preset = {"name": preset, "config": method["configs"][task["id"]], "overrides": {}}
        versions = (task["id"], task["version"], task["data_hash"], method["id"], method["version"])
        spec = CellSpec(*versions, preset["config"], seed, plan["budget"], plan["protocol"])
        yield Order(spec, task["reference"], method["reference"], preset["name"], preset["overrides"])


def planned_specs(out: Path) -> list[CellSpec]:
    """The specs of `planned`."""
    return [order.spec for order in planned(out)]


def look_up(order: Order) -> PlannedCell:
    """The cell of an order, with its task loaded.

    Raises:
        BBOError: it cannot be run here: something is missing, or is here in another version than the order names.
    """
    spec = order.spec
    task = load_asked(order.task, spec.task_version, spec.data_hash)
    method = catalogue.load_method(order.method)
    if reason := other_here(spec, task, method):
        raise BBOError(f"{spec.label()} cannot be run here: {reason}")
    return PlannedCell(spec, task, method, order.preset, order.overrides)


def other_here(spec: CellSpec, task: LoadedTask, method: LoadedMethod | None = None) -> str:
    """What is here in another version than a cell names; empty if nothing is. Without a method, its version does not matter."""
    pairs = {
        "version of the task": (task.version, spec.task_version),
        "data of the task": (task.data_hash, spec.data_hash),
        "version of the protocol": (protocol.VERSION, spec.protocol),
    }
    if method:
        pairs["version of the method"] = (method.version, spec.method_version)
    told = (f"the {name} is {ours}, the cell is of {theirs}" for name, (ours, theirs) in pairs.items() if ours != theirs)
    return next(told, "")


def make(request: Request) -> Plan:
    """Look up and resolve a request.

    Raises:
        BBOError: unknown names, settings or values, unavailable tasks or methods, no tasks, methods or seeds, or two of one name.
    """
    for axis in ("tasks", "methods"):
        if not getattr(request, axis):
            raise BBOError(f"nothing to run: no {axis} given; use -t TASK and -b METHOD, or --suite {'|'.join(suites())}")
    if not request.seeds:
        raise BBOError("nothing to run: the list of seeds is empty; name at least one, or leave seeds out for 0-7")
    _refuse_numbers(request)
    skipped: dict[str, str] | None = {} if request.skip_missing else None
    methods = _all(request.methods, catalogue.expand_methods, catalogue.load_method, skipped)
    tasks = _all(request.tasks, catalogue.expand_tasks, load, skipped)
    if not tasks or not methods:
        reasons = list((skipped or {}).values())
        more = f"; and {len(reasons) - MOST_REASONS} more" if len(reasons) > MOST_REASONS else ""
        missing = "methods" if tasks else "tasks"
        raise BBOError(f"nothing to run: all {missing} were skipped: {'; '.join(reasons[:MOST_REASONS])}{more}")
    _refuse_shared_files(tasks, methods)
    _refuse_same_names("task", [(task.task.spec.id, task.reference) for task in tasks])
    _refuse_same_names("method", [(method.id, method.reference) for method in methods])
    overrides = overrides_by_method(request.overrides, methods)
    planned = [_planned(method, tasks, request.preset, overrides[method.id]) for method in methods]
    refuse_typo(request.preset, (name for method in methods for name in method.presets()))
    return Plan(tuple(tasks), tuple(planned), tuple(dict.fromkeys(request.seeds)), request.budget, skipped or {})


def _refuse_numbers(request: Request) -> None:
    """Refuse seeds and budgets with which the plan or its records could not be read again."""
    if type(request.budget) is not int or not 1 <= request.budget <= MOST_DESIGNS:
        raise BBOError(f"the budget must be at least 1 design and at most {MOST_DESIGNS}, a whole number; got {request.budget!r}")
    if len(request.seeds) > MOST_SEEDS:
        raise BBOError(f"a plan takes at most {MOST_SEEDS} seeds; got {len(request.seeds)}")
    for seed in request.seeds:
        if type(seed) is not int or not 0 <= seed < SEED_LIMIT:
            raise BBOError(f"seeds are whole numbers from 0 to 2^63 - 1; got {seed!r}")


def _all(references: Iterable[str], expand: Any, load: Any, skipped: dict[str, str] | None) -> list[Any]:
    """Everything that references name, each once; what is not available goes into `skipped` where there is such a dict."""
    found = []
    for reference in dict.fromkeys(local.whole(name) for pattern in references for name in expand(pattern)):
        try:
            found.append(load(reference))
        except Unavailable as error:
            if skipped is None:
                raise Unavailable(f"{error}; or leave out all that is missing with --skip-missing") from None
            skipped[reference] = str(error)
    return found


def overrides_by_method(given: Mapping[str, str], methods: list[LoadedMethod]) -> dict[str, dict[str, str]]:
    """Overrides of each method by its id: its base's, but those of a regulariser, of which a composed form has its own; then its own.

    Raises:
        UnknownName: an override names another method.
        BBOError: an override of a regulariser names only the base of composed forms, and so would change nothing.
    """
    ids = {method.id for method in methods}
    names = {name for method in methods for name in (method.id, method.base)}
    split: dict[str, dict[str, str]] = {}
    for key, text in given.items():
        name, dot, setting = key.rpartition(".")
        if not dot or name not in names:
            raise unknown("method in --set", name or key, names, "write it as METHOD.KEY=VALUE")
        if setting.startswith(REGULARISING) and name not in ids:
            composed = next(method.id for method in methods if method.base == name)
            raise BBOError(
                f"--set {key} changes no method of this run: its composed forms have their own; write {composed}.{setting}"
            )
        split.setdefault(name, {})[setting] = text
    found = {}
    for method in methods:
        base = split.get(method.base, {})
        handed = {key: text for key, text in base.items() if not (method.regulariser and key.startswith(REGULARISING))}
        found[method.id] = {**handed, **split.get(method.id, {})}
    return found


def _planned(method: LoadedMethod, tasks: list[LoadedTask], preset: str, overrides: dict[str, str]) -> PlannedMethod:
    presets: dict[str, Preset] = {}
    unsuitable: dict[str, str] = {}
    for task in tasks:
        spec = task.task.spec
        presets[spec.id] = method.config(preset, spec.id, overrides)
        if reason := method.unsuitable(spec.space, len(task.dataset.y)):
            unsuitable[spec.id] = reason
    return PlannedMethod(method, {id: preset for id, preset in presets.items() if id not in unsuitable}, unsuitable)


def _refuse_same_names(kind: str, named: list[tuple[str, str]]) -> None:
    first: dict[str, str] = {}
    for name, reference in named:
        if first.setdefault(name, reference) != reference:
            raise BBOError(f"two {kind}s are called '{name}': {first[name]} and {reference}; rename one")


def _refuse_shared_files(tasks: list[LoadedTask], methods: list[LoadedMethod]) -> None:
    of_tasks = {local.file_of(task.reference) for task in tasks if task.local}
    for method in methods:
        if method.local and local.file_of(method.reference.partition("+")[0]) in of_tasks:
            raise BBOError(
                f"{method.reference} is in the same file as a task, which methods must not read; move it to a file of its own"
            )


def describe(spec: CellSpec) -> dict[str, Any]:
    """A cell as plain data, with its hash."""
    return {"hash": spec.hash, **asdict(spec)}
