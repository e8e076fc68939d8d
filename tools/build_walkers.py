"""Build the pool of ant or dkitty and the visible table that the package ships.

    python tools/build_walkers.py ant|dkitty FOLDER [--restarts 0-24]

As in Design-Bench (Trabucco et al. 2022), the pool is what restarts of CMA-ES saw on their way: each starts at the default
body plus normal noise, with a small step size, in designs scaled to [-1, 1]. Restart k draws from seed k. FOLDER keeps one file a
restart, so an interrupted command goes on where it stopped, and several commands may share the restarts. The command that finds all
25 there writes FOLDER/pool.npz (for tools/task_quality.py), the lowest 40 % into tasks/data, and prints the facts that are frozen
in tasks/walkers.py. Designs are rounded to float32 and scored as rounded.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cma
import numpy as np

from bbo import catalogue, data
from bbo.tasks.walkers import Walker

OUT = Path(__file__).parents[1] / "tasks" / "data"
RESTARTS, GENERATIONS, POPULATION = 25, 10, 20
#: Of the start around the default body, and of CMA-ES.
NOISE, SIGMA = 0.075, 0.02
VISIBLE = 40


def restart(task: Walker, seed: int) -> dict[str, np.ndarray]:
    """Designs x (n, d), float32, and their scores y (n,), float64, of one run of CMA-ES, in the order in which it saw them."""
    rng = np.random.Generator(np.random.PCG64(seed))
    default = np.clip(task.species.design(np.array(task.species.default)), -1, 1)
    start = np.clip(default + NOISE * rng.standard_normal(len(default)), -1, 1)
    options = {
        "bounds": [-1.0, 1.0], "popsize": POPULATION, "seed": np.nan, "randn": lambda *shape: rng.standard_normal(shape), "verbose": -9
    }  # fmt: skip
    search, xs, ys = cma.CMAEvolutionStrategy(start, SIGMA, options), [], []
    for _ in range(GENERATIONS):
        asked = search.ask()
        x = np.clip(asked, -1, 1).astype(np.float32)
        y = task.oracle(x)
        # Designs on which the simulation breaks down are not part of the pool; to CMA-ES they are as good as standing still.
        search.tell(asked, list(-np.nan_to_num(y, nan=0.0)))
        xs.append(x[np.isfinite(y)])
        ys.append(y[np.isfinite(y)])
    return {"x": np.concatenate(xs), "y": np.concatenate(ys)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=("ant", "dkitty"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--restarts", default=f"0-{RESTARTS - 1}", help="first and last")
    options = parser.parse_args()
    first, last = map(int, options.restarts.split("-"))
    task = catalogue.load_task(options.task)
    assert isinstance(task, Walker)
    files = [options.folder / f"{options.task}-{seed}.npz" for seed in range(RESTARTS)]
    for seed in range(first, last + 1):
        if not files[seed].is_file():
            start, arrays = time.process_time(), restart(task, seed)
            y = arrays["y"]
            print(
                f"restart {seed}: {time.process_time() - start:.0f} s, from {y[:20].mean():.3f} to {y[-20:].mean():.3f}", flush=True
            )
            data.store(files[seed].name, arrays, options.folder)
    if missing := [file.name for file in files if not file.is_file()]:
        print(f"not yet there: {', '.join(missing)}")
        return
    parts = [data.read_npz(file) for file in files]
    x, y = np.concatenate([part["x"] for part in parts]), np.concatenate([part["y"] for part in parts]).astype(np.float32)
    visible = y <= np.percentile(y, VISIBLE)
    low, best, high = (repr(float(v)) for v in (y.min(), y[visible].max(), y.max()))
    print(f"pool {len(y)}; visible {visible.sum()}, best visible {best}, y_min {low}, y_max {high}")
    data.store("pool.npz", {"x": x, "y": y}, options.folder / options.task)
    written = data.store(task.file, {"x": x[visible], "y": y[visible]}, OUT)
    print(written, written.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
