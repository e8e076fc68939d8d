"""Build the pool of rna-ab-50 and the visible table that the package ships: `python tools/build_rna.py`. Takes about four minutes.

10000 uniform sequences and 10000 that ten genetic algorithms visit (100 sequences, ten generations: parents are the best 50 of the
last two generations, at first of the only one; each letter comes from either parent and changes with probability 1 / 50), all from
PCG64 seed 0. Writes the lower half to tasks/data/rna_ab_50.npz and prints the facts that are frozen in tasks/rna.py.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pool_parts import cut, path

from bbo import data
from bbo.tasks.rna import LONG, LONG_FILE, RNAAB50

OUT = Path(__file__).parents[1] / "tasks" / "data"
UNIFORM, RUNS, GENERATIONS, POPULATION = 10_000, 10, 10, 100


def children(parents: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The next generation (POPULATION, LONG) from parents (n, LONG)."""
    mother, father = parents[rng.integers(len(parents), size=(2, POPULATION))]
    child = np.where(rng.random(mother.shape) < 0.5, mother, father)
    return np.where(rng.random(child.shape) < 1 / LONG, rng.integers(4, size=child.shape), child)


def main() -> None:
    rng, task = np.random.Generator(np.random.PCG64(0)), RNAAB50()
    x = rng.integers(4, size=(UNIFORM, LONG))
    firsts = (rng.integers(4, size=(POPULATION, LONG)) for _ in range(RUNS))  # each drawn when its path begins
    paths = [path(task.oracle, first, children, GENERATIONS, rng) for first in firsts]
    y = np.concatenate([task.oracle(x), *(scores for _, scores in paths)]).astype(np.float32)
    x = np.concatenate([x, *(visited for visited, _ in paths)]).astype(np.uint8)
    visible = cut(task.spec.id, y)
    print(f"best uniform {y[:UNIFORM].max()!r}")
    written = data.store(LONG_FILE, {"x": x[visible], "y": y[visible]}, OUT)
    print(written, written.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
