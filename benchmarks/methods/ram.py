"""RaM: one batch of lists and some steps of the ascent, at paper size."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from bbo.search.adam_ascent import adam_ascend
from bbo.search.ascent import gradient_of
from bbo.surrogates.networks import MLP, Ensemble
from bbo.surrogates.ranking import _on_lists, listnet
from bbo.surrogates.sharpness import Unregularised
from bbo.surrogates.training import Batch, adam, objective, step
from benchmarks._timing import beside


def measure(
    hidden: int = 2048, rows: int = 10004, dim: int = 60, lists: int = 128, length: int = 1000, starts: int = 128, steps: int = 20
) -> dict[str, Any]:
    """Seconds of the authors' order (every occurrence through the network; start after start) and of ours."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(rows, dim, generator=generator), torch.randn(rows, generator=generator)
    drawn = torch.stack([torch.randperm(rows, generator=generator)[:length] for _ in range(lists)])
    network = MLP(dim, (hidden, hidden), generator, activation="relu")
    ensemble = Ensemble.of([network])

    def authors() -> tuple[Tensor, Tensor]:
        trained = deepcopy(network)
        optimiser = torch.optim.Adam(trained.parameters(), lr=3e-4, eps=1e-7)
        f = trained(x[drawn].reshape(-1, dim)).reshape(lists, length)
        optimiser.zero_grad()
        listnet(f, y[drawn]).backward()
        optimiser.step()
        found = []
        for start in range(starts):
            own = x[start : start + 1].clone().requires_grad_()
            climber = torch.optim.Adam([own], lr=1e-3)
            for _ in range(steps):
                climber.zero_grad()
                (-network(own)).backward()
                climber.step()
            found.append(own.detach()[0])
        return torch.cat([p.detach().flatten() for p in trained.parameters()]), torch.stack(found)

    def ours() -> tuple[Tensor, Tensor]:
        params = {name: p.clone().requires_grad_() for name, p in ensemble.params.items()}
        seen, places = torch.unique(drawn, return_inverse=True)
        batch = Batch(x[seen][None], y[seen][None], torch.ones(1, len(seen)))
        step(objective(ensemble, params, batch, _on_lists(listnet, places)), params, Unregularised(), adam(params, 3e-4))
        found = adam_ascend(gradient_of(lambda z: ensemble.mean(z)[0]), x[:starts], steps, 1e-3)
        return torch.cat([params[name].detach().flatten() for name, _ in network.named_parameters()]), found

    def check(theirs: tuple[Tensor, Tensor], mine: tuple[Tensor, Tensor]) -> None:
        """Adam moves each number by up to its rate in a step, whatever the slope; single ones may go the other way, so not all are asked."""
        for one, other, rate in zip(theirs, mine, (3e-4, 1e-3), strict=True):
            assert (one - other).abs().mean() < 0.01 * rate

    what = f"a batch of {lists} lists of {length} from {rows} rows, and {steps} steps from {starts} starts, width {hidden}"
    return beside(authors, ours, what, check=check)
