"""What proposals must obey: fixed columns, linear constraints, forbidden combinations, a Python function; and how designs are repaired.

Linear constraints are repaired by projection, everything else by rejection.
"""

from __future__ import annotations

import importlib.util
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bbo.errors import BBOError, unknown
from bbo.proposals.layout import Layout, place_of
from bbo.proposals.reading import number
from bbo.space import Mixed, Number

#: A linear constraint may be missed by this share of the size of its terms: rounding.
SLACK = 1e-9
#: Rounds of projection onto one linear constraint after the other.
ROUNDS = 200
SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "=": operator.eq,
}
#: One design by column name to whether it is allowed.
Predicate = Callable[[dict[str, Any]], bool]
TERM = r"\s*(?P<sign>[+-]?)\s*(?P<factor>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)?\s*\*?\s*(?P<name>`[^`]+`|{names})?"
#: A comma ends a condition where a column and a sign follow, so "solvent=1,4-dioxane, temperature>60" is two conditions.
COMMA = re.compile(r",(?=\s*(?:`[^`]+`|[^`,<>=!]+)\s*(?:<|>|=|!=))")


@dataclass(frozen=True)
class Linear:
    """weights . x <= bound, or = bound; weights (D,) are 0 for everything but numbers."""

    words: str
    weights: np.ndarray
    bound: float
    equal: bool

    def excess(self, x: np.ndarray) -> np.ndarray:
        """How far designs (n, D) miss it (n,); 0 where they do not."""
        excess = x @ self.weights - self.bound
        slack = SLACK * (np.abs(x) @ np.abs(self.weights) + abs(self.bound))
        return np.where((np.abs(excess) if self.equal else excess) <= slack, 0.0, excess)


@dataclass(frozen=True)
class Forbidden:
    """A combination of conditions that must not all hold; each is a function of designs (n, D) to (n,)."""

    words: str
    conditions: tuple[Callable[[np.ndarray], np.ndarray], ...]

    def broken(self, x: np.ndarray) -> np.ndarray:
        """Which designs (n, D) have the combination (n,)."""
        return np.logical_and.reduce([condition(x) for condition in self.conditions])


