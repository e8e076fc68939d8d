"""The last step of a generator of designs: the search of `gp-search`, started from its designs, on a posterior mean that it trusts.

The result is never worse by that mean: on a box each design is at least as good as the one it was, on sequences the k-th best of the
result is at least as good as the k-th best of the different designs it started from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Generator, Tensor

from bbo.search import box_ascent
from bbo.search.evolution import GreedySearch

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1

#: Crossovers in a round, and Adam's step size in z-scored units: those of `gp-search`.
CROSSOVERS, RATE = 1000, 0.05
#: Changed designs whose values are computed at once.
HELD = 8192


class Mean(Protocol):
    """A posterior mean on R^d, with its gradient."""

    def mean(self, q: Tensor) -> Tensor:
        """Values (n,) at q (n, d)."""
        ...

    def mean_and_gradient(self, q: Tensor) -> tuple[Tensor, Tensor]:
        """Values (n,) and gradients (n, d) at q (n, d)."""
        ...


def polish_sequences(
    designs: Tensor,
    letters: Sequence[int],
    value: Callable[[Tensor], Tensor],
    rounds: int,
    generator: Generator,
    on_round: Callable[[int, Tensor], None] | None = None,
) -> Tensor:
    """As many designs (n, L) as were given, best first: the best different ones that a greedy search meets, repeated if there are fewer.

    A round looks at all single mutants, so it costs n * (sum of `letters`) values.

    Args:
        designs: first designs (n, L).
        letters: number of letters of each position.
        value: designs (m, L) to values (m,); larger is better.
        rounds: most rounds of the search.
        on_round: called with (rounds done, best designs) after each round.
    """
    search = GreedySearch(len(designs), CROSSOVERS, rounds)
    found, _ = search.run(designs, value, lambda x: mutants(x, letters, value), generator, on_round)
    return found[torch.arange(len(designs), device=designs.device) % len(found)]


def mutants(designs: Tensor, letters: Sequence[int], value: Callable[[Tensor], Tensor]) -> Tensor:
    """Values (n, L, C) of the single mutants of designs (n, L); -inf for the own letter and where a position has no such letter."""
    device = designs.device
    counts, letter = torch.tensor(letters, device=device), torch.arange(max(letters), device=device)
    real = (letter < counts[:, None]) & (letter != designs[:, :, None])
    design, place, changed = real.nonzero(as_tuple=True)
    parts = []
    for rows, places, to in zip(design.split(HELD), place.split(HELD), changed.split(HELD), strict=True):
        parts.append(value(designs[rows].scatter(1, places[:, None], to[:, None])))
    known = torch.cat(parts)
    return known.new_full(real.shape, -torch.inf).masked_scatter_(real, known)


def polish_box(
    start: Tensor, low: Tensor, high: Tensor, surface: Mean, steps: int, on_step: Callable[[int, Tensor], None] | None = None
) -> Tensor:
    """Where Adam ends inside the box low, high (d,), from each of start (n, d), or its start where that is better; (n, d)."""
    start = start.clamp(low, high)
    ends = box_ascent.ascend(lambda x: surface.mean_and_gradient(x)[1], start, low, high, steps, RATE, on_step)
    return torch.where((surface.mean(ends) >= surface.mean(start))[:, None], ends, start)
