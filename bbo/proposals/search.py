"""From a model and rules to designs: an evolutionary search that obeys the rules, and the choice of a batch whose members differ."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bbo.proposals.constraints import Rules
from bbo.space import Mixed

#: Generations of the search, children in each, and how far their numbers move: deviations, as shares of the range.
GENERATIONS = 24
CHILDREN = 600
MOVES = (0.2, 0.1, 0.05, 0.02)
#: The nearest that two proposals may be at first, as a share of the median distance from a row to its nearest; then it is halved.
NEAR = 0.25
HALVINGS = 5

#: Known designs whose distances are computed at once.
BLOCK = 1024

Value = Callable[[np.ndarray], np.ndarray]


def spacing(space: Mixed, x: np.ndarray, generator: np.random.Generator, most: int = 1000) -> tuple[float, float]:
    """Median and largest distance from a row of x (N, D) to its nearest other row; over at most `most` random rows."""
    some = x if len(x) <= most else x[generator.choice(len(x), most, replace=False)]
    distances = space.distances(some, x)
    distances[distances == 0] = np.inf  # the row itself
    nearest = distances.min(axis=1)
    nearest = nearest[np.isfinite(nearest)]
    return (float(np.median(nearest)), float(nearest.max())) if len(nearest) else (1.0, 1.0)


def gaps(space: Mixed, x: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Distance (n,) from each design of x (n, D) to the nearest known one (m, D); infinite where none is known."""
    nearest = np.full(len(x), np.inf)
    for start in range(0, len(known), BLOCK):
        nearest = np.minimum(nearest, space.distances(x, known[start : start + BLOCK]).min(axis=1))
    return nearest


def choose(space: Mixed, x: np.ndarray, value: np.ndarray, gap: np.ndarray, budget: int, apart: float) -> np.ndarray:
    """Places (k,), k <= budget, of the best designs of x (n, D) that keep a distance from each other and from what is known.

    Greedy: best value (n,) first; a design is taken if every design taken so far is at least `apart` away and not the same, and so is
    what is known, by each design's `gap` (n,) to it.
    """
    order = np.argsort(-value, kind="stable")
    if not len(order):
        return order
    nearest = gap.copy()
    taken: list[int] = []
    for place in order:
        if nearest[place] >= apart and nearest[place] > 0:
            taken.append(int(place))
            if len(taken) == budget:
                break
            nearest = np.minimum(nearest, space.distances(x, x[place : place + 1])[:, 0])
    return np.array(taken, np.int64)


def widen(
    space: Mixed,
    x: np.ndarray,
    rules: Rules,
    value: Value,
    known: np.ndarray,
    budget: int,
    apart: float,
    generator: np.random.Generator,
) -> np.ndarray:
    """Designs (m, D) that obey the rules, found around some starts (n, D): the best by `value` that keep their distance.

    Each generation crosses and mutates the designs chosen so far, repairs the children and drops those that break a rule.
    """
    pool = _fresh(x, rules)
    if not len(pool):
        pool = _fresh(space.from_unit(generator.random((4 * CHILDREN, *space.shape))), rules)
    values, gap = value(pool), gaps(space, pool, known)
    for generation in range(GENERATIONS):
        if not len(pool):
            break
        best = choose(space, pool, values, gap, budget, apart)
        # Parents may lie too near to a known design to be taken themselves.
        kept = np.union1d(best, np.argsort(-values, kind="stable")[:budget])
        parents = pool[kept]
        one, other = parents[generator.integers(len(parents), size=(2, CHILDREN))]
        children = np.where(generator.random(one.shape) < 0.3, other, one)
        hit = generator.random(one.shape) < 1.5 / one.shape[1]
        size = MOVES[generation * len(MOVES) // GENERATIONS]
        children = space.mutate(children, hit, generator.random(one.shape), generator.normal(0, size, one.shape))
        children = _fresh(children, rules)
        pool = np.concatenate([parents, children])
        pool, first = np.unique(pool, axis=0, return_index=True)
        values = np.concatenate([values[kept], value(children)])[first]
        gap = np.concatenate([gap[kept], gaps(space, children, known)])[first]
    return pool


def _fresh(x: np.ndarray, rules: Rules) -> np.ndarray:
    """Different designs that obey the rules, after repair and rounding."""
    x = np.unique(rules.tidy(rules.repaired(x)), axis=0)
    return x[rules.obeyed(x)]
