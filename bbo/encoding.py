"""Designs as z-scored vectors in R^d, and back.

A sequence position with C letters becomes C - 1 numbers, log p_c - log p_0 with p = 0.6 onehot + 0.4 / C, as Design-Bench
does it (`discrete_dataset.py`, `to_logits`, soft_interpolation 0.6). Both logarithms take one of two values, so the number is
delta * ([x = c] - [x = 0]) with delta = log((0.6 + 0.4 / C) / (0.4 / C)). Decoding is the argmax over [0, logits].
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from bbo.space import Continuous, Sequence, Space

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1

KEEP = 0.6


@dataclass(frozen=True)
class Logits:
    """The logit encoding of one sequence space, as index tensors on one device.

    `position` and `letter` (d,) say which letter of which position each encoded number stands for; letter 0 has none.
    """

    letters: tuple[int, ...]
    position: Tensor
    letter: Tensor
    delta: Tensor

    @classmethod
    def of(cls, space: Sequence, device: torch.device) -> Logits:
        columns = [(p, c) for p, count in enumerate(space.letters) for c in range(1, count)]
        deltas = [math.log((KEEP + (1 - KEEP) / space.letters[p]) / ((1 - KEEP) / space.letters[p])) for p, _ in columns]
        position, letter = torch.tensor(columns, device=device).T
        return cls(space.letters, position, letter, torch.tensor(deltas, device=device))

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


@dataclass(frozen=True)
class Encoded:
    """The visible table as z-scored numbers: x (N, d) and y (N,), float32, mean 0 and deviation 1 (ddof 0) in every column.

    A column that is constant over the visible rows keeps its scale (deviation taken as 1).
    """

    space: Space
    x: Tensor
    y: Tensor
    x_mean: Tensor
    x_std: Tensor
    y_mean: float
    y_std: float
    logits: Logits | None

    @classmethod
    def of(cls, space: Space, x: Tensor, y: Tensor) -> Encoded:
        """Encode and standardise a visible table: x (N, *shape), y (N,)."""
        logits = Logits.of(space, x.device) if isinstance(space, Sequence) else None
        raw = logits.encode(x) if logits else x
        # Moments in float64: a float32 sum over 10^5 rows loses the digits that comparisons with published code need.
        mean = raw.mean(dim=0, dtype=torch.float64)
        std = (raw.double() - mean).square().mean(dim=0).sqrt()
        std = torch.where(std > 0, std, torch.ones_like(std))
        y64 = y.double()
        y_mean, y_std = y64.mean().item(), y64.std(correction=0).item()
        y_std = y_std if y_std > 0 else 1.0
        mean, std = mean.float(), std.float()
        return cls(space, (raw - mean) / std, ((y64 - y_mean) / y_std).float(), mean, std, y_mean, y_std, logits)

    @property
    def dim(self) -> int:
        """d, the number of encoded coordinates."""
        return self.x.shape[1]

    def encode(self, designs: Tensor) -> Tensor:
        """Designs (n, *shape) to z-scored vectors (n, d)."""
        raw = self.logits.encode(designs) if self.logits else designs
        return (raw - self.x_mean) / self.x_std

    def decode(self, x: Tensor) -> Tensor:
        """Z-scored vectors (n, d) to designs (n, *shape): argmax letters, or values clipped to the box."""
        raw = x.float() * self.x_std + self.x_mean
        if self.logits:
            return self.logits.decode(raw)
        assert isinstance(self.space, Continuous)
        low, high = torch.tensor([self.space.low, self.space.high], device=raw.device)
        return raw.clamp(low, high)

    def standardise(self, y: Tensor | float) -> Tensor | float:
        """Raw scores to z-scored ones."""
        return (y - self.y_mean) / self.y_std
