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

from bbo.space.mixed import PER_DEVIATION, Mixed

KEEP = 0.6


class Codec(Protocol):
    """One space's designs as vectors in R^d, on one device."""

    def encode(self, x: Tensor) -> Tensor:
        """Designs (n, *shape) to vectors (n, d), float32."""
        ...

    def decode(self, z: Tensor) -> Tensor:
        """Any vectors (n, d), float32, to designs (n, *shape) of the space; those with NaN to some that `Space.check` refuses."""
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
        """Logits (n, d) to the likeliest letters (n, L), int64; ties go to the lower letter. Where a logit is NaN, letters are -1."""
        table = z.new_full((len(z), len(self.letters), max(self.letters)), -math.inf)
        table[:, :, 0] = 0.0
        table[:, self.position, self.letter] = z
        return table.argmax(dim=2).masked_fill(z.isnan().any(1, keepdim=True), -1)


@dataclass(frozen=True)
class Columns:
    """The codec of a mixed space: scaled numbers, and one-hot options and letters.

    A number becomes z = (share of its range - 1/2) sqrt(12), of logarithms on a log scale. Two uniform numbers are then as far
    apart, on average of squares, as two different options: 2. Decoding clips numbers to their bounds, rounds
    them to their steps, and takes the likeliest option; ties go to the lower one. Where a number of the vector is NaN, all of the
    design is.

    Attributes:
        space: the mixed space.
        numbers, number_columns: places of the numbers in a design, and in a vector.
        low, width: their lower bound and range, float64; of their logarithms where `log`.
        place, option: of each one-hot number, its place in a design and its option. option_columns: its place in a vector.
    """

    space: Mixed
    numbers: Tensor
    number_columns: Tensor
    low: Tensor
    width: Tensor
    log: Tensor
    place: Tensor
    option: Tensor
    option_columns: Tensor

    @classmethod
    def of(cls, space: Mixed, device: torch.device) -> Columns:
        """Build it for a mixed space."""
        kinds = [(p, c) for p, count in enumerate(space.counts.tolist()) for c in (range(count) if count else [-1])]
        place, option = torch.tensor(kinds, device=device).reshape(-1, 2).T
        columns = torch.arange(len(kinds), device=device)
        proper = option < 0
        numbers = place[proper]
        log = torch.as_tensor(space.log, device=device)[numbers]
        low, high = (torch.as_tensor(bound, device=device)[numbers] for bound in (space.low, space.high))
        low, high = (torch.where(log, bound.where(log, bound.new_ones(())).log(), bound) for bound in (low, high))
        return cls(space, numbers, columns[proper], low, high - low, log, place[~proper], option[~proper], columns[~proper])

    def encode(self, x: Tensor) -> Tensor:
        """Designs (n, D) to vectors (n, d), float32."""
        z = torch.zeros(len(x), len(self.number_columns) + len(self.option_columns), device=x.device)
        own = x[:, self.numbers].double()
        scaled = torch.where(self.log, own.where(self.log, own.new_ones(())).log(), own)
        z[:, self.number_columns] = (((scaled - self.low) / self.width - 0.5) * PER_DEVIATION).float()
        z[:, self.option_columns] = (x[:, self.place] == self.option).float()
        return z

    def decode(self, z: Tensor) -> Tensor:
        """Vectors (n, d) to designs (n, D), float64."""
        x = z.new_zeros(len(z), len(self.space.counts), dtype=torch.float64)
        share = (z[:, self.number_columns].double() / PER_DEVIATION + 0.5).clamp(0, 1)
        scaled = self.low + share * self.width
        x[:, self.numbers] = torch.where(self.log, scaled.where(self.log, scaled.new_zeros(())).exp(), scaled)
        if len(self.place):
            most = int(self.space.counts.max())
            table = z.new_full((len(z), len(self.space.counts), most), -math.inf)
            table[:, self.place, self.option] = z[:, self.option_columns]
            x = torch.where(table.amax(2) > -math.inf, table.argmax(2).double(), x)
        bounds = (self.space.low, self.space.high, self.space.spacing, self.space.tens)
        low, high, spacing, tens = (torch.as_tensor(a, device=z.device) for a in bounds)
        steps = spacing.where(spacing > 0, spacing.new_ones(()))
        given = x
        x = torch.where(spacing > 0, low + ((x - low) / steps).round() * steps, x)
        x = torch.where(tens > 0, (x * tens).round() / tens, x)
        for own, grid in self.space.grids.items():
            middles, values = (torch.as_tensor(a, device=z.device) for a in (self.space.middles(own), grid))
            x[:, own] = values[torch.bucketize(given[:, own].contiguous(), middles)]
        return torch.minimum(torch.maximum(x, low), high).masked_fill(z.isnan().any(1, keepdim=True), math.nan)
