"""RaM: one batch of lists and some steps of the ascent, at paper size."""

from __future__ import annotations

from typing import Any

import torch

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

    def authors() -> None:
        optimiser = torch.optim.Adam(network.parameters(), lr=3e-4, weight_decay=1e-5)
        f = network(x[drawn].reshape(-1, dim)).reshape(lists, length)
        optimiser.zero_grad()
        listnet(f, y[drawn]).backward()
        optimiser.step()
        for start in range(starts):
            own = x[start : start + 1].clone().requires_grad_()
            climber = torch.optim.Adam([own], lr=1e-3)
            for _ in range(steps):
                climber.zero_grad()
                (-network(own)).backward()
                climber.step()

    def ours() -> None:
        params = {name: p.clone().requires_grad_() for name, p in ensemble.params.items()}
        seen, places = torch.unique(drawn, return_inverse=True)
        batch = Batch(x[seen][None], y[seen][None], torch.ones(1, len(seen)))
        step(objective(ensemble, params, batch, _on_lists(listnet, places)), params, Unregularised(), adam(params, 3e-4))
        adam_ascend(gradient_of(lambda z: ensemble.mean(z)[0]), x[:starts], steps, 1e-3)

    what = f"a batch of {lists} lists of {length} from {rows} rows, and {steps} steps from {starts} starts, width {hidden}"
    return beside(authors, ours, what)
