"""Tri-mentoring: steps of the search from all starts, at a size that a loop over starts can bear on a CPU."""

from __future__ import annotations

from functools import partial
from itertools import combinations
from typing import Any

import torch
from torch.func import functional_call

from bbo.baselines.tri_mentoring import Mentoring
from bbo.search.adam_ascent import adam_ascend
from bbo.surrogates.networks import MLP, Ensemble
from benchmarks._timing import beside


def measure(hidden: int = 64, rows: int = 500, dim: int = 24, starts: int = 128, steps: int = 2) -> dict[str, Any]:
    """Seconds of the authors' order (start after start, pairs in Python loops, differentiating through the step) and of ours.

    With `hidden=2048, rows=10004` the gradient on the whole table outweighs all else; both sides then do the same arithmetic.
    """
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(rows, dim, generator=generator), torch.randn(rows, generator=generator)
    networks = [MLP(dim, (hidden, hidden), torch.Generator().manual_seed(seed), activation="relu") for seed in range(3)]

    noise = torch.randn(steps, starts, 10, dim, generator=torch.Generator().manual_seed(1))

    def authors() -> torch.Tensor:
        found = []
        for start in range(starts):
            proxies = [{name: p.detach().clone().requires_grad_() for name, p in n.named_parameters()} for n in networks]
            own = x[start : start + 1].clone().requires_grad_()
            climber = torch.optim.Adam([own], lr=0.1)
            for drawn in noise[:, start]:
                _mentor(networks[0], proxies, own.detach() + 0.1 * drawn, x, y)
                loss = -sum(functional_call(networks[0], p, (own,)) for p in proxies) / 3
                climber.zero_grad()
                loss.backward()
                climber.step()
            found.append(own.detach()[0])
        return torch.stack(found)

    def ours() -> torch.Tensor:
        same = torch.Generator().manual_seed(1)
        return adam_ascend(Mentoring(Ensemble.of(networks), x, y, 10, 0.1, 1e-3, 0.1, True, same), x[:starts], steps, 0.1)

    what = f"{steps} steps from {starts} starts, {rows} rows of d = {dim}, width {hidden}"
    return beside(authors, ours, what, check=partial(torch.testing.assert_close, rtol=0, atol=1e-3))


def _mentor(network: Any, proxies: list[dict[str, torch.Tensor]], near: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> None:
    """The authors' order: ranks, a Python loop over pairs, and second derivatives through the look-ahead step."""
    with torch.no_grad():
        ranks = [functional_call(network, p, (near,))[:, 0].neg().argsort().argsort() for p in proxies]
    pairs = list(combinations(range(len(near)), 2))
    own = [torch.tensor([0.0 if rank[i] - rank[j] > 0 else 1.0 for i, j in pairs]) for rank in ranks]
    vote = torch.tensor([1.0 if sum(o[p] for o in own) >= 2 else 0.0 for p in range(len(pairs))])
    i, j = torch.tensor(pairs).T
    for proxy, mine in zip(proxies, own, strict=True):
        wrong = torch.where(vote != mine)[0]
        if not len(wrong):
            continue

        def entropy(weights: dict[str, torch.Tensor], labels: torch.Tensor, wrong: torch.Tensor = wrong) -> torch.Tensor:
            f = [functional_call(network, weights, (near[side[wrong]],))[:, 0] for side in (i, j)]
            p = torch.sigmoid(f[0] - f[1])
            return -(labels * torch.log(p + 1e-9) + (1 - labels) * torch.log(1 - p + 1e-9)).mean()

        labels = vote[wrong].clone().requires_grad_()
        step = torch.autograd.grad(entropy(proxy, labels), list(proxy.values()), create_graph=True, materialize_grads=True)
        ahead = {name: p - 1e-3 * g for (name, p), g in zip(proxy.items(), step, strict=True)}
        error = (functional_call(network, ahead, (x,))[:, 0] - y).square().mean()
        soft = (labels - 0.1 * torch.autograd.grad(error, labels)[0]).clamp(0, 1).detach()
        step = torch.autograd.grad(entropy(proxy, soft), list(proxy.values()), materialize_grads=True)
        for p, g in zip(proxy.values(), step, strict=True):
            p.data -= 1e-3 * g
