"""What a task is: a design space, a visible table, a hidden oracle, and frozen normalisers.

NumPy only. The harness alone calls `oracle`; a method sees a `bbo.problem.Problem`.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from bbo import data
from bbo.errors import BBOError, DesignError, Unavailable
from bbo.space import Space

if TYPE_CHECKING:
    from bbo.problem import Problem

#: Families of tasks, for tables. A task whose oracle is a model fitted to data is of the family `learned`, whatever its designs are.
FAMILIES = ("sequences", "materials", "architectures", "robots", "synthetic", "learned")


@dataclass(frozen=True)
class Dataset:
    """The visible table: designs x (N, *shape) and scores y (N,), float32, larger is better."""

    x: np.ndarray
    y: np.ndarray

    @classmethod
    def up_to(cls, x: np.ndarray, y: np.ndarray, best: float) -> Dataset:
        """The rows, of x (N, *shape) and y (N,), whose score is at most `best`, compared in float32 as scores are stored."""
        visible = y <= np.float32(best)
        return cls(x[visible], y[visible])

    @classmethod
    def stored(cls, file: str, space: Space) -> Dataset:
        """Copies of the arrays x (N, *shape), in the type of a space, and y (N,) of a data file.

        Raises:
            Unavailable, DamagedFile: as `bbo.data.load`.
        """
        arrays = data.load(file)
        return cls(arrays["x"].astype(space.dtype), arrays["y"].copy())

    def sha256(self) -> str:
        """Hash of both arrays with their shapes and types; part of every cell's identity."""
        digest = hashlib.sha256()
        for array in (self.x, self.y):
            array = np.ascontiguousarray(array)
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(array.tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class TaskSpec:
    """The facts of a task, known without loading any data. Scores are in the source's unit, larger is better.

    Args:
        id: lower-case name with dashes; a variant follows a colon (`tfbind8:PAX7_REF_R1`).
        version: raised whenever a score could change; results of different versions are never mixed.
        title: one line for tables and pages.
        space: the design space.
        visible_rows: number of rows of the visible table.
        best_visible: highest visible score, raw.
        y_min, y_max: normalisers; 0 and 1 of the normalised score. Frozen here, never taken from results.
        oracle: "exact" (a table look-up or the function itself) or "learned" (a model trained on real data).
        hidden: what the method does not see.
        source: where data and definition come from.
        licence: licence of data and definition.
        optimum: highest possible raw score, where known.
        data: names of the data files needed (`bbo.data`), apart from what the package ships.
        requires: optional packages needed, import names.
        extra: the extra of this distribution that brings `requires` (`pip install "offline-bbo[EXTRA]"`).
        engines: distributions whose versions decide the scores, as `name==version`; under any other version the task is unavailable.
            Their modules are among `requires`.
        seconds: about how long scoring 128 designs takes on one core, once the data are loaded.
        saturated: 128 uniformly random designs reach 0.9 or more on average at the 100th percentile (results/tasks.md), so the task
            is judged by its median.
        note: what a reader of scores must know (saturation, mislabelled data, ...).
        family: one of `FAMILIES`; tables are one per family. Empty if not stated (tables say "other").

    Raises:
        ValueError: `family` is not one of `FAMILIES`; `version` is no text; `best_visible`, `y_min`, `y_max` or `optimum` is no finite
            number, or `y_max` is not above `y_min`.
    """

    id: str
    version: str
    title: str
    space: Space
    visible_rows: int
    best_visible: float
    y_min: float
    y_max: float
    oracle: str
    hidden: str
    source: str
    licence: str
    optimum: float | None = None
    data: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    extra: str = ""
    engines: tuple[str, ...] = ()
    seconds: float = 0.01
    saturated: bool = False
    note: str = ""
    family: str = ""

    def __post_init__(self) -> None:
        if self.family and self.family not in FAMILIES:
            raise ValueError(f"family of task '{self.id}' must be one of {', '.join(FAMILIES)}; got '{self.family}'")
        if not isinstance(self.version, str):
            raise ValueError(f"version of task '{self.id}' must be a text, such as '1'; got {self.version!r}")
        for name in ("best_visible", "y_min", "y_max", "optimum"):
            value = getattr(self, name)
            if value is None and name == "optimum":
                continue
            if not isinstance(value, Real) or not math.isfinite(value):
                raise ValueError(f"{name} of task '{self.id}' must be a finite number; got {value!r}")
            object.__setattr__(self, name, float(value))  # NumPy's are no JSON, which records are
        if self.y_max <= self.y_min:
            raise ValueError(f"y_max of task '{self.id}' must be above y_min, {self.y_min:g}; got {self.y_max:g}")


class Task(ABC):
    """Base of all tasks. A subclass sets `spec` (on the class or in `__init__`) and writes `dataset` and `oracle`.

    Everybody else calls `visible` and `score`, which check first that the task can be used here.

    A family of tasks takes the text after the colon of an id as the argument of `__init__`, and lists all such texts in `variants`.
    """

    spec: TaskSpec
    #: How far `oracle` may be from the stored scores of visible rows, as a share of y_max - y_min: 0 for tables, a rounding error
    #: for functions, infinity for learned oracles.
    tolerance: ClassVar[float] = 0.0

    @classmethod
    def variants(cls) -> list[str]:
        """Names that may follow the colon of this task's id; none by default."""
        return []

    @classmethod
    def sources(cls) -> tuple[data.Source, ...]:
        """Where the data files come from: licence, origin, and how to get and import them; none by default."""
        return ()

    def unavailable(self) -> str:
        """Why this task cannot be used here, with the command that fixes it; empty if it can. Never raises."""
        return self.lacking() or data.missing(self.spec.data)

    def lacking(self) -> str:
        """Which packages are missing or of another version, with the command that installs them; empty if none."""
        lacking = absent(self.spec.requires)
        package = f'"offline-bbo[{self.spec.extra}]"' if self.spec.extra else " ".join(self.spec.engines or lacking)
        if lacking:
            return f"needs the package {', '.join(lacking)}: pip install {package}"
        for name, wanted in self._engines():
            found = _installed(name)
            if found != wanted:
                here = f"version {found}" if found else "no version"
                return f"its scores are those of {name} {wanted}, and {here} is installed: pip install {package}"
        return ""

    def shadowed(self) -> str:
        """Which engine's module is not the one of its distribution, and says another version; empty if none.

        Two distributions may bring the same module, into one folder or two. Only then is it imported and asked: what modules say of
        themselves can be wrong (selfies 2.2.0 says 2.1.1). So this is called where the simulator runs, and takes a fifth of a second.
        """
        owners = importlib.metadata.packages_distributions() if self.spec.engines else {}
        for name, wanted in self._engines():
            for module in self.spec.requires:
                brought = {_plain(owner) for owner in owners.get(module, ())}
                if _plain(name) not in brought or (brought == {_plain(name)} and _beside(module, name)):
                    continue
                found = importlib.import_module(module)
                version = str(getattr(found, "__version__", wanted))
                if _numbers(version) != _numbers(wanted):
                    return (
                        f"its scores are those of {name} {wanted}, and what Python imports as {module} is version {version}, from "
                        f"{found.__file__}: uninstall that one, then pip install --force-reinstall {name}=={wanted}"
                    )
        return ""

    def _engines(self) -> list[tuple[str, str]]:
        """Names and versions of the distributions that decide the scores."""
        return [(name, version) for name, _, version in (engine.partition("==") for engine in self.spec.engines)]

    def require(self) -> None:
        """Raise if the task cannot be used here.

        Raises:
            Unavailable: with the reason and the command that fixes it.
        """
        if reason := self.unavailable():
            raise Unavailable(f"task '{self.spec.id}' is not available: {reason}")

    @abstractmethod
    def dataset(self) -> Dataset:
        """The visible table, rows in a fixed order. Written by the task's author, called by `visible`."""

    @abstractmethod
    def oracle(self, x: np.ndarray) -> np.ndarray:
        """True raw scores (n,), float64, of checked designs (n, *shape); larger is better. Called by `score`."""

    def hidden(self) -> Dataset | None:
        """Rows that methods do not see, for diagnosing surrogates; None (the default) if the task has no such table."""
        return None

    def draw(self, design: np.ndarray, figure: Any) -> None:
        """Draw a checked design (*shape) on an empty matplotlib figure, for `bbo show ID --render FILE`.

        Raises:
            BBOError: the task has no pictures; so by default.
        """
        raise BBOError(f"task '{self.spec.id}' has no picture of its designs; bbo show {self.spec.id} --design ROW prints one")

    def visible(self) -> Dataset:
        """The visible table, after checking that the task can be used here.

        Raises:
            Unavailable: a data file or package is missing (`unavailable` says which).
            DamagedFile: a data file is not the one of the manifest.
        """
        self.require()
        return self.dataset()

    def problem(self, seed: int = 0, *, budget: int = 128, device: str = "cpu") -> Problem:
        """What a method may see of this task: for running a method by hand. The harness builds its problems itself.

        Args:
            seed: seed number, from 0. `bbo.load_method(..).propose` draws the same random numbers as the cell with this seed.
            budget: how many designs to propose.
            device: where tensors live: "cpu" or "cuda".

        Raises:
            Unavailable: a data file or package is missing (`unavailable` says which).
            BBOError: `seed` is negative, or `budget` is below 1.
        """
        if seed < 0 or budget < 1:
            raise BBOError(f"a problem takes a seed from 0 and a budget of at least 1; got seed {seed} and budget {budget}")
        import torch  # only methods need it

        from bbo.problem import Problem

        table = self.visible()
        x, y = (torch.tensor(array, device=device) for array in (table.x, table.y))
        generator = torch.Generator(x.device).manual_seed(seed)
        return Problem(x, y, self.spec.space, budget, generator, {"y_max": self.spec.y_max}, origin=(self.spec.id, seed))

    def score(self, x: np.ndarray, warn: Callable[[str], None] = lambda text: None) -> np.ndarray:
        """Check designs (n, *shape), then return their true raw scores (n,), float64.

        Args:
            warn: called with a text where a reader of these scores must know something; by default nobody is told.

        Raises:
            Unavailable: a data file or package is missing (`unavailable` says which).
            DesignError: `x` is not a set of designs of this task's space.
        """
        self.require()
        x = self.spec.space.check(x)
        scores = np.asarray(self.oracle(x), dtype=np.float64)
        if scores.shape != (len(x),):
            found = "one number" if scores.ndim == 0 else f"shape {scores.shape}"
            raise DesignError(
                f"the oracle of {self.spec.id} returned {found}; expected an array with one score per design, ({len(x)},)"
            )
        if not np.isfinite(scores).all():
            first = int(np.argmin(np.isfinite(scores)))
            raise DesignError(
                f"the oracle of {self.spec.id} returned {scores[first]}, which is not finite, for the design "
                f"{self.spec.space.readable(x[first])}"
            )
        return scores

    def normalise(self, y: np.ndarray) -> np.ndarray:
        """(y - y_min) / (y_max - y_min); not clipped, so values below 0 and above 1 occur."""
        return (np.asarray(y, np.float64) - self.spec.y_min) / (self.spec.y_max - self.spec.y_min)


def absent(modules: tuple[str, ...]) -> list[str]:
    """Those of some modules that Python does not find."""
    return [name for name in modules if not _found(name)]


def _found(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # no package around it; something that only calls itself a module was put in its place
        return False


def _installed(name: str) -> str:
    """The version of an installed distribution; empty if there is none."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _plain(name: str) -> str:
    """The name of a distribution as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _numbers(version: str) -> list[int]:
    """Of a version; those of "2026.09.1" and "2026.9.1" are the same."""
    return [int(number) for number in re.findall(r"\d+", version)]


def _beside(module: str, name: str) -> bool:
    """Whether Python finds a module in the folder in which a distribution is installed."""
    found = importlib.util.find_spec(module)
    folder = Path(str(importlib.metadata.distribution(name).locate_file("")))
    return found is not None and Path(found.origin or "").resolve().is_relative_to(folder.resolve())


class TableTask(Task):
    """Base of tasks with one score for every design of a sequence space: a subclass writes `table`, and `listed` if needed."""

    @abstractmethod
    def table(self) -> np.ndarray:
        """Scores (spec.space.size,), float32, by key (`Sequence.key`)."""

    def listed(self) -> np.ndarray:
        """Keys (N,), int64, of the designs that the source lists, in its order; by default every design once.

        Those with a score up to `spec.best_visible` are the visible table.
        """
        return np.arange(len(self.table()))

    def dataset(self) -> Dataset:
        """The listed designs whose score is at most `spec.best_visible`."""
        keys = self.listed()
        return Dataset.up_to(self.spec.space.from_key(keys), self.table()[keys], self.spec.best_visible)

    def oracle(self, x: np.ndarray) -> np.ndarray:
        """Look up raw scores (n,), float64, of designs (n, L)."""
        return self.table()[self.spec.space.key(x)].astype(np.float64)
