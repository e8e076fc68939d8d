"""Gradient ascent with Adam inside a box; all starts are one batch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1


def ascend(
    gradient: Callable[[Tensor], Tensor],
    start: Tensor,
    low: Tensor,
    high: Tensor,
    steps: int,
    rate: float,
    on_step: Callable[[int, Tensor], None] | None = None,
) -> Tensor:
    """Adam's steps up `gradient`, clamped to the box after each; the last iterates (n, d).

    Args:
        gradient: designs (n, d) to gradients (n, d) of what is maximised.
        start: designs (n, d); not changed.
        low, high: bounds (d,), in the unit of the designs.
        rate: Adam's step size, in that unit.
        on_step: called with (steps done, designs) after every step.
    """
    x = start.clamp(low, high)
    optimiser = torch.optim.Adam([x], lr=rate, maximize=True)
    for step in range(1, steps + 1):
        x.grad = gradient(x)
        optimiser.step()
        x.clamp_(low, high)
        if on_step:
            on_step(step, x)
    return x
