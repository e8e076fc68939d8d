"""What every task must do, tested on its own data and oracle. The task must be available."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from bbo import workers
from bbo.errors import DesignError, UnknownName
from bbo.problem import Problem
from bbo.simulation import SimulatedTask
from bbo.task import Dataset, TableTask, Task
from bbo.testing import Checks

#: At most this many visible rows are scored again, evenly spread over the table.
SCORED_ROWS = 2000
#: A check of an expensive oracle scores fewer designs, so that it takes about this many seconds.
SECONDS = 0.3


def checks(task: Task) -> Checks:
    """All checks of one task."""
    named: dict[str, Callable[[Task], None]] = {
        "can be used here": _available,
        "has a complete spec": _spec,
        "variants can be made, others are refused": _variants,
        "visible table: shapes, types and rows as stated": _table,
        "visible table: every design belongs to the space": _table_in_space,
        "visible table: the same every time": _table_repeats,
        "visible table: best score as stated": _best_visible,
        "normalisers fit the visible scores and the optimum": _normalisers,
        "oracle: float64 scores, one a design": _oracle_shape,
        "oracle: the same scores every time, in any order": _oracle_repeats,
        "oracle: returns the stored scores of visible designs": _oracle_agrees,
        "oracle: finite scores at the corners of the space": _corners,
        "designs out of range, of wrong shape or not finite are refused": _refuses,
        "hidden rows cannot be reached from the problem": _hides,
    }
    if isinstance(task, TableTask):
        named["whole table: a finite score for every design"] = _whole_table
    if isinstance(task, SimulatedTask):
        named["simulator: equal scores in this process and in one and two workers"] = _workers_agree
    return {name: _bind(check, task) for name, check in named.items()}


def _bind(check: Callable[[Task], None], task: Task) -> Callable[[], None]:
    return lambda: check(task)


def uniform_designs(task: Task, count: int, seed: int = 0) -> np.ndarray:
    """Designs (count, *shape), uniform over the task's space."""
    return task.spec.space.from_unit(np.random.default_rng(seed).random((count, *task.spec.space.shape)))


def _affordable(task: Task, most: int) -> int:
    """Number of designs that a check scores: as many as `SECONDS` allow, from 4 to `most`."""
    return int(np.clip(128 * SECONDS / task.spec.seconds, 4, most))


@lru_cache(maxsize=1)
def _visible(task: Task) -> Dataset:
    """The visible table, read once for all checks of a task."""
    table = task.visible()
    assert isinstance(table, Dataset), f"dataset returns {type(table).__name__}; expected bbo.task.Dataset"
    return table


def _some_rows(table: Dataset, most: int) -> np.ndarray:
    return np.unique(np.linspace(0, len(table.x) - 1, min(len(table.x), most)).astype(int))


def _available(task: Task) -> None:
    reason = task.unavailable()
    assert not reason, reason


def _spec(task: Task) -> None:
    spec = task.spec
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*(:\S+)?", spec.id), (
        f"id '{spec.id}': lower case, digits and dashes, variant after a colon"
    )
    for field in ("version", "title", "hidden", "source", "licence"):
        assert str(getattr(spec, field)).strip(), f"spec.{field} is empty"
    assert "\n" not in spec.title, "spec.title must be one line"
    assert spec.oracle in ("exact", "learned"), f"spec.oracle is '{spec.oracle}'; allowed: exact, learned"
    assert spec.visible_rows > 0, "spec.visible_rows must be positive"
    assert spec.seconds > 0, "spec.seconds must be positive"
    numbers = {"best_visible": spec.best_visible, "y_min": spec.y_min, "y_max": spec.y_max, "optimum": spec.optimum or 0.0}
    for field, value in numbers.items():
        assert np.isfinite(value), f"spec.{field} is {value}"
    assert spec.y_min < spec.y_max, "spec.y_min must be below spec.y_max"
    assert (type(task).__doc__ or "").strip(), "write a docstring"


