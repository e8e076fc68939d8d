"""Tables of experiments: numbers, categories and sequences together, one row of numbers for each design."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from bbo.errors import DesignError
from bbo.space.base import LARGEST_KEY, Array, Space, checked_shape, misshapen
from bbo.space.columns import Category, Column, Letters, Number

if TYPE_CHECKING:
    import torch

    from bbo.codecs import Codec

#: A value may miss an allowed one by this share of the larger bound, what float32 carries, but by no more than a quarter of a step.
TOLERANCE = 2e-7
#: This many times the deviation of numbers that are uniform in [0, 1] is 1.
PER_DEVIATION = math.sqrt(12)


@dataclass(frozen=True)
class Mixed(Space):
    """Numbers, categories and sequences together, as one row (D,) of float64 for each design.

    In a row a number is itself, a category is the number of its option, and a sequence is the numbers of its letters, one after the
    other. Float64, because a user's numbers must come back as they were written, and whole numbers may exceed 2^24.
    """

    columns: tuple[Column, ...]

    kind = "mixed"
    dtype = np.dtype(np.float64)

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        if not self.columns:
            raise ValueError("a mixed space needs at least one column")
        if twice := [name for name, count in Counter(column.name for column in self.columns).items() if count > 1]:
            raise ValueError(f"columns of a mixed space need different names; '{twice[0]}' comes more than once")

    @cached_property
    def owner(self) -> np.ndarray:
        """The number of the column (D,) that each number of a design belongs to."""
        return np.repeat(np.arange(len(self.columns)), [column.width for column in self.columns])

    @cached_property
    def counts(self) -> np.ndarray:
        """Options of each number of a design (D,), which is then an option or a letter; 0 for a number proper."""
        counts = [len(_options(column)) for column in self.columns]
        return np.asarray(counts)[self.owner]

    @cached_property
    def low(self) -> np.ndarray:
        """Lower bounds (D,); 0 for options and letters."""
        return np.asarray([column.low if isinstance(column, Number) else 0.0 for column in self.columns])[self.owner]

    @cached_property
    def high(self) -> np.ndarray:
        """Upper bounds (D,)."""
        high = [column.high if isinstance(column, Number) else len(_options(column)) - 1.0 for column in self.columns]
        return np.asarray(high)[self.owner]

    @cached_property
    def spacing(self) -> np.ndarray:
        """Distances between allowed values (D,), the smallest where they differ; 0 where every number is allowed."""
        return np.asarray([column.spacing if isinstance(column, Number) else 1.0 for column in self.columns])[self.owner]

    @cached_property
    def tens(self) -> np.ndarray:
        """The power of ten (D,) at which steps are rounded to the digits they are written in, since 3 times 0.1 is not 0.3; else 0."""
        return np.asarray([_tens(column) for column in self.columns])[self.owner]

    @cached_property
    def grids(self) -> dict[int, np.ndarray]:
        """The values (k,), ascending, of each number that takes only some, by its place in a design."""
        places = [int(np.argmax(self.owner == place)) for place in range(len(self.columns))]
        return {
            place: np.asarray(column.levels)
            for place, column in zip(places, self.columns, strict=True)
            if isinstance(column, Number) and column.levels
        }

    def middles(self, place: int) -> np.ndarray:
        """Where one value of `grids[place]` ends and the next begins (k - 1,): in the middle, of the logarithms on a log scale."""
        grid = self.grids[place]
        return np.sqrt(grid[1:] * grid[:-1]) if self.log[place] else (grid[1:] + grid[:-1]) / 2

    @cached_property
    def log(self) -> np.ndarray:
        """Which numbers (D,) are on a log scale."""
        return np.asarray([isinstance(column, Number) and column.log for column in self.columns])[self.owner]

    @cached_property
    def levels(self) -> np.ndarray:
        """How many values each number (D,) can take; infinite where every number is allowed."""
        some = self.spacing > 0
        levels = np.where(some, np.round((self.high - self.low) / np.where(some, self.spacing, 1.0)) + 1, np.inf)
        for place, grid in self.grids.items():
            levels[place] = len(grid)
        return levels

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one design: (D,)."""
        return (len(self.owner),)

    @property
    def dim(self) -> int:
        """Dimension of the encoding: 1 for a number, as many as there are options for a category or a letter."""
        return int(np.maximum(self.counts, 1).sum())

    @property
    def size(self) -> float:
        """Number of designs; infinite where a number can take any value."""
        return math.inf if np.isinf(self.levels).any() else math.prod(int(count) for count in self.levels)

    def describe(self) -> str:
        """The space in a few words: "6 numbers, 2 categories, 1 sequence"."""
        kinds = Counter(type(column) for column in self.columns)
        words = {Number: ("number", "numbers"), Category: ("category", "categories"), Letters: ("sequence", "sequences")}
        return ", ".join(f"{kinds[kind]} {words[kind][kinds[kind] > 1]}" for kind in words if kinds[kind])

    def readable(self, design: np.ndarray) -> str:
        """The values by column: "temperature=37, solvent=DMSO"."""
        return ", ".join(f"{name}={_shown(value)}" for name, value in self.values(design).items())

    def values(self, design: np.ndarray) -> dict[str, Any]:
        """One design (D,) by column: a number (int for whole ones), the name of an option, or a sequence as text."""
        found: dict[str, Any] = {}
        for place, column in enumerate(self.columns):
            part = np.asarray(design)[self.owner == place]
            if isinstance(column, Number):
                found[column.name] = round(float(part[0])) if column.integer else float(part[0])
            elif isinstance(column, Category):
                found[column.name] = column.options[int(part[0])]
            else:
                found[column.name] = "".join(column.alphabet[int(letter)] for letter in part)
        return found

    def check(self, x: np.ndarray) -> np.ndarray:
        """Return `x` as float64 (n, D), every value exactly an allowed one, or raise.

        Values that miss an allowed one by no more than the rounding of float32 are moved onto it.

        Raises:
            DesignError: wrong shape, not numbers, not finite, out of bounds, or between two steps, options or letters.
        """
        x = checked_shape(x, self.shape)
        if x.dtype.kind not in "fiu":
            raise DesignError(f"designs must be numbers; got {x.dtype}")
        x = x.astype(np.float64)
        slack = TOLERANCE * np.maximum(np.abs(self.low), np.abs(self.high))
        slack = np.where(self.spacing > 0, np.clip(slack, 1e-6 * self.spacing, self.spacing / 4), slack)
        settled = self.settle(np.where(np.isfinite(x), x, 0.0))
        for wrong, rule in (
            (~np.isfinite(x), "must be finite"),
            ((x < self.low - slack) | (x > self.high + slack), "allowed {low:g} to {high:g}"),
            (np.abs(x - settled) > slack, "allowed {low:g} to {high:g} in steps of {spacing:g}"),
        ):
            if wrong.any():
                row, place = np.argwhere(wrong)[0]
                name = self.columns[self.owner[place]].name
                if place in self.grids:
                    rule = self.columns[self.owner[place]].describe()
                allowed = rule.format(low=self.low[place], high=self.high[place], spacing=self.spacing[place])
                raise DesignError(f"design {row}, column '{name}' (position {place}) is {x[row, place]:g}; {allowed}")
        return settled

    def settle(self, x: np.ndarray) -> np.ndarray:
        """Move finite numbers (n, D) onto the nearest designs: into the bounds, and onto the steps, options and letters."""
        x = given = np.clip(np.asarray(x, np.float64), self.low, self.high)
        stepped = self.spacing > 0
        spacing = np.where(stepped, self.spacing, 1.0)
        x = np.where(stepped, self.low + np.round((x - self.low) / spacing) * spacing, x)
        for place, grid in self.grids.items():
            x[:, place] = grid[np.searchsorted(self.middles(place), given[:, place])]
        return np.where(self.tens > 0, np.round(x * self.tens) / np.where(self.tens > 0, self.tens, 1.0), x)

    def to_unit(self, x: np.ndarray) -> np.ndarray:
        """Designs (n, D) as shares of each number's range, logarithms on a log scale; in [0, 1]."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        return np.clip((self._scaled(x) - low) / (high - low), 0.0, 1.0)

    def from_share(self, share: np.ndarray) -> np.ndarray:
        """Designs (n, D) nearest to some shares of the numbers' ranges; the inverse of `to_unit`."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        scaled = low + np.clip(share, 0.0, 1.0) * (high - low)
        x = np.where(self.log, _coarser(np.exp(np.where(self.log, scaled, 0.0))), scaled)
        return self.settle(np.where(share <= 0, self.low, np.where(share >= 1, self.high, x)))  # the ends exactly

    def _scaled(self, x: np.ndarray) -> np.ndarray:
        return np.where(self.log, np.log(np.where(self.log, x, 1.0)), x)

    def from_unit(self, u: np.ndarray) -> np.ndarray:
        """Map (n, D) numbers in [0, 1) onto designs; uniform numbers give designs uniform over all levels, on a log scale over the log."""
        u = np.asarray(u, np.float64)
        counted = np.isfinite(self.levels) & ~self.log
        levels = np.where(counted, self.levels, 1.0)
        place = np.minimum(np.floor(u * levels), levels - 1)
        x = np.where(counted, self.low + place * self.spacing, self.from_share(u))
        for own, grid in self.grids.items():
            x[:, own] = grid[np.minimum(np.floor(u[:, own] * len(grid)), len(grid) - 1).astype(int)]
        return self.settle(x)

    def mutate(self, x: np.ndarray, hit: np.ndarray, u: np.ndarray, normal: np.ndarray) -> np.ndarray:
        """Change some numbers of designs x (n, D).

        Args:
            x: designs.
            hit: which of their numbers change (n, D).
            u: numbers in [0, 1), which choose another option or letter, all as likely as each other.
            normal: how far numbers move, as shares of their range (n, D); at least one step where there are steps.

        Returns:
            designs (n, D).
        """
        other = (x + 1 + np.minimum(np.floor(u * (self.counts - 1)), self.counts - 2)) % np.maximum(self.counts, 1)
        moved = self.from_share(self.to_unit(x) + normal)
        stuck = (moved == x) & (self.spacing > 0)
        moved = np.where(stuck, x + np.where(normal < 0, -1, 1) * self.spacing, moved)
        for place, grid in self.grids.items():
            near = np.clip(np.searchsorted(grid, x[:, place]) + np.where(normal[:, place] < 0, -1, 1), 0, len(grid) - 1)
            moved[:, place] = np.where(stuck[:, place], grid[near], moved[:, place])
        return self.settle(np.where(hit, np.where(self.counts > 0, other, moved), x))

    def distances(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Root mean square over the columns of their differences.

        A number's difference is a share of its range, another option's is 1, a sequence's is the share of letters that differ.
        """
        x, y = self.to_unit(a), self.to_unit(b)
        total = np.zeros((len(a), len(b)))
        for place, column in enumerate(self.columns):
            own = np.flatnonzero(self.owner == place)
            if isinstance(column, Number):
                total += (x[:, own[0], None] - y[:, own[0]]) ** 2
            else:
                differing = sum((a[:, j, None] != b[:, j]).astype(np.float64) for j in own)
                total += (differing / len(own)) ** 2
        return np.sqrt(total / len(self.columns))

    def codec(self, device: torch.device) -> Codec:
        """Numbers scaled so that uniform ones have deviation 1, and one-hot options and letters (see `bbo.codecs`)."""
        from bbo.codecs import Columns

        return Columns.of(self, device)

    def key(self, x: Array) -> Array:
        """The number of each design (n,), int64; see `Space.key`."""
        if self.size > LARGEST_KEY:
            return super().key(x)
        number: Any = 0
        for place, count in enumerate(self.levels):
            level: Any = ((x[:, place] - self.low[place]) / self.spacing[place]).round()
            if place in self.grids:
                level = sum((x[:, place] > middle for middle in self.middles(place)), start=0 * level)
            number = number * int(count) + (level.astype(np.int64) if isinstance(level, np.ndarray) else level.long())
        return number

    def from_key(self, keys: np.ndarray) -> np.ndarray:
        """The designs (n, D) of some keys (n,); see `Space.from_key`."""
        if self.size > LARGEST_KEY:
            return super().from_key(keys)
        levels = np.stack(np.unravel_index(keys, tuple(int(count) for count in self.levels)), axis=1)
        x = self.low + levels * self.spacing
        for place, grid in self.grids.items():
            x[:, place] = grid[levels[:, place]]
        return self.settle(x)

    def misfits(self) -> dict[str, np.ndarray]:
        """Arrays that `check` must refuse, by what is wrong with them: out of bounds, between steps, not finite, wrong shapes."""
        found = misshapen(self.corners(4))
        for place in np.unique([np.argmax(self.counts == 0), np.argmax(self.counts > 0), np.argmax(self.spacing > 0)]):
            what = f"of column '{self.columns[self.owner[place]].name}'"
            found |= {
                f"a value {what} that is too low": self._spoiled(place, self.low[place] - 1 - abs(self.low[place])),
                f"a value {what} that is too high": self._spoiled(place, self.high[place] + 1 + abs(self.high[place])),
                f"NaN as a value {what}": self._spoiled(place, np.nan),
                f"infinity as a value {what}": self._spoiled(place, np.inf),
            }
            if self.spacing[place]:
                found[f"a value {what} between two steps"] = self._spoiled(place, self.low[place] + self.spacing[place] / 2)
        return found

    def _spoiled(self, place: int, value: float) -> np.ndarray:
        changed = self.corners(4)
        changed[2, place] = value
        return changed

    def _ends(self, high: np.ndarray) -> np.ndarray:
        return np.where(high, self.high, self.low)


def _options(column: Column) -> tuple[str, ...]:
    """Names of what a choice can be; none for a number."""
    if isinstance(column, Category):
        return column.options
    return tuple(column.alphabet) if isinstance(column, Letters) else ()


def _tens(column: Column) -> float:
    return 10.0**column.decimals if isinstance(column, Number) and column.spacing and not column.levels else 0.0


def _coarser(x: np.ndarray) -> np.ndarray:
    """Numbers rounded to 40 binary digits: the last digits of a logarithm differ between CPUs."""
    mantissa, exponent = np.frexp(x)
    return np.ldexp(np.round(mantissa * 2.0**40) / 2.0**40, exponent)


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
