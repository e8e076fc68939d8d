"""The columns of a mixed space: numbers, categories, and sequences of equal length."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

#: A bound may miss a whole number of steps by this share of a step, since decimal fractions have no exact binary form.
OFF_STEP = 1e-6


@dataclass(frozen=True)
class Number:
    """A number between two bounds, in the user's own unit.

    Args:
        name: the column's name.
        low, high: bounds; both are allowed values.
        integer: only whole numbers.
        log: distances and moves are relative: from 1 to 10 is as far as from 10 to 100. Needs positive bounds.
        step: only low, low + step, low + 2 step, ..; 0 for any number.
        levels: only these values, two or more, from `low` to `high`; none for any number, or for steps.
    """

    name: str
    low: float
    high: float
    integer: bool = False
    log: bool = False
    step: float = 0.0
    levels: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        levels = tuple(map(float, self.levels))
        if all(map(math.isfinite, levels)):  # else refused below, as given: NaN has no place in an order
            levels = tuple(sorted(set(levels)))
        object.__setattr__(self, "levels", levels)
        for field in ("low", "high", "step"):
            object.__setattr__(self, field, float(getattr(self, field)))
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"column '{self.name}' needs finite bounds, low below high; got {self.low:g} and {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"column '{self.name}' is on a log scale, which needs positive bounds; got {self.low:g}")
        if not (math.isfinite(self.step) and self.step >= 0):
            raise ValueError(f"column '{self.name}' needs a step of 0 or more; got {self.step:g}")
        if self.integer and not all(value.is_integer() for value in (self.low, self.high, self.step)):
            raise ValueError(
                f"column '{self.name}' holds whole numbers, so its bounds and step are whole; "
                f"got {self.low:g}, {self.high:g} and step {self.step:g}"
            )
        if self.levels:
            self._check_levels()
        elif self.spacing:
            steps = (self.high - self.low) / self.spacing
            if abs(steps - round(steps)) > OFF_STEP:
                raise ValueError(
                    f"column '{self.name}' must go from low to high in whole steps; "
                    f"got {self.low:g} to {self.high:g} in steps of {self.spacing:g}"
                )
            object.__setattr__(self, "high", round(self.low + round(steps) * self.spacing, self.decimals))

    def _check_levels(self) -> None:
        shown = ", ".join(f"{value:g}" for value in self.levels)
        if not all(map(math.isfinite, self.levels)):
            raise ValueError(f"column '{self.name}' needs finite levels; got {shown}")
        if self.step:
            raise ValueError(f"column '{self.name}' has levels or a step, not both; got levels {shown} and step {self.step:g}")
        if (self.levels[0], self.levels[-1]) != (self.low, self.high):
            raise ValueError(
                f"column '{self.name}' goes from its lowest to its highest level; got {self.low:g} to {self.high:g} and levels {shown}"
            )
        if self.integer and not all(value.is_integer() for value in self.levels):
            raise ValueError(f"column '{self.name}' holds whole numbers, so its levels are whole; got {shown}")

    @property
    def spacing(self) -> float:
        """Smallest distance between two allowed values; 0 where all are allowed."""
        if self.levels:
            return min(b - a for a, b in pairwise(self.levels))
        return self.step or float(self.integer)

    @property
    def decimals(self) -> int:
        """Digits after the point that the allowed values have, where there are steps."""
        return max(max(0, -int(Decimal(repr(value)).normalize().as_tuple().exponent)) for value in (self.low, self.spacing))

    @property
    def width(self) -> int:
        """Numbers that the column takes in a design."""
        return 1

    def describe(self) -> str:
        """The column in a few words: "number from 20 to 80 in steps of 5, log scale"."""
        kind = "whole number" if self.integer else "number"
        if self.levels:
            return f"one of the {kind}s {', '.join(f'{value:g}' for value in self.levels)}{', log scale' if self.log else ''}"
        steps = f" in steps of {self.spacing:g}" if self.spacing and self.spacing != float(self.integer) else ""
        return f"{kind} from {self.low:g} to {self.high:g}{steps}{', log scale' if self.log else ''}"


@dataclass(frozen=True)
class Category:
    """One of some named options, which have no order; in a design, the number of the option from 0."""

    name: str
    options: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", tuple(map(str, self.options)))
        if len(self.options) < 2 or len(set(self.options)) < len(self.options):
            raise ValueError(f"column '{self.name}' needs two or more different options; got {', '.join(self.options) or 'none'}")

    @property
    def width(self) -> int:
        """Numbers that the column takes in a design."""
        return 1

    def describe(self) -> str:
        """The column in a few words: "one of DMSO, THF, water"."""
        shown = self.options if len(self.options) <= 12 else (*self.options[:10], f".. ({len(self.options)} options)")
        return f"one of {', '.join(shown)}"


@dataclass(frozen=True)
class Letters:
    """Sequences of `length` letters of an alphabet; in a design, one number from 0 for each letter."""

    name: str
    length: int
    alphabet: str

    def __post_init__(self) -> None:
        if self.length < 1 or len(self.alphabet) < 2 or len(set(self.alphabet)) < len(self.alphabet):
            raise ValueError(
                f"column '{self.name}' needs a length of at least 1 and two or more different letters; "
                f"got {self.length} and '{self.alphabet}'"
            )

    @property
    def width(self) -> int:
        """Numbers that the column takes in a design."""
        return self.length

    def describe(self) -> str:
        """The column in a few words: "sequence of 8 letters of ACGT"."""
        return f"sequence of {self.length} letters of {self.alphabet}"


Column = Number | Category | Letters
