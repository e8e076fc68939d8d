"""RoMA: some updates of the search at paper size. The authors search one batch of all starts too, so there is little to gain."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch.func import functional_call

from bbo.baselines.roma import Adaptation
from bbo.surrogates.networks import MLP, Ensemble, Params
from benchmarks._timing import beside


def measure(hidden: int = 64, starts: int = 128, dim: int = 60, updates: int = 3, steps: int = 100) -> dict[str, Any]:
    """Seconds of the authors' order (with the passes whose results are only logged) and of ours."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(starts, dim, generator=generator), torch.randn(starts, generator=generator)
    network = MLP(dim, (hidden, hidden), generator, activation="softplus", gaussian=True)
    ensemble = Ensemble.of([network])

    def authors() -> Params:
        origin = dict(network.named_parameters())
        for _ in range(updates):
            params = {name: p.detach().clone().requires_grad_() for name, p in origin.items()}
            for _ in range(steps):
                at = x.clone().requires_grad_()
                outputs, logged = (functional_call(network, params, (z,)) for z in (at, x))
                slope = torch.autograd.grad(outputs[:, 0].sum(), at, create_graph=True)[0]
                normal = torch.distributions.Normal(outputs[:, 0], outputs[:, 1].exp())
                loss = slope.norm(dim=1).mean() - normal.log_prob(y).mean() + 0 * logged.sum()
                found = torch.autograd.grad(loss, list(params.values()))
                for p, p0, g in zip(params.values(), origin.values(), found, strict=True):
                    if len(p) > 1:
                        p.data -= 5e-3 / steps * p0.norm() / (g.norm() + 1e-6) * g
        return params

    def ours() -> Params:
        adaptation = Adaptation(ensemble, x, y, 5e-3, steps, 1.0, 4.0)
        for _ in range(updates):
            found = adaptation.adapt(x)
        return found

    what = f"{updates} updates of {starts} designs with {steps} steps of adaptation each, d = {dim}, width {hidden}"
    return beside(authors, ours, what, check=partial(torch.testing.assert_close, rtol=0, atol=1e-4))