def _variants(task: Task) -> None:
    names = task.variants()
    assert len(names) == len(set(names)), "variants repeat"
    family = task.spec.id.partition(":")[0]
    for name in names:
        spec = type(task)(name).spec  # type: ignore[call-arg]
        assert spec.id == f"{family}:{name}", f"variant {name} calls itself {spec.id}"
    if names:
        try:
            type(task)("no such variant")  # type: ignore[call-arg]
        except UnknownName:
            return
        raise AssertionError("an unknown variant is not refused with bbo.errors.unknown")


def _table(task: Task) -> None:
    table, spec = _visible(task), task.spec
    wanted = (spec.visible_rows, *spec.space.shape)
    assert table.x.shape == wanted, f"x has shape {table.x.shape}; spec.visible_rows and spec.space say {wanted}"
    assert table.y.shape == wanted[:1], f"y has shape {table.y.shape}; spec.visible_rows says {wanted[:1]}"
    assert table.x.dtype == spec.space.dtype, f"x is {table.x.dtype}; expected {spec.space.dtype}"
    assert table.y.dtype == np.float32, f"y is {table.y.dtype}; expected float32"
    assert np.isfinite(table.y).all(), "y holds values that are not finite"
    assert table.x.flags.writeable, "x is read-only; return a copy"
    assert table.y.flags.writeable, "y is read-only; return a copy"


def _table_in_space(task: Task) -> None:
    x = _visible(task).x
    assert (task.spec.space.check(x) == x).all(), "x holds values that change when they are read as designs of spec.space"


def _table_repeats(task: Task) -> None:
    first, second = _visible(task), type(task)(*_variant(task)).visible()
    assert first.sha256() == second.sha256(), "two calls return different tables"


def _variant(task: Task) -> list[str]:
    variant = task.spec.id.partition(":")[2]
    return [variant] if variant else []


def _best_visible(task: Task) -> None:
    best = float(_visible(task).y.max())
    assert best == np.float32(task.spec.best_visible), (
        f"the best visible score is {best!r}; spec.best_visible says {task.spec.best_visible!r}"
    )


def _normalisers(task: Task) -> None:
    spec, y = task.spec, _visible(task).y
    lowest, best = float(y.min()), float(y.max())
    assert lowest >= np.float32(spec.y_min), f"a visible score is {lowest!r}, below spec.y_min {spec.y_min!r}"
    assert best <= np.float32(spec.y_max), f"a visible score is {best!r}, above spec.y_max {spec.y_max!r}"
    if spec.optimum is not None:
        assert spec.optimum >= np.float32(spec.best_visible), (
            f"spec.optimum {spec.optimum!r} is below spec.best_visible {spec.best_visible!r}"
        )
        reached = float(task.score(uniform_designs(task, _affordable(task, 128))).max())
        assert reached <= np.float32(spec.optimum) or np.isclose(reached, spec.optimum), (
            f"a design scores {reached!r}, above spec.optimum {spec.optimum!r}"
        )
    ends = task.normalise(np.array([spec.y_min, spec.y_max]))
    assert (ends == [0.0, 1.0]).all(), f"y_min and y_max are normalised to {ends.tolist()}"


def _whole_table(task: Task) -> None:
    assert isinstance(task, TableTask)
    table, space = task.table(), task.spec.space
    assert table.shape == (space.size,), f"table returns shape {table.shape}; spec.space has {space.size} designs"
    lacking = np.flatnonzero(~np.isfinite(table))
    if len(lacking):
        design = space.readable(space.from_key(lacking[:1])[0])
        raise AssertionError(
            f"{len(lacking)} of {len(table)} designs have no finite score, the first is {design}: {table[lacking[0]]}"
        )


def _oracle_shape(task: Task) -> None:
    for count in (1, _affordable(task, 128)):
        scores = task.oracle(task.spec.space.check(uniform_designs(task, count)))
        assert np.ndim(scores), "the oracle returned one number; expected an array with one score per design"
        assert isinstance(scores, np.ndarray), f"the oracle returns {type(scores).__name__}; expected a NumPy array"
        assert scores.shape == (count,), f"the oracle returns shape {scores.shape} for {count} designs"
        assert scores.dtype == np.float64, f"the oracle returns {scores.dtype}; expected float64"
        assert np.isfinite(scores).all(), "the oracle returns values that are not finite"


