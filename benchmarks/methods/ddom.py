"""DDOM's sampling: the authors evaluate both halves of the guidance apart, and a second drift that they drop."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from bbo.generative.diffusion import VariancePreserving, guided, sample
from bbo.generative.score_networks import ConcatScore
from benchmarks._timing import beside


def measure(designs: int = 128, steps: int = 100, hidden: int = 1024, dim: int = 24) -> dict[str, Any]:
    """Seconds of the released sampler, in the authors' order of work and in ours, with equal results."""
    generator = torch.Generator().manual_seed(0)
    network, schedule = ConcatScore(dim, hidden, generator), VariancePreserving()
    y = torch.ones(designs)

    def noise() -> Tensor:
        return torch.randn(designs, dim, generator=generator)

    @torch.no_grad()
    def theirs(x: Tensor) -> Tensor:
        for i in range(steps):
            now, then = 1 - i / steps, 1 - (i + 1) / steps

            def drift(x: Tensor, t: float) -> Tensor:
                times = torch.full((designs,), t)
                score = 3 * network(x, times, y) - 2 * network(x, times, torch.zeros_like(y))
                return schedule.beta(t) * (score + 0.5 * x)

            x = x + drift(x, now) / steps + (schedule.beta(now) / steps) ** 0.5 * noise()
            if then > 0:
                drift(x, then)
                x = x + (schedule.beta(then) ** 0.5 - schedule.beta(now) ** 0.5) / 2 * steps**-0.5 * noise()
        return x

    start, state = noise(), generator.get_state()

    def authors() -> Tensor:
        return theirs(start)

    def ours() -> Tensor:
        generator.set_state(state)
        return sample(schedule, guided(network, y, 2.0), start, steps, noise, "released")

    what = f"DDOM: the released sampler, {designs} designs, {steps} steps; a drift that is never used is not computed"
    return beside(authors, ours, what, check=partial(torch.testing.assert_close, rtol=1e-3, atol=1e-3))
