"""A method with its settings, ready to propose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bbo import catalogue
from bbo.catalogue import LoadedMethod
from bbo.errors import BBOError, DesignError
from bbo.settings import as_text

if TYPE_CHECKING:
    from torch import Tensor

    from bbo.problem import Problem


@dataclass(frozen=True)
class ReadyMethod:
    """A method with its settings; `load_method` makes one.

    Args:
        loaded: the method as the catalogue has it: id, version, spec, class.
        preset: name of the preset; "paper" takes the settings published for a problem's task, where there are any.
        changed: settings that differ from the preset's, by name.
    """

    loaded: LoadedMethod
    preset: str
    changed: dict[str, Any]

    @property
    def id(self) -> str:
        """The method's id, such as "coms" or "coms+ignite"."""
        return self.loaded.id

    def settings(self, task: str = "") -> dict[str, Any]:
        """Every setting by name, as used on a task; without a task's id, as used where nothing was published for it."""
        return self.loaded.config(self.preset, task, {name: as_text(value) for name, value in self.changed.items()}).config

    def propose(self, problem: Problem) -> Tensor:
        """Return `problem.budget` designs (budget, *shape) for a high true score.

        On a problem made by `task.problem(seed)` the method draws the random numbers of the cell that `bbo run` has for this task,
        method and seed, so calling it again gives the same designs. On any other problem it draws from the problem's generator.

        A method of a user's own file runs in a confined process, as in a run; to follow it with a debugger, make an object of
        `self.loaded.cls`, which imports the file here.

        Raises:
            BBOError: `problem` is something else, the method does not fit it, or a method of a user's own file failed.
            DesignError: the method returned something else than `budget` designs of the space.
        """
        from bbo.device import array_on_host
        from bbo.harness.seeds import seed_of
        from bbo.problem import Problem

        if not isinstance(problem, Problem):
            raise BBOError(f"a method proposes for a bbo.Problem, such as task.problem(seed=0); got {type(problem).__name__}")
        if reason := self.loaded.unsuitable(problem.space, len(problem.y)):
            raise BBOError(f"method '{self.id}' does not fit this problem: it {reason}")
        task = ""
        if problem.origin is not None:
            task, seed = problem.origin
            problem = problem.seeded(seed_of(task, self.id, seed))
        designs = self.loaded.propose(self.settings(task), problem)
        if len(designs) != problem.budget:
            raise DesignError(f"{self.id} must return exactly {problem.budget} designs (the budget); got {len(designs)}")
        problem.space.check(array_on_host(designs, "designs are checked once, when they are final"))
        return designs

    def __repr__(self) -> str:
        rest = "".join(f", {name}={value!r}" for name, value in self.changed.items())
        return f"bbo.load_method({self.loaded.reference!r}, preset={self.preset!r}{rest})"


def load_method(reference: str, preset: str = "fast", **settings: Any) -> ReadyMethod:
    """The method of an id, of `FILE.py:Class`, or of either with `+REGULARISER`, with its settings.

    Args:
        reference: such as "root", "coms+ignite" or "./mine.py:Mine".
        preset: "fast", "paper" or "smoke"; ignored by methods without presets.
        settings: changes from the preset, by name: `load_method("coms", steps=10)`.

    Raises:
        UnknownName: no such method, preset or setting.
        Unavailable: a package that the method needs is missing.
        BBOError: a value of the wrong type or out of range.
    """
    ready = ReadyMethod(catalogue.load_method(reference), preset, settings)
    ready.settings()  # finds mistakes now
    return ready
