"""Low-value and high-value designs on synthetic functions drawn from a family of Gaussian processes.

ROOT, arXiv 2509.16300, section 4; authors' code cuong-dm/ROOT @d23f14f, `runners/utils.py`, `sampling_data_from_GP`. From the same
start points, plain gradient descent on a function's posterior mean gives the low ends and ascent the high ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1


class Function(Protocol):
    """A synthetic function on R^d with its gradient."""

    def mean(self, q: Tensor) -> Tensor:
        """Values (n,) at q (n, d)."""
        ...

    def mean_and_gradient(self, q: Tensor) -> tuple[Tensor, Tensor]:
        """Values (n,) and gradients (n, d) at q (n, d)."""
        ...


@dataclass(frozen=True)
class Pairs:
    """n pairs: x_low, x_high (n, d), and the function's values y_low, y_high (n,) at them; all z-scored."""

    x_low: Tensor
    y_low: Tensor
    x_high: Tensor
    y_high: Tensor

    def __len__(self) -> int:
        return len(self.y_low)

    def __getitem__(self, rows: slice | Tensor) -> Pairs:
        return Pairs(self.x_low[rows], self.y_low[rows], self.x_high[rows], self.y_high[rows])

    @classmethod
    def gaining(cls, ends: Tensor, min_gain: float) -> Pairs:
        """The pairs among walks' ends (2, n, d + 1) that gain more than min_gain, in order."""
        low, high = ends[:, ends[1, :, -1] - ends[0, :, -1] > min_gain]
        return cls(low[:, :-1], low[:, -1], high[:, :-1], high[:, -1])

    @classmethod
    def join(cls, parts: list[Pairs]) -> Pairs:
        """All pairs of the parts, in order."""
        return cls(*(torch.cat([getattr(p, name) for p in parts]) for name in ("x_low", "y_low", "x_high", "y_high")))


def walk(function: Function, starts: Tensor, steps: int, step_size: float) -> Tensor:
    """Walk down and up from every start (n, d), both directions in one batch.

    Returns:
        The ends (2, n, d + 1), low first: coordinates and, last, the function's value.
    """
    count = len(starts)
    x = torch.cat([starts, starts])
    signed = torch.full((2 * count, 1), step_size, device=x.device, dtype=x.dtype)
    signed[:count] *= -1
    for _ in range(steps):
        _, gradient = function.mean_and_gradient(x)
        x.addcmul_(signed, gradient)
    return torch.cat([x, function.mean(x)[:, None]], dim=1).view(2, count, -1)
