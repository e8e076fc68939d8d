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


def path(task: MoleculeMPO, rng: np.random.Generator) -> np.ndarray:
    """All words (2000, LENGTH) that one run visits."""
    xs = [rng.integers(len(TOKENS), size=(POPULATION, LENGTH))]
    ys = [task.oracle(xs[0])]
    for _ in range(GENERATIONS - 1):
        x, y = np.concatenate(xs[-2:]), np.concatenate(ys[-2:])
        xs.append(children(x[np.argsort(-y, kind="stable")[: POPULATION // 2]], rng))
        ys.append(task.oracle(xs[-1]))
    return np.concatenate(xs)


def main() -> None:
    rng, task = np.random.Generator(np.random.PCG64(0)), MoleculeMPO()
    x = rng.integers(len(TOKENS), size=(UNIFORM, LENGTH))
    x = np.unique(np.concatenate([x, *(path(task, rng) for _ in range(RUNS))]), axis=0)
    y = task.oracle(x).astype(np.float32)
    kept = (y > NEXT_TO_NOTHING) | (rng.random(len(y)) < 1 / 40)
    x, y = x[kept].astype(np.uint8), y[kept]
    visible = y <= np.percentile(y, VISIBLE)
    print(f"pool {len(y)}, of which next to nothing {(y <= NEXT_TO_NOTHING).sum()}, best {y.max()!r}")
    print(f"visible {visible.sum()}, best visible {float(y[visible].max())!r}, median {np.median(y[visible])!r}")
    written = data.store(FILE, {"x": x[visible], "y": y[visible]}, OUT)
    print(written, written.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
