"""Ascent on designs with Adam; all starts are one batch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bbo.problem import Problem

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1


def adam_ascend(
    gradient: Callable[[Tensor], Tensor],
    x: Tensor,
    steps: int,
    step_size: float,
    on_step: Callable[[int, Tensor], None] | None = None,
    eps: float = 1e-8,
) -> Tensor:
    """Steps of Adam (betas 0.9 and 0.999) up a gradient.

    Adam works on every number by itself, so a batch of starts takes the same steps as one start after the other, each with an
    optimizer of its own.

    Args:
        gradient: designs (n, d) to gradients (n, d) of what is maximised; called once a step.
        x: starts (n, d); not changed.
        steps: number of steps.
        step_size: Adam's step size.
        on_step: called with (steps done, x) after every step.
        eps: Adam's epsilon: 1e-8 as in torch, 1e-7 as in Keras.

    Returns:
        the last iterate (n, d).
    """
    x = x.clone()
    optimiser = torch.optim.Adam([x], lr=step_size, eps=eps, maximize=True)
    for step in range(1, steps + 1):
        x.grad = gradient(x).detach()
        optimiser.step()
        if on_step:
            on_step(step, x)
    return x


def adam_from(
    problem: Problem,
    gradient: Callable[[Tensor], Tensor],
    x: Tensor,
    steps: int,
    step_size: float,
    eps: float = 1e-8,
) -> Tensor:
    """Designs (n, *shape): z-scored starts x (n, d), moved by `adam_ascend`, decoded, with progress reported."""
    data = problem.encoded()

    def report(step: int, x: Tensor) -> None:
        problem.progress(step, steps, lambda: data.decode(x))

    return data.decode(adam_ascend(gradient, x, steps, step_size, report, eps))
