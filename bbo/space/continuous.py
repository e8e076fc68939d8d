"""A box in R^d."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bbo.errors import DesignError
from bbo.space.base import Space, checked_shape, misshapen, spoiled

if TYPE_CHECKING:
    import torch

    from bbo.codecs import Codec


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
        with np.errstate(over="ignore"):  # told below
            low, high = np.asarray(self.low, np.float32), np.asarray(self.high, np.float32)
        wrong = ~(np.isfinite(low) & np.isfinite(high) & (low < high))
        if wrong.any():
            place = int(wrong.argmax())
            raise ValueError(
                "every lower bound of a box must be finite and below its upper bound, also as float32, in which designs are stored; "
                f"got {self.low[place]!r} and {self.high[place]!r} for coordinate {place}"
            )

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
        x = checked_shape(x, self.shape)
        if x.dtype.kind not in "fiu":
            raise DesignError(f"designs must be numbers; got {x.dtype}")
        given = x
        with np.errstate(over="ignore"):  # told below
            x = x.astype(np.float32)
        if not np.isfinite(x).all():
            row, col = np.argwhere(~np.isfinite(x))[0]
            beyond = ", which is beyond float32" if np.isfinite(given[row, col]) else ""
            raise DesignError(f"designs must be finite; got {given[row, col]} at design {row}, coordinate {col}{beyond}")
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
        return misshapen(good) | {
            "a value below the box": spoiled(good, low - 1 - abs(low)),
            "a value above the box": spoiled(good, high + 1 + abs(high)),
            "NaN": spoiled(good, np.nan),
            "infinity": spoiled(good, np.inf),
        }

    def _ends(self, high: np.ndarray) -> np.ndarray:
        return np.where(high, np.asarray(self.high, np.float32), np.asarray(self.low, np.float32))
