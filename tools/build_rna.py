"""Build the pool of rna-ab-50 and the visible table that the package ships: `python tools/build_rna.py`. Takes about four minutes.

10000 uniform sequences and 10000 that ten genetic algorithms visit (100 sequences, ten generations: parents are the best 50 of the
last two generations, at first of the only one; each letter comes from either parent and changes with probability 1 / 50), all from
PCG64 seed 0. Writes the lower half to tasks/data/rna_ab_50.npz and prints the facts that are frozen in tasks/rna.py.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bbo import data
from bbo.tasks.rna import LONG, LONG_FILE, RNAAB50

OUT = Path(__file__).parents[1] / "tasks" / "data"
UNIFORM, RUNS, GENERATIONS, POPULATION = 10_000, 10, 10, 100


def children(parents: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The next generation (POPULATION, LONG) from parents (n, LONG)."""
    mother, father = parents[rng.integers(len(parents), size=(2, POPULATION))]
    child = np.where(rng.random(mother.shape) < 0.5, mother, father)
    return np.where(rng.random(child.shape) < 1 / LONG, rng.integers(4, size=child.shape), child)


def path(task: RNAAB50, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """All sequences (1000, LONG) that one run visits, and their scores."""
    xs = [rng.integers(4, size=(POPULATION, LONG))]
    ys = [task.oracle(xs[0])]
    for _ in range(GENERATIONS - 1):
        x, y = np.concatenate(xs[-2:]), np.concatenate(ys[-2:])
        xs.append(children(x[np.argsort(-y, kind="stable")[: POPULATION // 2]], rng))
        ys.append(task.oracle(xs[-1]))
    return np.concatenate(xs), np.concatenate(ys)


def main() -> None:
    rng, task = np.random.Generator(np.random.PCG64(0)), RNAAB50()
    x = rng.integers(4, size=(UNIFORM, LONG))
    paths = [path(task, rng) for _ in range(RUNS)]
    y = np.concatenate([task.oracle(x), *(scores for _, scores in paths)]).astype(np.float32)
    x = np.concatenate([x, *(visited for visited, _ in paths)]).astype(np.uint8)
    visible = y <= np.percentile(y, 50)
    low, best, high = (repr(float(v)) for v in (y.min(), y[visible].max(), y.max()))
    print(f"visible {visible.sum()}, best visible {best}, y_min {low}, y_max {high}, best uniform {y[:UNIFORM].max()!r}")
    written = data.store(LONG_FILE, {"x": x[visible], "y": y[visible]}, OUT)
    print(written, written.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
