"""AdaLead: a greedy evolutionary search on sequences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor

from bbo.method import Method, MethodSpec, setting
from bbo.problem import Problem
from bbo.search.evolution import best_distinct, letter_counts, mutate
from bbo.space import Sequence
from bbo.surrogates.diagnostics import Surrogate
from bbo.surrogates.gaussian_ensemble import FAST, SMOKE, GaussianEnsemble, diagnosed, mean_of


@dataclass(frozen=True)
class AdaLead(GaussianEnsemble, Method):
    """AdaLead on an ensemble of networks: recombine the leaders, then let each mutate for as long as it does not get worse.

    arXiv 2010.02141 (Sinai et al. 2020), algorithm 1; samsinai/FLEXS @0b85193, `explorers/adalead.py`. The parents are all
    visible designs whose score is at least (1 - threshold) of the best, repeated to the size of the batch. The following is
    repeated until the model has answered `queries` queries for each design of the batch: `recombinations` times the parents are
    shuffled, paired and crossed, switching between the two at each position with probability `switch`; then from each parent a
    roll-out: mutate each letter with probability `mutations` / L, go on from the child if its predicted score is at least the
    root's, else stop. The best children that are not visible are proposed. There is one such round, as nothing is measured in
    between; the mutated letter is another letter (in FLEXS it may be drawn again as it was).

    The roll-outs of all parents advance together: a step is one batch of mutations and one call of the networks, where FLEXS asks
    for one sequence at a time. They do not depend on each other, so only the order of the random numbers differs, and the last
    step may make up to a batch of queries too many.

    Deviations: scores are counted from the least visible one before the threshold is taken, because a share of the best score
    means nothing where scores may be negative; the model is the ensemble of Design-Bench's searches, where FLEXS has its own; a
    child that was met before may be met again, and counts as a query (FLEXS mutates until it finds a new one, and goes on until there
    are `queries` different ones for each design). Predictions of roots are not counted, as at this commit; later ones count them.

    `embedding`, a setting of the ensemble, is not used by this method: its networks read letters as logits.
    """

    spec = MethodSpec(
        id="adalead",
        version=1,
        kind="search",
        title="AdaLead",
        paper="arXiv 2010.02141",
        code="samsinai/FLEXS @0b85193",
        year=2020,
        spaces=("sequence",),
        composable=True,
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {},
        "fast": {**FAST},
        "smoke": {**SMOKE, "queries": 20},
    }

    threshold: float = setting(0.05, "leaders are at most this share of the range of scores below the best", low=0, high=1)
    queries: int = setting(20, "queries of the model for each design of the batch", low=1)
    recombinations: int = setting(1, "recombinations before the roll-outs", low=0)
    switch: float = setting(0.2, "chance to switch between two parents at a position", low=0, high=1)
    mutations: float = setting(1.0, "mutations of a child, on average", above=0)

    def propose(self, problem: Problem) -> Tensor:
        """Return `budget` designs: the best children by the model, best first; leaders fill up where there are too few."""
        space, data, generator = problem.space, problem.encoded(), problem.generator
        assert isinstance(space, Sequence)
        fitted = self.train(problem)
        counts = letter_counts(space, problem.device)

        def value(designs: Tensor) -> Tensor:
            return mean_of(fitted.ensemble, data.encode(designs))

        change = partial(mutate, counts=counts, rate=min(1.0, self.mutations / len(counts)), generator=generator)
        parents = leaders(problem, self.threshold)
        wanted, made = self.queries * problem.budget, 0
        designs, values = [], []
        while made < wanted:
            for _ in range(self.recombinations):
                parents = recombined(parents, self.switch, generator)
            for children, predicted in rollouts(parents, value, change, wanted - made):
                designs.append(children)
                values.append(predicted)
                made += len(children)
            problem.progress(min(made, wanted), wanted, parents)
        found, _ = best_distinct(torch.cat(designs), torch.cat(values), made)
        found = unseen(found, problem.x)[: problem.budget]
        return torch.cat([found, problem.x[problem.starts()]])[: problem.budget]

    def surrogate(self, problem: Problem) -> Surrogate:
        """The trained ensemble, for `bbo diagnose`: an equal mixture of its members."""
        return diagnosed(self.train(problem))


def leaders(problem: Problem, threshold: float) -> Tensor:
    """The designs near the best score, repeated in order to the size of the batch (budget, L), at least two."""
    y = problem.y
    near = y >= y.max() - threshold * (y.max() - y.min())
    rows = problem.best(len(y))
    rows = rows[: near.sum().clamp(min=2)]
    return problem.x[problem.repeated(rows)]


def recombined(parents: Tensor, switch: float, generator: Generator) -> Tensor:
    """Parents (n, L) shuffled and crossed in pairs; where n is odd, the last one stays as it is."""
    parents = parents[torch.randperm(len(parents), generator=generator, device=parents.device)]
    half = len(parents) // 2
    first, second = parents[:half], parents[half : 2 * half]
    draws = torch.rand(first.shape, generator=generator, device=parents.device) < switch
    crossed = draws.cumsum(1) % 2 == 1
    return torch.cat([torch.where(crossed, first, second), torch.where(crossed, second, first), parents[2 * half :]])


def rollouts(
    roots: Tensor, value: Callable[[Tensor], Tensor], change: Callable[[Tensor], Tensor], queries: int
) -> list[tuple[Tensor, Tensor]]:
    """Children and their values, step by step, of roll-outs from roots (n, L): a roll-out ends with the first child below its root."""
    floor, nodes, steps, made = value(roots), roots, [], 0
    while len(nodes) and made < queries:
        children = change(nodes)
        predicted = value(children)
        steps.append((children, predicted))
        made += len(children)
        rising = predicted >= floor
        nodes, floor = children[rising], floor[rising]
    return steps


def unseen(designs: Tensor, visible: Tensor) -> Tensor:
    """Those of different designs (n, L) that are no visible one, in order."""
    _, inverse = torch.unique(torch.cat([visible, designs]), dim=0, return_inverse=True)
    return designs[~torch.isin(inverse[len(visible) :], inverse[: len(visible)])]
