"""A genetic algorithm on an ensemble of networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from bbo.method import Method, MethodSpec, setting
from bbo.problem import Problem
from bbo.search.evolution import cross, letter_counts, mutate, mutate_mixed, pairs
from bbo.space import Mixed, Sequence
from bbo.space.mixed import PER_DEVIATION
from bbo.surrogates.diagnostics import Surrogate
from bbo.surrogates.gaussian_ensemble import FAST, SMOKE, GaussianEnsemble, diagnosed, mean_of


@dataclass(frozen=True)
class Genetic(GaussianEnsemble, Method):
    """A genetic algorithm on the mean of five Gaussian-head networks, started from the best visible designs.

    The textbook algorithm (Holland 1975; Goldberg 1989) on the surrogate of Design-Bench's searches (arXiv 2202.08450). Tables of
    the field have no genetic algorithm with published settings: the row "GA" of several papers is gradient ascent. So settings are
    ours: (mu + lambda) selection by truncation, uniform crossover of parents drawn with replacement, then mutation: on sequences each
    letter becomes another one with probability 1 / L times `mutations`; on a box each coordinate gets normal noise with probability
    1 / d times `mutations`, and is clipped to the box; on mixed spaces each number moves as on a box, in deviations of uniform
    numbers, and each option or letter changes as on sequences. The best of parents and children survive, one of each kind.

    A generation is one batch for the operators and one call of the networks. `embedding`, a setting of the ensemble, is not
    used by this method: its networks read letters as logits.
    """

    spec = MethodSpec(
        id="genetic",
        version=1,
        kind="search",
        title="Genetic algorithm",
        paper="Goldberg 1989",
        year=1989,
        spaces=("continuous", "sequence", "mixed"),
        composable=True,
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {},
        "fast": {**FAST, "generations": 50},
        "smoke": {**SMOKE, "generations": 5, "children": 100},
    }

    generations: int = setting(100, "generations", low=0)
    children: int = setting(1000, "children of a generation", low=1)
    mutations: float = setting(1.0, "mutations of a child, on average", low=0)
    noise: float = setting(0.5, "deviation of a mutation on a box", unit="z-scored units", above=0)

    def propose(self, problem: Problem) -> Tensor:
        """Return `budget` designs: the last population, best first."""
        data, space, generator = problem.encoded(), problem.space, problem.generator
        fitted = self.train(problem)

        def value(designs: Tensor) -> Tensor:
            return mean_of(fitted.ensemble, data.encode(designs))

        def change(designs: Tensor) -> Tensor:
            if isinstance(space, Sequence):
                return mutate(designs, letter_counts(space, designs.device), self._rate(designs), generator)
            if isinstance(space, Mixed):
                return mutate_mixed(space, designs, self._rate(designs), self.noise / PER_DEVIATION, generator)
            return self._numbers(problem, data.x_std, designs, generator)

        kept = problem.x[problem.starts()]
        values = value(kept)
        for generation in range(1, self.generations + 1):
            children = change(cross(*pairs(kept, self.children, generator), generator))
            kept, values = survivors(torch.cat([kept, children]), torch.cat([values, value(children)]), problem.budget)
            problem.progress(generation, self.generations, kept)
        return kept

    def surrogate(self, problem: Problem) -> Surrogate:
        """The trained ensemble, for `bbo diagnose`: an equal mixture of its members."""
        return diagnosed(self.train(problem))

    def _rate(self, designs: Tensor) -> float:
        return min(1.0, self.mutations / designs.shape[1])

    def _numbers(self, problem: Problem, scale: Tensor, designs: Tensor, generator: torch.Generator) -> Tensor:
        low, high = torch.as_tensor(problem.space.corners(2), device=designs.device)
        hit = torch.rand(designs.shape, generator=generator, device=designs.device) < self._rate(designs)
        noise = torch.randn(designs.shape, generator=generator, device=designs.device)
        return (designs + hit * noise * scale * self.noise).clamp(low, high)


def survivors(designs: Tensor, values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` best designs (count, *shape) and their values, one of each kind as long as there are enough kinds."""
    different, inverse = torch.unique(designs, dim=0, return_inverse=True)
    best = values.new_full((len(different),), -torch.inf).scatter_reduce_(0, inverse, values, "amax")
    order = torch.argsort(best, descending=True, stable=True)[:count]
    order = order[torch.arange(count, device=order.device) % len(order)]
    return different[order], best[order]
