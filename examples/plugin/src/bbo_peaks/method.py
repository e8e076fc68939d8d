"""hill-climb: follows the mean of the nearest visible scores uphill, one small random step after another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from bbo.method import Method, MethodSpec, setting
from bbo.problem import Problem


@dataclass(frozen=True)
class HillClimb(Method):
    """Keeps a random step wherever the mean score of the nearest visible designs, less their mean distance, does not fall."""

    spec = MethodSpec(
        id="hill-climb", version=1, kind="search", title="Hill climbing on nearest neighbours", spaces=("continuous",)
    )
    presets: ClassVar = {"paper": {}, "fast": {}, "smoke": {"steps": 5}}

    steps: int = setting(200, "random steps", low=0)
    size: float = setting(0.1, "deviation of a step", unit="z-scored units", above=0)
    neighbours: int = setting(8, "visible designs whose scores are averaged", low=1)

    def propose(self, problem: Problem) -> Tensor:
        """Climb from the best visible designs."""
        encoded = problem.encoded()  # x and y as z-scored numbers, and the way back

        def score(z: Tensor) -> Tensor:
            near = torch.cdist(z, encoded.x).topk(min(self.neighbours, len(encoded.y)), largest=False)
            return encoded.y[near.indices].mean(dim=1) - near.values.mean(dim=1)

        z = encoded.x[problem.starts()]
        best = score(z)
        for step in range(self.steps):
            tried = z + self.size * torch.randn(z.shape, generator=problem.generator, device=problem.device)
            found = score(tried)
            better = found >= best
            z, best = torch.where(better[:, None], tried, z), torch.where(better, found, best)
            problem.progress(step, self.steps)
        return encoded.decode(z)
