"""Gradient ascent on designs; all starts are one batch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bbo.encoding import Encoded
from bbo.problem import Problem

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1


def gradient_of(objective: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """The gradient, by autograd, of an objective that treats every design by itself.

    Args:
        objective: designs (..., d) to values (...), each value a function of its own design only.

    Returns:
        a function from designs (..., d) to gradients (..., d).
    """

    def gradient(x: Tensor) -> Tensor:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            return torch.autograd.grad(objective(x).sum(), x)[0]

    return gradient


def ascend(
    gradient: Callable[[Tensor], Tensor],
    x: Tensor,
    steps: int,
    step_size: float,
    on_step: Callable[[int, Tensor], None] | None = None,
) -> Tensor:
    """Plain gradient ascent, x <- x + step_size * gradient(x).

    Args:
        gradient: designs (..., d) to gradients (..., d) of what is maximised.
        x: starts (..., d); not changed.
        steps: number of steps.
        step_size: length factor of a step.
        on_step: called with (steps done, x) after every step.

    Returns:
        the last iterate (..., d).
    """
    for step in range(1, steps + 1):
        x = x + step_size * gradient(x)
        if on_step:
            on_step(step, x)
    return x


def from_best(
    problem: Problem, gradient: Callable[[Tensor], Tensor], steps: int, step_size: float, encoded: Encoded | None = None
) -> Tensor:
    """Designs (budget, *shape): the best visible ones, moved up by plain gradient ascent; the last iterates, decoded.

    Args:
        problem: the visible table, and where progress is reported.
        gradient: encoded designs (n, d) to gradients (n, d) of what is maximised.
        steps: number of steps.
        step_size: length factor of a step.
        encoded: the view of the table that `gradient` takes; by default z-scored.
    """
    data = encoded or problem.encoded()

    def report(step: int, x: Tensor) -> None:
        problem.progress(step, steps, lambda: data.decode(x))

    return data.decode(ascend(gradient, data.x[problem.starts()], steps, step_size, report))
