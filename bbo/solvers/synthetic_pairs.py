"""Low-value and high-value designs on synthetic functions drawn from a family of Gaussian processes.

ROOT, arXiv 2509.16300, section 4; authors' code cuong-dm/ROOT @d23f14f, `runners/utils.py`, `sampling_data_from_GP`. From the same
start points, plain gradient descent on a function's posterior mean gives the low ends and ascent the high ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


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
    def join(cls, parts: list[Pairs]) -> Pairs:
        """All pairs of the parts, in order."""
        return cls(*(torch.cat([getattr(p, name) for p in parts]) for name in ("x_low", "y_low", "x_high", "y_high")))


def low_high_pairs(function: Function, starts: Tensor, steps: int, step_size: float, min_gain: float) -> Pairs:
    """Walk down and up from every start (n, d), both directions in one batch; keep pairs that gain more than min_gain, in order."""
    count = len(starts)
    x = torch.cat([starts, starts])
    signed = torch.full((2 * count, 1), step_size, device=x.device, dtype=x.dtype)
    signed[:count] *= -1
    for _ in range(steps):
        _, gradient = function.mean_and_gradient(x)
        x.addcmul_(signed, gradient)
    y = function.mean(x)
    kept = y[count:] - y[:count] > min_gain
    return Pairs(x[:count][kept], y[:count][kept], x[count:][kept], y[count:][kept])
