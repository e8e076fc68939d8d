"""ICT: the final ascent from all starts, where the authors loop. Teaching follows one path, which has no starts to batch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bbo.search.adam_ascent import adam_ascend
from bbo.search.ascent import gradient_of
from bbo.surrogates.networks import MLP, Ensemble
from benchmarks._timing import beside


def measure(hidden: int = 2048, dim: int = 60, starts: int = 128, steps: int = 5) -> dict[str, Any]:
    """Seconds of the authors' order (start after start, three networks one after the other) and of ours, at paper size."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(starts, dim, generator=generator)
    networks = [MLP(dim, (hidden, hidden), generator, activation="relu") for _ in range(3)]
    ensemble = Ensemble.of(networks)

    def authors() -> Tensor:
        ends = []
        for start in range(starts):
            own = x[start : start + 1].clone().requires_grad_()
            climber = torch.optim.Adam([own], lr=1e-3)
            for _ in range(steps):
                loss = -1 / 3 * (networks[0](own) + networks[1](own) + networks[2](own))
                climber.zero_grad()
                loss.backward()
                climber.step()
            ends.append(own.detach())
        return torch.cat(ends)

    def ours() -> Tensor:
        return adam_ascend(gradient_of(lambda z: ensemble.mean(z).mean(0)), x, steps, 1e-3)

    what = f"{steps} steps of the ascent from {starts} starts, d = {dim}, three networks of width {hidden}"
    return beside(authors, ours, what, check=_same)


def _same(theirs: Tensor, mine: Tensor) -> None:
    # Adam divides by the gradient's size, so rounding shows in a few coordinates where that is small.
    assert (theirs - mine).abs().mean() < 1e-5