@dataclass(frozen=True)
class Rules:
    """All that proposals must obey.

    Attributes:
        layout: the table's columns, with constants and fixed values. pins: fixed values by place in a design.
        predicate: one design by column name, constants included, to whether it is allowed. source: where that comes from.
    """

    layout: Layout
    pins: Mapping[int, float]
    linear: tuple[Linear, ...]
    forbidden: tuple[Forbidden, ...]
    predicate: Predicate | None = None
    source: str = ""

    @property
    def any(self) -> bool:
        """Whether there is anything to obey."""
        return bool(self.pins or self.linear or self.forbidden or self.predicate)

    def broken(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Which designs (n, D) break each rule (n,), by the rule's words."""
        found = {}
        if self.pins:
            values = np.array(list(self.pins.values()))
            found["fixed columns"] = (x[:, list(self.pins)] != values).any(axis=1)
        found |= {rule.words: rule.excess(x) != 0 for rule in self.linear}
        found |= {f"forbidden: {rule.words}": rule.broken(x) for rule in self.forbidden}
        if self.predicate:
            so_far = np.logical_or.reduce([np.zeros(len(x), bool), *found.values()])
            found[self.source] = np.array([not out and not self._allowed(row) for out, row in zip(so_far, x, strict=True)], bool)
        return found

    def obeyed(self, x: np.ndarray) -> np.ndarray:
        """Which designs (n, D) obey all rules (n,)."""
        return ~np.logical_or.reduce([np.zeros(len(x), bool), *self.broken(x).values()])

    def tried(self, x: np.ndarray) -> None:
        """Ask the predicate about the first of designs (n, D), so that one that fails does so before any search.

        Raises:
            BBOError: it failed.
        """
        if self.predicate:
            self._allowed(self.layout.space.settle(x[:1])[0])

    def _allowed(self, row: np.ndarray) -> bool:
        assert self.predicate
        design = dict(self.layout.constants) | self.layout.space.values(row)
        try:
            return bool(self.predicate(design))
        except (Exception, SystemExit) as error:
            raise BBOError(f"{self.source} failed on the design {design}: {type(error).__name__}: {error}") from None

    def repaired(self, x: np.ndarray) -> np.ndarray:
        """Designs (n, D) with columns fixed and, as far as possible, linear constraints met; each moves as little as it must."""
        space = self.layout.space
        x = space.settle(self._pinned(x))
        if not self.linear or not len(x):
            return x
        free = space.counts == 0
        free[list(self.pins)] = False
        width = (space.high - space.low) ** 2 * free  # moves are measured in shares of the ranges
        for _ in range(ROUNDS):
            missed = [rule.excess(x) for rule in self.linear]
            if not any(excess.any() for excess in missed):
                break
            for rule in self.linear:
                direction = width * rule.weights
                length = direction @ rule.weights
                if length > 0:
                    x = np.clip(x - (rule.excess(x) / length)[:, None] * direction, space.low, space.high)
        return self.exact(space.settle(x))

    def exact(self, x: np.ndarray) -> np.ndarray:
        """Designs (n, D) that meet linear constraints up to rounding made to meet them: whole steps first, then numbers without steps."""
        space = self.layout.space
        for rule in self.linear:
            places = [place for place in np.flatnonzero(rule.weights).tolist() if place not in self.pins]
            in_order = sorted(places, key=lambda place: (place not in space.grids, -space.spacing[place]))
            for done, place in enumerate(in_order, 1):
                excess, step = rule.excess(x), space.spacing[place]
                if not excess.any():
                    break
                if place in space.grids:
                    x = _moved_to_a_level(space, x, rule, place, in_order[done:])
                    continue
                move = -excess / rule.weights[place]
                if step:
                    whole = np.round(move / step, 6)
                    move = step * (np.trunc(whole) if rule.equal else np.sign(whole) * np.ceil(np.abs(whole)))
                moved = np.clip(x[:, place] + move, space.low[place], space.high[place])
                x = x.copy()
                x[:, place] = np.where(excess != 0, np.round(moved, 12), x[:, place])
        return space.settle(x)

    def tidy(self, x: np.ndarray) -> np.ndarray:
        """Designs (n, D) with numbers rounded to what a person would set: a thousandth of the range, four digits on a log scale."""
        space = self.layout.space
        x = x.copy()
        for place in np.flatnonzero((space.spacing == 0) & (space.counts == 0)):
            if place in self.pins:
                continue
            if space.log[place]:
                digits = 3 - np.floor(np.log10(x[:, place]))
                x[:, place] = np.round(x[:, place] * 10**digits) / 10**digits
            else:
                decimals = int(3 - np.floor(np.log10(space.high[place] - space.low[place])))
                x[:, place] = np.round(x[:, place], decimals)
        return self.exact(space.settle(x))

    def _pinned(self, x: np.ndarray) -> np.ndarray:
        x = np.array(x, np.float64)
        x[:, list(self.pins)] = list(self.pins.values())
        return x


def _moved_to_a_level(space: Mixed, x: np.ndarray, rule: Linear, place: int, others: list[int]) -> np.ndarray:
    """Designs (n, D) that break a rule, with a value of one column from which the `others` can meet it; of these, the nearest."""
    grid = space.grids[place]
    ends = [rule.weights[others] * (bound[others] - x[:, others]) for bound in (space.low, space.high)]
    least, most = np.minimum(*ends).sum(axis=1), np.maximum(*ends).sum(axis=1)
    excess = np.stack([rule.excess(_with(x, place, value)) for value in grid], axis=1)
    missed = np.maximum(excess + least[:, None], 0)
    if rule.equal:
        missed = np.maximum(missed, -(excess + most[:, None]))
    able = missed <= missed.min(axis=1, keepdims=True) + 1e-9
    away = np.where(able, np.abs(grid - x[:, [place]]), np.inf)
    return _with(x, place, np.where(rule.excess(x) != 0, grid[away.argmin(axis=1)], x[:, place]))


def _with(x: np.ndarray, place: int, values: np.ndarray | float) -> np.ndarray:
    x = x.copy()
    x[:, place] = values
    return x


def rules(layout: Layout, predicate: Path | Predicate | None = None) -> Rules:
    """The rules of a layout, and of a predicate: a function, or a Python file with a function `allowed(design)`.

    Raises:
        BBOError: a constraint that cannot be read, or that no values in the columns' ranges meet; a file without such a function.
    """
    space = layout.space
    pins: dict[int, float] = {}
    for name, value in layout.fixed.items():
        place, column = _column(space, name)
        values = [float(value)] if isinstance(column, Number) else place_of(column, value)
        pins |= dict(zip(np.flatnonzero(space.owner == place).tolist(), map(float, values), strict=True))
    linear = tuple(_linear(layout, words) for words in layout.require)
    for rule in linear:
        _check_possible(layout, pins, rule)
    forbidden = tuple(_forbidden(layout, words) for words in layout.forbid)
    function = _function(predicate) if isinstance(predicate, Path) else predicate
    return Rules(
        layout,
        pins,
        linear,
        forbidden,
        function,
        f"allowed(design) of {predicate}" if isinstance(predicate, Path) else "allowed(design)",
    )


def _column(space: Mixed, name: str) -> tuple[int, Any]:
    place = next(place for place, column in enumerate(space.columns) if column.name == name)
    return place, space.columns[place]


def _linear(layout: Layout, words: str) -> Linear:
    parts = re.split(r"(<=|>=|==|=|<|>)", words)
    if len(parts) != 3 or parts[1] in "<>":
        raise BBOError(f"constraint '{words}' is written as two sums with <=, >= or = between them, such as 'a + 2*b <= 5'")
    weights, bound = np.zeros(len(layout.space.owner)), 0.0
    for side, sign in ((parts[0], 1.0), (parts[2], -1.0)):
        own, constant = _sum(layout, words, side)
        weights += sign * own
        bound -= sign * constant
    if not weights.any():
        raise BBOError(f"constraint '{words}' names no column that varies")
    if parts[1] == ">=":
        weights, bound = -weights, -bound
    return Linear(words, weights, bound, parts[1] in ("=", "=="))


def _check_possible(layout: Layout, pins: Mapping[int, float], rule: Linear) -> None:
    """Raise where no values within the columns' ranges meet a constraint, whatever the others ask for."""
    space = layout.space
    low, high = np.array(space.low, np.float64), np.array(space.high, np.float64)
    for place, value in pins.items():
        low[place] = high[place] = value
    ends = np.stack([rule.weights * low, rule.weights * high])[:, rule.weights != 0]
    least, most = float(ends.min(axis=0).sum()), float(ends.max(axis=0).sum())
    slack = SLACK * (float(np.abs(ends).max(axis=0).sum()) + abs(rule.bound))
    if least > rule.bound + slack or (rule.equal and most < rule.bound - slack):
        ranges = ", ".join(
            f"{space.columns[space.owner[place]].name} {low[place]:g}"
            + (f" to {high[place]:g}" if low[place] < high[place] else "")
            for place in np.flatnonzero(rule.weights)
        )
        raise BBOError(f"constraint '{rule.words}' cannot be met: the columns' values are {ranges}")


def _sum(layout: Layout, words: str, side: str) -> tuple[np.ndarray, float]:
    """Weights (D,) and constant of one side of a constraint."""
    space = layout.space
    known = "|".join(map(re.escape, sorted(layout.order, key=len, reverse=True)))
    pattern = re.compile(TERM.replace("{names}", "|".join([f"(?:{known})(?![\\w.])", r"[^\W\d][\w.]*"])))
    weights, constant, position, side = np.zeros(len(space.owner)), 0.0, 0, side.strip()
    while position < len(side):
        found = pattern.match(side, position)
        if not found or found.end() == position or not (found["factor"] or found["name"]) or (position and not found["sign"]):
            raise BBOError(
                f"constraint '{words}' cannot be read at '{side[position:].strip()}'; write it as 'a + 2*b - `c d` <= 5'"
            )
        position = found.end()
        factor = (-1.0 if found["sign"] == "-" else 1.0) * float(found["factor"] or 1)
        name = (found["name"] or "").strip("`")
        if not name:
            constant += factor
            continue
        if name not in layout.order:
            raise unknown(f"column in the constraint '{words}'", name, layout.order)
        if name in layout.constants:
            value = number(layout.constants[name])
            if value is None:
                raise BBOError(f"constraint '{words}': column '{name}' holds texts")
            constant += factor * value
            continue
        place, column = _column(space, name)
        if not isinstance(column, Number):
            raise BBOError(f"constraint '{words}': column '{name}' is {column.describe()}; sums take numbers")
        weights[space.owner == place] += factor
    return weights, constant


def _forbidden(layout: Layout, words: str) -> Forbidden:
    return Forbidden(words, tuple(_condition(layout, words, part.strip()) for part in COMMA.split(words)))


def _condition(layout: Layout, words: str, part: str) -> Callable[[np.ndarray], np.ndarray]:
    found = re.match(r"`?(.+?)`?\s*(<=|>=|!=|==|=|<|>)\s*(.+)$", part)
    if not found:
        raise BBOError(f"combination '{words}' cannot be read at '{part}'; write it as 'solvent=DMSO, temperature>60'")
    name, sign, value = found[1], found[2].replace("==", "="), found[3].strip()
    if name not in layout.order:
        raise unknown(f"column in the combination '{words}'", name, layout.order)
    compare = SIGNS[sign]
    if name in layout.constants:
        here, limit = number(layout.constants[name]), number(value)
        held = bool(compare(str(layout.constants[name]), value) if here is None or limit is None else compare(here, limit))
        return lambda x: np.full(len(x), held)
    place, column = _column(layout.space, name)
    own = np.flatnonzero(layout.space.owner == place)
    if isinstance(column, Number):
        limit = number(value)
        if limit is None:
            raise BBOError(f"combination '{words}': column '{name}' is a {column.describe()}; got '{value}'")
        return lambda x: compare(x[:, own[0]], limit)
    if sign not in ("=", "!="):
        raise BBOError(f"combination '{words}': column '{name}' is {column.describe()}; compare it with = or !=")
    wanted = np.array(place_of(column, value))
    return lambda x: (x[:, own] == wanted).all(axis=1) == (sign == "=")


def _function(path: Path) -> Predicate:
    if not path.is_file():
        raise BBOError(f"no file {path}; it holds a Python function allowed(design), which gets the values by column name")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise BBOError(f"{path} cannot be imported: {type(error).__name__}: {error}") from None
    if not callable(getattr(module, "allowed", None)):
        raise BBOError(f"{path} needs a function allowed(design) that returns True or False; design maps column names to values")
    return module.allowed  # type: ignore[no-any-return]
