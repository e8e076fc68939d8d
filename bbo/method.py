"""What a method is: its facts, its settings, its presets, and `propose`. Imports no torch, so that methods can be listed quickly.

A method receives a `bbo.problem.Problem` and returns designs; `bbo.task` is the other side.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from bbo.settings import setting
from bbo.space import Space

if TYPE_CHECKING:
    from torch import Tensor

    from bbo.problem import Problem

__all__ = ["KINDS", "Method", "MethodSpec", "setting"]

#: Kinds of methods, for tables: a floor (what you get with no method), a method that uses the gradients or the posterior of a learned
#: model of scores, a search that only evaluates such a model or has none, a model that makes designs, a sequence model over trajectories.
KINDS = ("floor", "surrogate", "search", "generative", "trajectory")


@dataclass(frozen=True)
class MethodSpec:
    """The facts of a method, as literals, so that they can be read from the source without importing it.

    Args:
        id: lower-case name with dashes.
        version: raised whenever the method's own code could change a score (`bbo.versions` adds what it shares with others); results
            of different versions are never mixed.
        kind: one of `KINDS`; empty if not stated.
        title: one line for tables and pages.
        paper: arXiv number or a short reference; empty where there is none.
        code: the authors' repository and the commit that was followed.
        year: of the paper; 0 where there is none.
        spaces: kinds of spaces it works on.
        requires: optional packages needed, import names.
        extra: the extra of this distribution that brings `requires` (`pip install "offline-bbo[EXTRA]"`).
        privileged: knowledge beyond the visible table that it may ask for, such as "y_max".
        composable: it trains a surrogate that takes a sharpness regulariser, so `ID+ignite`, `ID+ignite2`, `ID+sam` and `ID+boss`
            can be run.
    """

    id: str
    version: int
    kind: str
    title: str
    paper: str = ""
    code: str = ""
    year: int = 0
    spaces: tuple[str, ...] = ("continuous", "sequence")
    requires: tuple[str, ...] = ()
    extra: str = ""
    privileged: tuple[str, ...] = ()
    composable: bool = False

    def __post_init__(self) -> None:
        if self.kind and self.kind not in KINDS:
            raise ValueError(f"kind of method '{self.id}' must be one of {', '.join(KINDS)}; got '{self.kind}'")
        if type(self.version) is not int or self.version < 1:
            raise ValueError(f"version of method '{self.id}' must be a whole number from 1; got {self.version!r}")


class Method(ABC):
    """Base of all methods: a frozen dataclass whose fields, made by `setting`, are the settings.

    A subclass sets `spec` and `presets` and writes `propose`. Outside this repository a class with only `propose` is a method too.
    """

    spec: ClassVar[MethodSpec]
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    #: Fewest visible rows that it works on.
    least_rows: ClassVar[int] = 1

    @classmethod
    def unsuitable(cls, space: Space, rows: int) -> str:
        """Why this method does not fit a space, or a visible table with this many rows; empty if it does.

        Such a pair is not run; tables show it as not applicable, which is not a failure.
        """
        if space.kind not in cls.spec.spaces:
            return f"works on {' and '.join(cls.spec.spaces)} spaces; this one is {space.kind}"
        if rows < cls.least_rows:
            return f"needs at least {cls.least_rows} visible rows; there {'is' if rows == 1 else 'are'} {rows}"
        return ""

    @abstractmethod
    def propose(self, problem: Problem) -> Tensor:
        """Return `problem.budget` designs (budget, *shape) for a high true score; larger is better."""
