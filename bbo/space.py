"""Design spaces: what a design looks like, the checks that every set of designs must pass, and everything that depends on the kind of space.

NumPy only, so that a task can be listed and scored without importing torch. The way to vectors of real numbers, which needs torch,
is imported when a codec is asked for (`bbo.codecs`).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from bbo.errors import DesignError

if TYPE_CHECKING:
    import torch

    from bbo.codecs import Codec

#: A NumPy array or a torch tensor.
Array = TypeVar("Array", bound=Any)
#: Largest int64.
LARGEST_KEY = 2**63 - 1


class Space(ABC):
    """What every kind of space can do. No code outside this module asks for the kind of a space."""

    kind: ClassVar[str]
    dtype: ClassVar[np.dtype]

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of one design."""

    @property
    @abstractmethod
    def dim(self) -> int:
        """Dimension d of the encoding."""

    @property
    @abstractmethod
    def size(self) -> float:
        """Number of designs; infinite for a box."""

    @abstractmethod
    def describe(self) -> str:
        """The space in a few words."""

    @abstractmethod
    def readable(self, design: np.ndarray) -> str:
        """One design (*shape) as people write it: its letters, its named choices or its numbers."""

    @abstractmethod
    def check(self, x: np.ndarray) -> np.ndarray:
        """Return `x` (n, *shape) in the space's own type, or raise.

        Raises:
            DesignError: `x` is not a set of designs of this space.
        """

    @abstractmethod
    def from_unit(self, u: np.ndarray) -> np.ndarray:
        """Map (n, *shape) numbers in [0, 1) onto designs; uniform numbers give uniform designs."""

    @abstractmethod
    def distances(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Distances (len(a), len(b)), float64 in [0, 1], between two sets of designs; exactly 0 for equal designs only."""

    @abstractmethod
    def codec(self, device: torch.device) -> Codec:
        """The way from designs (n, *shape) to vectors (n, d) and back, on one device."""

    @abstractmethod
    def misfits(self) -> dict[str, np.ndarray]:
        """Sets of designs that `check` must refuse, by what is wrong with them."""

    def corners(self, count: int = 8) -> np.ndarray:
        """Designs (count, *shape) with every coordinate at one of its two ends.

        All low, all high, then low and high in runs of 1, 2, 4, .. coordinates, each pattern followed by its opposite.
        """
        (length,) = self.shape
        place, high = np.arange(length), np.zeros((count, length), bool)
        for row in range(1, count):
            high[row] = ~high[row - 1] if row % 2 else (place >> (row // 2 - 1)) % 2
        return self._ends(high)

    @abstractmethod
    def _ends(self, high: np.ndarray) -> np.ndarray:
        """Designs with the last value of a coordinate where `high` (n, *shape), else the first."""

    def key(self, x: Array) -> Array:
        """The number of each design (n,), int64, in 0 .. size - 1: mixed radix, the first position most significant.

        Args:
            x: designs (n, *shape), as a NumPy array or a torch tensor; the keys are of the same kind.

        Raises:
            ValueError: the space has more designs than int64 has numbers.
        """
        raise ValueError(f"a space of {self.describe()} has no keys: it has more designs than there are 64-bit numbers")

    def from_key(self, keys: np.ndarray) -> np.ndarray:
        """The designs (n, *shape) of some keys (n,).

        Raises:
            ValueError: the space has more designs than int64 has numbers, or a key is out of range.
        """
        raise ValueError(f"a space of {self.describe()} has no keys: it has more designs than there are 64-bit numbers")


@dataclass(frozen=True)
class Continuous(Space):
    """A box in R^d.

    Args:
        low: d lower bounds, in the task's own units.
        high: d upper bounds, each above its lower bound.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]

    kind = "continuous"
    dtype = np.dtype(np.float32)

    def __post_init__(self) -> None:
        object.__setattr__(self, "low", tuple(float(v) for v in self.low))
        object.__setattr__(self, "high", tuple(float(v) for v in self.high))
        if len(self.low) != len(self.high) or not self.low:
            raise ValueError(f"a box needs as many lower as upper bounds, at least one; got {len(self.low)} and {len(self.high)}")
        if not all(np.isfinite(a) and np.isfinite(b) and a < b for a, b in zip(self.low, self.high, strict=True)):
            raise ValueError("every lower bound of a box must be finite and below its upper bound")

    @classmethod
    def box(cls, dim: int, low: float, high: float) -> Continuous:
        """The box [low, high]^dim."""
        return cls((low,) * dim, (high,) * dim)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one design: (d,)."""
        return (len(self.low),)

    @property
    def dim(self) -> int:
        """Dimension of the encoding: d."""
        return len(self.low)

    @property
    def size(self) -> float:
        """Infinite."""
        return math.inf

    def describe(self) -> str:
        """The space in a few words: "60 numbers in [-1, 1]"."""
        lows, highs = sorted(set(self.low)), sorted(set(self.high))
        bounds = f"[{lows[0]:g}, {highs[-1]:g}]" if len(lows) == len(highs) == 1 else "a box"
        return f"{self.dim} numbers in {bounds}"

    def readable(self, design: np.ndarray) -> str:
        """The numbers, in the fewest digits that give their float32 values back: "0.5, -1.2"."""
        return ", ".join(str(value) for value in np.asarray(design, np.float32))

    def check(self, x: np.ndarray) -> np.ndarray:
        """Return `x` as float32 (n, d), or raise.

        Float32 is the type in which designs are stored and scored; bounds are compared in it too. A bound may be rounded outwards, so
        a design can lie beyond its float64 bound by a rounding error; an oracle with strict bounds must clip.

        Raises:
            DesignError: wrong shape, not numbers, NaN or infinite, or outside the box.
        """
        x = _checked_shape(x, self.shape)
        if x.dtype.kind not in "fiu":
            raise DesignError(f"designs must be numbers; got {x.dtype}")
        x = x.astype(np.float32)
        if not np.isfinite(x).all():
            row, col = np.argwhere(~np.isfinite(x))[0]
            raise DesignError(f"designs must be finite; got {x[row, col]} at design {row}, coordinate {col}")
        low, high = np.asarray(self.low, np.float32), np.asarray(self.high, np.float32)
        outside = (x < low) | (x > high)
        if outside.any():
            row, col = np.argwhere(outside)[0]
            raise DesignError(
                f"designs must lie in the box; design {row}, coordinate {col} is {x[row, col]:g}, "
                f"allowed [{low[col]:g}, {high[col]:g}]"
            )
        return x

    def from_unit(self, u: np.ndarray) -> np.ndarray:
        """Map (n, d) numbers in [0, 1) onto designs; uniform numbers give uniform designs."""
        low, high = np.asarray(self.low), np.asarray(self.high)
        return np.clip(low + u * (high - low), low, high).astype(np.float32)

    def distances(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Root mean square of the coordinate differences, each as a share of its coordinate's range."""
        total = np.zeros((len(a), len(b)))
        # Summed coordinate by coordinate, so that equal designs are at exactly 0.
        for j, (low, high) in enumerate(zip(self.low, self.high, strict=True)):
            x, y = (v[:, j].astype(np.float64) / (high - low) for v in (a, b))
            total += (x[:, None] - y) ** 2
        return np.sqrt(total / self.dim)

    def codec(self, device: torch.device) -> Codec:
        """The identity, with clipping to the box on the way back."""
        from bbo.codecs import Identity

        return Identity.of(self.low, self.high, device)

    def misfits(self) -> dict[str, np.ndarray]:
        """Arrays that `check` must refuse, by what is wrong with them: values outside the box, NaN, wrong shapes."""
        low, high = self.low[0], self.high[0]
        good = self.corners(4)
        return _misshapen(good) | {
            "a value below the box": _with(good, low - 1 - abs(low)),
            "a value above the box": _with(good, high + 1 + abs(high)),
            "NaN": _with(good, np.nan),
            "infinity": _with(good, np.inf),
        }

    def _ends(self, high: np.ndarray) -> np.ndarray:
        return np.where(high, np.asarray(self.high, np.float32), np.asarray(self.low, np.float32))


