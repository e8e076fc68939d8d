"""The two floors that every table shows: what you get with no method."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bbo.device import array_on_host
from bbo.method import Method, MethodSpec
from bbo.problem import Problem


@dataclass(frozen=True)
class Random(Method):
    """Designs drawn uniformly from the space; sees no data."""

    spec = MethodSpec(id="random", version=1, kind="floor", title="Uniform designs", spaces=("continuous", "sequence", "mixed"))

    def propose(self, problem: Problem) -> Tensor:
        """Return `budget` designs, uniform and independent; duplicates may occur in small spaces."""
        u = torch.rand(problem.budget, *problem.space.shape, generator=problem.generator, device=problem.device)
        numbers = array_on_host(u, "the space works in NumPy, since tasks use it too, without torch")
        return torch.as_tensor(problem.space.from_unit(numbers), device=problem.device)


@dataclass(frozen=True)
class OfflineBest(Method):
    """The best visible designs, unchanged."""

    spec = MethodSpec(
        id="offline-best", version=1, kind="floor", title="The best visible designs", spaces=("continuous", "sequence", "mixed")
    )

    def propose(self, problem: Problem) -> Tensor:
        """Return the `budget` best visible designs, best first; if there are fewer, they are repeated in order."""
        return problem.x[problem.starts()]
