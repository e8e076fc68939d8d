"""Build the frozen pool of the thin-film task and the visible table that the package ships.

    python tools/build_thin_film.py

10000 uniform designs and 10000 designs visited by CMA-ES (10 restarts of 1000 evaluations each, start uniform in the box,
sigma 0.3, bounds [-1, 1]), all from PCG64 seed 0. Writes the visible rows (lowest 60 %) to tasks/data/thin_film.npz and prints the
constants that are frozen in tasks/thin_film.py, and whether the pool is the one that was shipped. CMA-ES rests on an
eigendecomposition, so another machine may make another pool: the shipped file is the task, this script says where it came from.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import cma
import numpy as np

from bbo import data
from bbo.tasks.thin_film import FILE, LAYERS, filter_score

OUT = Path(__file__).parents[1] / "tasks" / "data"
#: sha256 of the pool that was shipped: its float32 arrays x (20000, 60) and y (20000,), C order, little endian.
POOL = {
    "x": "4c637b2698d38716922cb4154044e38924a73f4a41b97207a06858374ad4ac26",
    "y": "fd194eced55e032d696d0e5d805c541239534ab09036e96562a15da01631da0c",
}
UNIFORM, RESTARTS, EVALUATIONS, SIGMA, VISIBLE = 10_000, 10, 1_000, 0.3, 60


def cma_path(rng: np.random.Generator) -> np.ndarray:
    """The first EVALUATIONS designs that one CMA-ES run evaluates, (EVALUATIONS, 60) float32."""
    options = {"bounds": [-1.0, 1.0], "seed": np.nan, "randn": lambda *shape: rng.standard_normal(shape), "verbose": -9}
    search = cma.CMAEvolutionStrategy(rng.uniform(-1.0, 1.0, LAYERS), SIGMA, options)
    visited: list[np.ndarray] = []
    while len(visited) < EVALUATIONS:
        population = search.ask()
        designs = np.clip(np.array(population), -1.0, 1.0).astype(np.float32)
        search.tell(population, list(-filter_score(designs)))
        visited.extend(designs)
    return np.array(visited[:EVALUATIONS])


def main() -> None:
    rng = np.random.Generator(np.random.PCG64(0))
    x = np.concatenate([rng.uniform(-1.0, 1.0, (UNIFORM, LAYERS)).astype(np.float32), *(cma_path(rng) for _ in range(RESTARTS))])
    y = filter_score(x).astype(np.float32)
    visible = y <= np.percentile(y, VISIBLE)
    path = data.store(FILE, {"x": x[visible], "y": y[visible]}, OUT)
    for name, array in (("x", x), ("y", y)):
        digest = hashlib.sha256(array.tobytes()).hexdigest()
        print(f"pool {name} {digest}, {'as shipped' if digest == POOL[name] else 'not the shipped one'}")
    print(f"pool {x.shape}, y {y.min()!r} to {y.max()!r}; halves: best {y[:UNIFORM].max()!r} and {y[UNIFORM:].max()!r}")
    print(f"visible {visible.sum()} rows, best {y[visible].max()!r}, of these uniform {visible[:UNIFORM].sum()}")
    print(path, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
