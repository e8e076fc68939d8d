"""Evolution on sequences and mixed spaces, whole populations at once: mutation, crossover, distinct designs, and a greedy search made of them.

Populations are letters (n, L), int64, or rows of a mixed space (n, D), float64. Which letters a position has is a tensor `counts`
(L,), `letter_counts(space)`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from bbo.device import array_on_host, on_host
from bbo.space import Mixed, Sequence

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1

#: A good design is a mutant of several parents. To find enough different ones, this many times the mutants wanted are looked at.
SHARED = 8


def letter_counts(space: Sequence, device: torch.device) -> Tensor:
    """Number of letters of each position (L,)."""
    return torch.tensor(space.letters, device=device)


def mutate(designs: Tensor, counts: Tensor, rate: float, generator: Generator) -> Tensor:
    """Each letter of designs (n, L) becomes another one of its position with probability `rate`, all others as likely as each other."""
    changed = torch.rand(designs.shape, generator=generator, device=designs.device) < rate
    return torch.where(changed, _other(designs, counts, generator), designs)


def _other(designs: Tensor, counts: Tensor, generator: Generator) -> Tensor:
    """A letter other than the own one, uniform, for every position of designs (n, L)."""
    u = torch.rand(designs.shape, generator=generator, device=designs.device)
    # 1 to count - 1 places further on, round the alphabet; the minimum is for u so close to 1 that the product rounds up.
    step = 1 + torch.minimum((u * (counts - 1)).long(), counts - 2)
    return (designs + step) % counts


def mutate_mixed(space: Mixed, designs: Tensor, rate: float, size: float, generator: Generator) -> Tensor:
    """Each number, option and letter of designs (n, D) changes with probability `rate`.

    Options and letters become any other one; numbers move by normal noise, with deviation `size` as a share of their range.
    """
    drawn = torch.rand(2, *designs.shape, generator=generator, device=designs.device)
    normal = torch.randn(designs.shape, generator=generator, device=designs.device) * size
    x, (hit, u), move = (array_on_host(t, "mixed spaces work in NumPy", often=True) for t in (designs, drawn, normal))
    return torch.as_tensor(space.mutate(x, hit < rate, u, move), device=designs.device)


def cross(a: Tensor, b: Tensor, generator: Generator) -> Tensor:
    """Uniform crossover: each letter from parent a or parent b (n, L), with equal chance."""
    return torch.where(torch.rand(a.shape, generator=generator, device=a.device) < 0.5, a, b)


def pairs(designs: Tensor, count: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """`count` pairs of parents (count, L) each, drawn with replacement from designs (n, L)."""
    drawn = torch.randint(len(designs), (2, count), generator=generator, device=designs.device)
    return designs[drawn[0]], designs[drawn[1]]


def spread(designs: Tensor, generator: Generator) -> int:
    """Median number of positions in which two of designs (N, L) differ, at least 1; from N random pairs."""
    others = designs[torch.randperm(len(designs), generator=generator, device=designs.device)]
    return max(1, on_host((designs != others).sum(1).median(), "the number of rounds, once"))


def best_distinct(designs: Tensor, values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` best different designs (m, L) with their values (m,), best first; fewer where there are not enough.

    Where a design comes more than once, its best value counts. Equal values are kept in the order of the letters, so that the
    result does not depend on the order of the designs.
    """
    different, inverse = torch.unique(designs, dim=0, return_inverse=True)
    best = values.new_full((len(different),), -torch.inf).scatter_reduce_(0, inverse, values, "amax")
    order = torch.argsort(best, descending=True, stable=True)[:count]
    return different[order], best[order]


@dataclass(frozen=True)
class GreedySearch:
    """Search for the best different designs: all single mutants of the best so far, and crossovers of them.

    Args:
        keep: designs that are kept from round to round, and returned.
        crossovers: children of a round that have two parents.
        rounds: most rounds; the search ends sooner once a round's best designs are those of the round before.
    """

    keep: int
    crossovers: int
    rounds: int

    def run(
        self,
        start: Tensor,
        value: Callable[[Tensor], Tensor],
        mutants: Callable[[Tensor], Tensor],
        generator: Generator,
        on_round: Callable[[int, Tensor], None] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The best designs found (m, L) and their values (m,), best first, m <= keep.

        Args:
            start: first designs (n, L).
            value: designs (n, L) to values (n,); larger is better.
            mutants: designs (n, L) to the values (n, L, C) of their single mutants, -inf where that is none.
            on_round: called with (rounds done, best designs) after each round.
        """
        kept, values = best_distinct(start, value(start), self.keep)
        for number in range(1, self.rounds + 1):
            children = cross(*pairs(kept, self.crossovers, generator), generator)
            changed, gained = best_mutants(kept, mutants(kept), SHARED * self.keep)
            designs = torch.cat([kept, changed, children])
            before, (kept, values) = kept, best_distinct(designs, torch.cat([values, gained, value(children)]), self.keep)
            if on_round:
                on_round(number, kept)
            if torch.equal(before, kept):
                break
        return kept, values


def best_mutants(designs: Tensor, table: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` best single mutants (m, L) of designs (n, L) and their values (m,), given the values (n, L, C) of all.

    A design can be another's mutant, so they need not be different.
    """
    length, letters = table.shape[1:]
    values, number = table.flatten().topk(min(count, table.numel()))
    parent = torch.div(number, length * letters, rounding_mode="floor")
    place = torch.div(number, letters, rounding_mode="floor") % length
    real = values > -torch.inf
    return designs[parent].scatter(1, place[:, None], (number % letters)[:, None])[real], values[real]
