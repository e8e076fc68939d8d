"""Design spaces: what a design looks like, the checks that every set of designs must pass, and everything that depends on the kind of space.

NumPy only, so that a task can be listed and scored without importing torch. The way to vectors of real numbers, which needs torch,
is imported when a codec is asked for (`bbo.codecs`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
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
    """What every kind of space can do.

    Other code asks for the kind only where it has two forms by its nature: a model or a search for letters and one for numbers, the
    reading of design files, Design-Bench's interface.
    """

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


def checked_shape(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """`x` as an array (n, *shape).

    Raises:
        DesignError: it has another shape.
    """
    x = np.asarray(x)
    if x.shape[1:] != shape or x.ndim != 1 + len(shape):
        wanted = ", ".join(map(str, shape))
        raise DesignError(f"designs must have shape (n, {wanted}); got {tuple(x.shape)}")
    return x


def misshapen(good: np.ndarray) -> dict[str, np.ndarray]:
    """Designs (n, *shape) made into arrays of wrong shapes, by what is wrong with them."""
    return {"a wrong number of columns": good[:, :-1], "one design without its batch": good[0]}


def spoiled(designs: np.ndarray, value: float) -> np.ndarray:
    """The same designs with `value` as the first number of one of them."""
    changed = designs.copy()
    changed[2].flat[0] = value
    return changed
