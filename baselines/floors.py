"""The two floors that every table shows: what no method at all reaches."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bbo.problem import Problem


@dataclass(frozen=True)
class Random:
    """Designs drawn uniformly from the space; sees no data."""

    version = "1"
    kind = "floor"

    def propose(self, problem: Problem) -> Tensor:
        """Return `budget` designs, uniform and independent; duplicates may occur in small spaces."""
        u = torch.rand(problem.budget, *problem.space.shape, generator=problem.generator, device=problem.device)
        # The space maps numbers in NumPy: it is used by tasks too, which do not know torch.
        return torch.as_tensor(problem.space.from_unit(u.cpu().numpy()), device=problem.device)


@dataclass(frozen=True)
class OfflineBest:
    """The best visible designs, unchanged."""

    version = "1"
    kind = "floor"

    def propose(self, problem: Problem) -> Tensor:
        """Return the `budget` best visible designs, best first; where there are fewer, they are repeated in order."""
        rows = problem.best(problem.budget)
        return problem.x[rows[torch.arange(problem.budget, device=problem.device) % len(rows)]]
