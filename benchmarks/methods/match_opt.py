"""MATCH-OPT: the loss of one batch and its gradient, at paper size."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from bbo.baselines.match_opt import GradientMatching
from bbo.surrogates.networks import MLP, Ensemble, Params
from bbo.surrogates.sharpness import Unregularised
from bbo.surrogates.training import Batch, objective
from benchmarks._timing import beside


def measure(hidden: int = 512, rows: int = 128, dim: int = 60, batches: int = 5) -> dict[str, Any]:
    """Seconds of the authors' order (five full Jacobians and their diagonals) and of ours (one gradient of a sum)."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(rows, dim, generator=generator), torch.randn(rows, generator=generator).sort().values
    network = MLP(dim, (hidden, hidden // 4, hidden // 16), generator)
    ensemble = Ensemble.of([network])
    params = {name: p.clone().requires_grad_() for name, p in ensemble.params.items()}

    def authors() -> Params:
        for _ in range(batches):
            u, v, slope = x[:-1], x[1:], torch.zeros(rows - 1, dim)
            for i in range(5):
                at = u * (1 - i / 5) + v * (i / 5)
                jacobian = torch.autograd.functional.jacobian(lambda z: network(z).flatten(), at, create_graph=True)
                slope = slope + torch.einsum("aab->ab", jacobian) / 5
            matching = ((slope * (v - u)).sum(1) - y.diff()).square().mean()
            network.zero_grad()
            (matching + (network(x)[:, 0] - y).square().mean()).backward()
        return {name: p.grad[None] for name, p in network.named_parameters() if p.grad is not None}

    def ours() -> Params:
        for _ in range(batches):
            batch = Batch(x[None], y[None], torch.ones(1, rows))
            _, found = Unregularised().gradients(objective(ensemble, params, batch, GradientMatching(5, "left")), params)
        return found

    what = f"{batches} batches of {rows} rows, d = {dim}, first layer {hidden}"
    return beside(authors, ours, what, check=partial(torch.testing.assert_close, rtol=1e-3, atol=1e-5))
