"""Sequences of letters, and named choices."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from bbo.errors import DesignError
from bbo.space.base import LARGEST_KEY, Array, Space, checked_shape, misshapen, spoiled

if TYPE_CHECKING:
    import torch

    from bbo.codecs import Codec


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
        if any(int(c) != c for c in self.letters):
            raise ValueError(f"positions of a sequence have whole numbers of letters; got {tuple(self.letters)}")
        object.__setattr__(self, "letters", tuple(int(c) for c in self.letters))
        object.__setattr__(self, "names", tuple(tuple(str(name) for name in names) for names in self.names))
        if not self.letters or min(self.letters) < 2:
            raise ValueError(f"a sequence space needs at least one position, with 2 or more letters each; got {self.letters}")
        if self.alphabet and set(self.letters) != {len(self.alphabet)}:
            raise ValueError(f"alphabet '{self.alphabet}' does not fit positions with {sorted(set(self.letters))} letters")
        if len(set(self.alphabet)) < len(self.alphabet):
            raise ValueError(f"the letters of an alphabet must differ; got '{self.alphabet}'")
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
        x = checked_shape(x, self.shape)
        whole = x.dtype.kind in "iu" or (x.dtype.kind == "f" and np.isfinite(x).all() and (x == np.round(x)).all())
        if not whole:
            raise DesignError(f"sequence designs must be whole numbers (letter indices); got {x.dtype} with other values")
        outside = (x < 0) | (x >= np.asarray(self.letters))
        if outside.any():
            row, col = np.argwhere(outside)[0]
            hint = "; vectors with NaN are decoded to -1" if x[row, col] == -1 else ""
            raise DesignError(
                f"letters out of range: design {row}, position {col} is {x[row, col]:.0f}, allowed 0 to {self.letters[col] - 1}{hint}"
            )
        return x.astype(np.int64)  # after the check: larger numbers would become other ones

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
        return misshapen(good) | {
            "a negative letter": spoiled(good, -1),
            "a letter too high": spoiled(good, self.letters[0]),
            "NaN": spoiled(good.astype(np.float32), np.nan),
            "half a letter": spoiled(good.astype(np.float32), 0.5),
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
