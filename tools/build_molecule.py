"""Build the pool of molecule-mpo and the visible table that the package ships: `python tools/build_molecule.py`.

40000 uniform words, of which most spell tiny molecules that score next to nothing, and the 20000 words that ten genetic algorithms
visit (100 words, twenty generations: parents are the best 50 of the last two generations, at first of the only one; a child takes the
tokens before a random place from one parent and the others from a second one, and each changes with probability 1 / 20), all from PCG64
seed 0. The pool is every word that scores more than 0.001, once, and one of forty of the others, drawn once. Writes its lowest 60 % to
tasks/data/molecule_mpo.npz and prints the facts that are frozen in tasks/molecule.py.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pool_parts import cut, path

from bbo import data
from bbo.tasks.molecule import FILE, LENGTH, TOKENS, MoleculeMPO

OUT = Path(__file__).parents[1] / "tasks" / "data"
UNIFORM, RUNS, GENERATIONS, POPULATION, VISIBLE = 40_000, 10, 20, 100, 60
NEXT_TO_NOTHING = 1e-3


def children(parents: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The next generation (POPULATION, LENGTH) from parents (n, LENGTH)."""
    first, second = parents[rng.integers(len(parents), size=(2, POPULATION))]
    child = np.where(np.arange(LENGTH) < rng.integers(1, LENGTH, size=(POPULATION, 1)), first, second)
    return np.where(rng.random(child.shape) < 1 / 20, rng.integers(len(TOKENS), size=child.shape), child)


def main() -> None:
    rng, task = np.random.Generator(np.random.PCG64(0)), MoleculeMPO()
    x = rng.integers(len(TOKENS), size=(UNIFORM, LENGTH))
    for _ in range(RUNS):
        first = rng.integers(len(TOKENS), size=(POPULATION, LENGTH))
        x = np.concatenate([x, path(task.oracle, first, children, GENERATIONS, rng)[0]])
    x = np.unique(x, axis=0)
    y = task.oracle(x).astype(np.float32)
    kept = (y > NEXT_TO_NOTHING) | (rng.random(len(y)) < 1 / 40)
    x, y = x[kept].astype(np.uint8), y[kept]
    visible = cut(task.spec.id, y, VISIBLE)
    print(f"next to nothing {(y <= NEXT_TO_NOTHING).sum()}, median of the visible {np.median(y[visible])!r}")
    written = data.store(FILE, {"x": x[visible], "y": y[visible]}, OUT)
    print(written, written.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
