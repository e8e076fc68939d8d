"""Trajectories through a table by local search: each next design is near the present one and about as good as the best so far.

GTG (arXiv 2407.01624, section 4.1); dbsxodud-11/GTG @448f206, `construct_trajectories.py`.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1


def climbing(
    x: Tensor, y: Tensor, many: int, length: int, neighbours: int, slack: float, start_quantile: float, generator: Generator
) -> Tensor:
    """Row numbers (many, length) of trajectories through designs x (N, d) with scores y (N,); N is at least `length`.

    A trajectory starts at a random design above a quantile of the scores. The next one is a random one of the `neighbours` nearest
    designs that the trajectory has not visited and whose score is at least the best so far minus `slack`. Where no such design is left, it
    is the best of the nearest not visited. All trajectories take each step together, as one matrix product; each has its own marks.

    Args:
        x: vectors whose squared distances count; equally near designs are taken in a random order, the same for all.
    """
    device, rows = x.device, len(x)
    order = torch.randperm(rows, generator=generator, device=device)
    x, y = x[order], y[order]
    squared = x.square().sum(1)
    least = torch.quantile(y[torch.arange(0, rows, max(1, rows // 100_000), device=device)], start_quantile)
    starts = torch.nonzero(y >= least)[:, 0]
    here = starts[torch.randint(len(starts), (many,), generator=generator, device=device)]
    best, visited = y[here], torch.zeros(many, rows, dtype=torch.bool, device=device)
    nearest, path = min(neighbours, rows), [here]
    for _ in range(length - 1):
        visited.scatter_(1, here[:, None], True)
        distance = (squared - 2 * x[here] @ x.T).masked_fill_(visited, torch.inf)
        good = distance.masked_fill(y < (best - slack)[:, None], torch.inf)
        # Where nothing good is left, all that was not visited is looked at.
        left = good.isfinite().any(1)
        found, places = torch.where(left[:, None], good, distance).topk(nearest, dim=1, largest=False)
        count = found.isfinite().sum(1)
        pick = (torch.rand(many, generator=generator, device=device) * count).long().minimum(count - 1)
        top = y[places].masked_fill(~found.isfinite(), -torch.inf).argmax(1)
        here = places.gather(1, torch.where(left, pick, top)[:, None])[:, 0]
        best = best.maximum(y[here])
        path.append(here)
    return order[torch.stack(path, 1)]
