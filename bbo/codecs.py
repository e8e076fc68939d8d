"""How the designs of a space become vectors of real numbers, and how vectors become designs again. `space.codec(device)` makes one.

A sequence position with C letters becomes C - 1 numbers, log p_c - log p_0 with p = 0.6 onehot + 0.4 / C, as Design-Bench
does it (`discrete_dataset.py`, `to_logits`, soft_interpolation 0.6). Both logarithms take one of two values, so the number is
delta * ([x = c] - [x = 0]) with delta = log((0.6 + 0.4 / C) / (0.4 / C)). Decoding is the argmax over [0, logits].
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

KEEP = 0.6


class Codec(Protocol):
    """One space's designs as vectors in R^d, on one device."""

    def encode(self, x: Tensor) -> Tensor:
        """Designs (n, *shape) to vectors (n, d), float32."""
        ...

    def decode(self, z: Tensor) -> Tensor:
        """Any vectors (n, d), float32, to designs (n, *shape) of the space."""
        ...


@dataclass(frozen=True)
class Identity:
    """The codec of a box: a design is its vector; values outside the bounds low, high (d,) are clipped to them."""

    low: Tensor
    high: Tensor

    @classmethod
    def of(cls, low: Sequence[float], high: Sequence[float], device: torch.device) -> Identity:
        """Build it from d lower and d upper bounds."""
        return cls(*torch.tensor([low, high], dtype=torch.float32, device=device))

    def encode(self, x: Tensor) -> Tensor:
        """Return designs (n, d) unchanged."""
        return x

    def decode(self, z: Tensor) -> Tensor:
        """Clip vectors (n, d) to the box."""
        return z.clamp(self.low, self.high)


@dataclass(frozen=True)
class Logits:
    """The codec of a sequence space with letters[p] letters at position p.

    `position` and `letter` (d,) say which letter of which position each number represents; letter 0 has none.
    """

    letters: tuple[int, ...]
    position: Tensor
    letter: Tensor
    delta: Tensor

    @classmethod
    def of(cls, letters: tuple[int, ...], device: torch.device) -> Logits:
        """Build it from the number of letters at each position."""
        columns = [(p, c) for p, count in enumerate(letters) for c in range(1, count)]
        deltas = [math.log((KEEP + (1 - KEEP) / letters[p]) / ((1 - KEEP) / letters[p])) for p, _ in columns]
        position, letter = torch.tensor(columns, device=device).T
        return cls(letters, position, letter, torch.tensor(deltas, dtype=torch.float32, device=device))

    def encode(self, x: Tensor) -> Tensor:
        """Letters (n, L), int64, to logits (n, d), float32."""
        own = x[:, self.position]
        return self.delta * ((own == self.letter).float() - (own == 0).float())

    def decode(self, z: Tensor) -> Tensor:
        """Logits (n, d) to the likeliest letters (n, L), int64; ties go to the lower letter."""
        table = z.new_full((len(z), len(self.letters), max(self.letters)), -math.inf)
        table[:, :, 0] = 0.0
        table[:, self.position, self.letter] = z
        return table.argmax(dim=2)