def _oracle_repeats(task: Task) -> None:
    x = uniform_designs(task, _affordable(task, 128))
    first = task.score(x)
    order = np.random.default_rng(1).permutation(len(x))
    assert (task.score(x) == first).all(), "scoring the same designs twice gives different scores"
    # Matrix products sum in an order that depends on the batch, so the last digit of a learned oracle may differ.
    assert np.allclose(task.score(x[order]), first[order], rtol=1e-9, atol=1e-12), "scores depend on the order of designs"


def _oracle_agrees(task: Task) -> None:
    table, spec = _visible(task), task.spec
    rows = _some_rows(table, _affordable(task, SCORED_ROWS))
    gap = np.abs(task.score(table.x[rows]) - table.y[rows]).max() / (spec.y_max - spec.y_min)
    assert gap <= task.tolerance, f"oracle and stored scores differ by {gap:.3g} of y_max - y_min; allowed {task.tolerance:.3g}"
    if np.isinf(task.tolerance):
        assert spec.note, "oracle and visible scores may differ: spec.note must say so"


def _workers_agree(task: Task) -> None:
    x = task.spec.space.check(uniform_designs(task, _affordable(task, 128)))
    simulator, here = workers.Simulator.of(task, *_variant(task)), task.oracle(x)
    for count in (1, 2):
        there, reasons = workers.evaluate(simulator, x, count)
        assert not reasons, f"with {count} workers designs fail: {reasons}"
        assert (there == here).all(), f"with {count} workers the scores differ by up to {np.abs(there - here).max():g}"


def _corners(task: Task) -> None:
    """Methods that ascend often end in corners, where a bound rounded to float32 may be beyond the oracle's own."""
    space = task.spec.space
    for design in space.corners(_affordable(task, 16)):
        scores = task.score(design[None])
        assert np.isfinite(scores).all(), f"the corner {space.readable(design)} scores {scores.tolist()}"


def _refuses(task: Task) -> None:
    for what, designs in task.spec.space.misfits().items():
        try:
            task.score(designs)
        except DesignError:
            continue
        raise AssertionError(f"{what} was scored instead of refused")


def _hides(task: Task) -> None:
    """Nothing reachable from a problem leads to the task or to an array other than the visible table."""
    table = _visible(task)
    x, y = torch.as_tensor(table.x), torch.as_tensor(table.y)
    for array in (table.x, table.y):
        base: Any = array
        while isinstance(getattr(base, "base", None), np.ndarray):
            base = base.base
        assert base.size == array.size, "the visible table is a view into a larger array; return a copy"
    problem = Problem(x, y, task.spec.space, 128, torch.Generator().manual_seed(0))
    problem.encoded()
    for thing in _reachable(problem):
        assert not isinstance(thing, Task | Dataset), f"a method can reach {type(thing).__name__} from its problem"
        if isinstance(thing, torch.Tensor | np.ndarray):
            rows = len(thing) if thing.shape else 1
            allowed = max(task.spec.visible_rows, *task.spec.space.shape, task.spec.space.dim)
            assert rows <= allowed, (
                f"a method can reach an array of {rows} rows from its problem; spec.visible_rows is {task.spec.visible_rows}"
            )
    best = float(y.max())
    assert best <= np.float32(task.spec.best_visible), (
        f"a hidden score is visible: {best!r} is above spec.best_visible {task.spec.best_visible!r}"
    )


def _reachable(root: object) -> Iterator[object]:
    """Everything that can be reached through attributes and containers."""
    seen: set[int] = set()
    stack = [root]
    while stack:
        thing = stack.pop()
        if id(thing) in seen or isinstance(thing, type | str | bytes | int | float | None.__class__):
            continue
        seen.add(id(thing))
        yield thing
        if isinstance(thing, dict):
            stack.extend(thing.values())
        elif isinstance(thing, list | tuple | set):
            stack.extend(thing)
        elif not isinstance(thing, torch.Tensor | np.ndarray):
            stack.extend(vars(thing).values() if hasattr(thing, "__dict__") else [])
