"""Design spaces: what a design looks like, and the checks every set of designs must pass.

NumPy only, so that a task can be listed and scored without importing torch. The view of a space as
vectors of real numbers is `bbo.encoding`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bbo.errors import DesignError


@dataclass(frozen=True)
class Continuous:
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

    def describe(self) -> str:
        lows, highs = sorted(set(self.low)), sorted(set(self.high))
        bounds = f"[{lows[0]:g}, {highs[-1]:g}]" if len(lows) == len(highs) == 1 else "a box"
        return f"{self.dim} numbers in {bounds}"

    def check(self, x: np.ndarray) -> np.ndarray:
        """Return `x` as float32 (n, d), or raise.

        Float32 is the type in which designs are stored and scored; bounds are compared in it too.

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


@dataclass(frozen=True)
class Sequence:
    """Sequences of L positions; position p takes the letters 0 .. letters[p] - 1.

    Args:
        letters: number of letters of each position, at least 2 each.
        alphabet: the letters' names where all positions share them, for display ("ACGT"); may be empty.
    """

    letters: tuple[int, ...]
    alphabet: str = ""

    kind = "sequence"
    dtype = np.dtype(np.int64)

    def __post_init__(self) -> None:
        object.__setattr__(self, "letters", tuple(int(c) for c in self.letters))
        if not self.letters or min(self.letters) < 2:
            raise ValueError(f"a sequence space needs at least one position, with 2 or more letters each; got {self.letters}")
        if self.alphabet and set(self.letters) != {len(self.alphabet)}:
            raise ValueError(f"alphabet '{self.alphabet}' does not fit positions with {sorted(set(self.letters))} letters")

    @classmethod
    def uniform(cls, length: int, letters: int, alphabet: str = "") -> Sequence:
        """`length` positions of `letters` letters each."""
        return cls((letters,) * length, alphabet)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one design: (L,)."""
        return (len(self.letters),)

    @property
    def dim(self) -> int:
        """Dimension of the encoding: one number less than letters, summed over positions."""
        return sum(self.letters) - len(self.letters)

    def describe(self) -> str:
        kinds = sorted(set(self.letters))
        letters = f"{kinds[0]} letters" if len(kinds) == 1 else f"{kinds[0]} to {kinds[-1]} letters"
        return f"{len(self.letters)} positions of {letters}" + (f" ({self.alphabet})" if self.alphabet else "")

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


Space = Continuous | Sequence


def _checked_shape(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    x = np.asarray(x)
    if x.shape[1:] != shape or x.ndim != 1 + len(shape):
        wanted = ", ".join(map(str, shape))
        raise DesignError(f"designs must have shape (n, {wanted}); got {tuple(x.shape)}")
    return x
