"""DEMO's ascent: the authors climb from every visible design, one by one, and edit the first 256; we climb from those that are edited."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from bbo.surrogates.networks import MLP, Ensemble
from benchmarks._timing import beside


def climb(value: Callable[[Tensor], Tensor], x: Tensor, steps: int) -> Tensor:
    """Designs (n, d) after `steps` Adam steps up the value."""
    x = x.clone().requires_grad_()
    optimiser = torch.optim.Adam([x], lr=0.1)
    for _ in range(steps):
        x.grad = -torch.autograd.grad(value(x).sum(), x)[0]
        optimiser.step()
    return x.detach()


def measure(rows: int = 300, steps: int = 20, hidden: int = 1024, dim: int = 24) -> dict[str, Any]:
    """Seconds for as many designs as 256; the authors' side is measured on `rows` single designs, of the thousands that they climb."""
    generator = torch.Generator().manual_seed(0)
    proxy = Ensemble.of([MLP(dim, (hidden, hidden), generator, activation="relu")])
    x = torch.randn(rows, dim, generator=generator)

    def value(x: Tensor) -> Tensor:
        return proxy.mean(x)[0]

    def authors() -> Tensor:
        return torch.cat([climb(value, x[i : i + 1], steps) for i in range(rows)])

    def ours() -> Tensor:
        return climb(value, x[:256], steps)

    def check(single: Tensor, together: Tensor) -> None:
        # Adam divides by the gradient's size, so rounding shows where that is small; where the ascent leads is the same.
        torch.testing.assert_close(value(together), value(single[:256]), rtol=0.02, atol=0.02)

    what = f"DEMO: {steps} Adam steps from {rows} designs one by one, of which 256 are used, against those 256 as one batch"
    return beside(authors, ours, what, check=check)