@dataclass(frozen=True)
class Sequence(Space):
    """Sequences of L positions; position p takes the letters 0 .. letters[p] - 1.

    Args:
        letters: number of letters of each position, at least 2 each.
        alphabet: the letters' names where all positions share them, for display ("ACGT"); may be empty.
        positions: names of the L positions, for display ("batch_size"); may be empty.
        names: what the letters of each position stand for, for display (("8", "16", "32"), ..); may be empty.
    """

    letters: tuple[int, ...]
    alphabet: str = ""
    # Names for display are left out of the representation, which is part of the key of shared work (`Problem.shared`).
    positions: tuple[str, ...] = field(default=(), repr=False)
    names: tuple[tuple[str, ...], ...] = field(default=(), repr=False)

    kind = "sequence"
    dtype = np.dtype(np.int64)

    def __post_init__(self) -> None:
        object.__setattr__(self, "letters", tuple(int(c) for c in self.letters))
        object.__setattr__(self, "names", tuple(tuple(str(name) for name in names) for names in self.names))
        if not self.letters or min(self.letters) < 2:
            raise ValueError(f"a sequence space needs at least one position, with 2 or more letters each; got {self.letters}")
        if self.alphabet and set(self.letters) != {len(self.alphabet)}:
            raise ValueError(f"alphabet '{self.alphabet}' does not fit positions with {sorted(set(self.letters))} letters")
        if self.positions and len(self.positions) != len(self.letters):
            raise ValueError(f"{len(self.positions)} names do not fit {len(self.letters)} positions")
        if self.names and tuple(map(len, self.names)) != self.letters:
            raise ValueError(f"names for {tuple(map(len, self.names))} letters do not fit positions with {self.letters} letters")

    @classmethod
    def uniform(cls, length: int, letters: int, alphabet: str = "") -> Sequence:
        """`length` positions of `letters` letters each."""
        return cls((letters,) * length, alphabet)

    @classmethod
    def choices(cls, choices: Mapping[str, Iterable[object]]) -> Sequence:
        """One position for each named choice, its letters being the options in their order: {"batch_size": (8, 16), ..}."""
        names = tuple(tuple(map(str, options)) for options in choices.values())
        return cls(tuple(map(len, names)), positions=tuple(choices), names=names)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one design: (L,)."""
        return (len(self.letters),)

    @property
    def dim(self) -> int:
        """Dimension of the encoding: one number less than letters, summed over positions."""
        return sum(self.letters) - len(self.letters)

    @property
    def size(self) -> int:
        """Number of designs: the product of the letters."""
        return math.prod(self.letters)

    def describe(self) -> str:
        """The space in a few words: "8 positions of 4 letters (ACGT)"."""
        kinds = sorted(set(self.letters))
        letters = f"{kinds[0]} letters" if len(kinds) == 1 else f"{kinds[0]} to {kinds[-1]} letters"
        shown = self.alphabet or ", ".join(self._shortened(self.positions))
        return f"{len(self.letters)} positions of {letters}" + (f" ({shown})" if shown else "")

    @staticmethod
    def _shortened(names: tuple[str, ...]) -> tuple[str, ...]:
        return names if len(names) <= 3 else (names[0], "..", names[-1])

    def readable(self, design: np.ndarray) -> str:
        """Letters of the alphabet ("ACGT"), named choices ("batch_size=16, dropout=0.3"), or letter indices ("3 0 11")."""
        if self.alphabet:
            return "".join(self.alphabet[letter] for letter in design)
        letters = [self.names[p][c] if self.names else str(c) for p, c in enumerate(design)]
        if self.positions:
            return ", ".join(f"{position}={letter}" for position, letter in zip(self.positions, letters, strict=True))
        return " ".join(letters)

    def check(self, x: np.ndarray) -> np.ndarray:
        """Return `x` as int64 (n, L), or raise.

        Raises:
            DesignError: wrong shape, not whole numbers, or letters out of range.
        """
        x = _checked_shape(x, self.shape)
        if x.dtype.kind == "f" and np.isfinite(x).all() and (x == np.round(x)).all():
            x = x.astype(np.int64)
        if x.dtype.kind not in "iu":
            raise DesignError(f"sequence designs must be whole numbers (letter indices); got {x.dtype} with other values")
        x = x.astype(np.int64)
        outside = (x < 0) | (x >= np.asarray(self.letters))
        if outside.any():
            row, col = np.argwhere(outside)[0]
            raise DesignError(
                f"letters out of range: design {row}, position {col} is {x[row, col]}, allowed 0 to {self.letters[col] - 1}"
            )
        return x

    def from_unit(self, u: np.ndarray) -> np.ndarray:
        """Map (n, L) numbers in [0, 1) onto designs; uniform numbers give uniform designs."""
        return np.floor(u * np.asarray(self.letters)).astype(np.int64)

    def distances(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """The share of positions that differ (Hamming)."""
        # Small integers: every cell of a run pays for this, and narrow types are several times faster.
        kind = np.min_scalar_type(max(self.letters))
        a, b = (np.ascontiguousarray(v.T.astype(kind)) for v in (a, b))
        differing = np.zeros((a.shape[1], b.shape[1]), np.min_scalar_type(len(a)))
        for x, y in zip(a, b, strict=True):
            differing += x[:, None] != y
        return differing / len(a)

    def codec(self, device: torch.device) -> Codec:
        """The codec of Design-Bench's logits (see `bbo.codecs`)."""
        from bbo.codecs import Logits

        return Logits.of(self.letters, device)

    def misfits(self) -> dict[str, np.ndarray]:
        """Arrays that `check` must refuse, by what is wrong with them: letters out of range, wrong shapes."""
        good = self.corners(4)
        return _misshapen(good) | {
            "a negative letter": _with(good, -1),
            "a letter too high": _with(good, self.letters[0]),
            "NaN": _with(good.astype(np.float32), np.nan),
            "half a letter": _with(good.astype(np.float32), 0.5),
        }

    def key(self, x: Array) -> Array:
        """The number of each design (n,), int64; see `Space.key`."""
        if self.size > LARGEST_KEY:
            return super().key(x)
        number: Any = 0
        for position, count in enumerate(self.letters):
            column = x[:, position]
            # A table of letters may be stored in small integers, which are too small for a key.
            number = number * count + (column.astype(np.int64) if isinstance(column, np.ndarray) else column)
        return number

    def from_key(self, keys: np.ndarray) -> np.ndarray:
        """The designs (n, L) of some keys (n,); see `Space.from_key`."""
        if self.size > LARGEST_KEY:
            return super().from_key(keys)
        return np.stack(np.unravel_index(keys, self.letters), axis=1)

    def _ends(self, high: np.ndarray) -> np.ndarray:
        return np.where(high, np.asarray(self.letters) - 1, 0)


def _checked_shape(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    x = np.asarray(x)
    if x.shape[1:] != shape or x.ndim != 1 + len(shape):
        wanted = ", ".join(map(str, shape))
        raise DesignError(f"designs must have shape (n, {wanted}); got {tuple(x.shape)}")
    return x


def _misshapen(good: np.ndarray) -> dict[str, np.ndarray]:
    return {"a wrong number of columns": good[:, :-1], "one design without its batch": good[0]}


def _with(designs: np.ndarray, value: float) -> np.ndarray:
    """The same designs with `value` as the first number of one of them."""
    changed = designs.copy()
    changed[2].flat[0] = value
    return changed
