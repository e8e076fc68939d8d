"""Sampling in which each design's strength of guidance is itself optimized by a proxy (RGD's proxy-enhanced sampling).

arXiv 2410.00983, section 4.1; GGchen1997/RGD @c8ab225, `utils.py`, `heun_sampler_ode_hyper`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from bbo.generative.diffusion import VariancePreserving, flow_step, guided

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1


def estimate(
    network: nn.Module, schedule: VariancePreserving, x: Tensor, y: Tensor, strength: Tensor, now: float, then: float, seen: float
) -> Tensor:
    """The clean design (n, d) that a trial step from x (n, d) with strengths (n,) points to; differentiable in the strengths.

    Args:
        y: condition (n,).
        now, then: times between which the trial step is made.
        seen: the time that is taken for the trial's end, in the score and in the weights; `then` is right.
    """
    trial = flow_step(schedule, guided(network, y, strength), x, now, then)
    t = torch.full_like(y, seen)
    # The score at the trial is a constant for the strengths' gradient, as in the authors' code.
    with torch.no_grad():
        score = network(trial, t, y)
    return schedule.denoised(trial, t, score)


def strengthened(
    network: nn.Module,
    schedule: VariancePreserving,
    proxy: Callable[[Tensor], Tensor],
    x: Tensor,
    y: Tensor,
    strength: Tensor,
    steps: int,
    rate: float,
    reversed_time: bool = False,
    progress: Callable[[int, Tensor], None] = lambda step, x: None,
) -> tuple[Tensor, Tensor]:
    """Walk x (n, d) down the probability flow; each step first moves each design's strength uphill in the proxy.

    One step: a trial step with the present strengths gives an estimate of the clean design; one Adam step of `rate` on the strengths
    raises the proxy there; strengths below 0 become 0; the step is then made with the new ones. Adam works element by element and
    the proxy row by row, so the designs of one batch do not influence each other and many draws are one batch.

    Args:
        proxy: clean designs (n, d) to values (n,), larger is better.
        y: condition (n,). strength: where each starts (n,).
        rate: step size of Adam; 0 keeps the strengths.
        reversed_time: take the time that has passed for the time that is left, as the authors' code does, in the estimate.

    Returns:
        designs (n, d) and final strengths (n,).
    """
    parameters = list(network.parameters())
    wanted = [p.requires_grad for p in parameters]
    for p in parameters:
        p.requires_grad_(False)  # only the strengths' gradient is asked for
    strength = strength.detach().clone().requires_grad_()
    optimiser = torch.optim.Adam([strength], lr=rate)
    for i in range(steps):
        now, then = 1 - i / steps, 1 - (i + 1) / steps
        if rate > 0:
            clean = estimate(network, schedule, x, y, strength, now, then, i / steps if reversed_time else max(then, 0.0))
            strength.grad = -torch.autograd.grad(proxy(clean).sum(), strength)[0]
            optimiser.step()
            with torch.no_grad():
                strength.clamp_(min=0.0)
        with torch.no_grad():
            x = flow_step(schedule, guided(network, y, strength), x, now, then)
        progress(i + 1, x)
    for p, flag in zip(parameters, wanted, strict=True):
        p.requires_grad_(flag)
    return x, strength.detach()
