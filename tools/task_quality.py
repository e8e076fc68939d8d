"""Measure whether a task on numbers is fit for a headline: `python tools/task_quality.py TASK POOL.npz`.

POOL.npz holds the whole pool, x (N, d) and y (N,), as the task's build script leaves it. Writes a row of results/task_quality.md:

- step: median change of the score when every number of a design moves by 1e-4 of its range up or down, as a share of the pool's spread
  (its standard deviation), over 1,024 designs of the pool (all, if there are fewer), and its 95 % interval by the bootstrap over these
  designs. A design on which the simulation breaks down has the task's minimum. Wanted: below 1 %.
- forest: Spearman's rank correlation of a random forest, trained on 80 % of the pool, on the others. Wanted: at least 0.8.
- upward: the same, trained on the lowest 60 %, on the upper 40 %. Wanted: above 0.3.
- headroom: how far CMA-ES, started at the best visible design, comes above it in 2000 evaluations of the true function, as a share of the
  visible range. Wanted: at least 25 %.
- seconds: to score 128 designs of the pool in this process. Wanted: below 10.

A task that misses one of the first four is a stress test, not a headline. Of processor time, step takes 27 seconds on ant and
46 on dkitty.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import cma
import numpy as np
from scipy.stats import spearmanr
from sklearn.ensemble import RandomForestRegressor

from bbo import catalogue, data, files
from bbo.task import Task

OUT = Path(__file__).parents[1] / "results" / "task_quality.md"
HEADER = """# Are the robots' tasks fit for a headline?

Made by `python tools/task_quality.py TASK POOL.npz`, which says what the columns are. Wanted: step (with its 95 % interval) below 1 %,
forest at least 0.8, upward above 0.3, headroom at least 25 %, seconds below 10. A task that misses one of the first four is a stress test.

"""
EVALUATIONS, SIGMA = 2000, 0.02
STEPS, SAMPLES = 1024, 2000


def step(task: Task, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> str:
    """How far a small step moves the scores y (N,) of designs x (N, d), in words: `1.02% [0.95, 1.10]`."""
    rows = rng.choice(len(x), min(STEPS, len(x)), replace=False)
    low, high = (np.array(getattr(task.spec.space, end)) for end in ("low", "high"))
    moved = x[rows] + 1e-4 * (high - low) * rng.choice([-1.0, 1.0], x[rows].shape)
    before, after = (
        np.nan_to_num(task.oracle(designs), nan=task.spec.y_min)
        for designs in (x[rows], np.clip(moved, low, high).astype(np.float32))
    )
    return shares(np.abs(after - before) / y.std(), rng)


def shares(changes: np.ndarray, rng: np.random.Generator) -> str:
    """The median of the changes (n,), shares of a spread, and its 95 % interval by 2,000 bootstrap samples; in percent."""
    samples = np.median(changes[rng.integers(len(changes), size=(SAMPLES, len(changes)))], axis=1)
    low, high = np.percentile(samples, [2.5, 97.5])
    return f"{np.median(changes):.2%} [{100 * low:.2f}, {100 * high:.2f}]"


def forest(x: np.ndarray, y: np.ndarray, known: np.ndarray) -> float:
    """Spearman's correlation on the rows that are not `known` (N,)."""
    model = RandomForestRegressor(100, max_features=1 / 3, random_state=0).fit(x[known], y[known])
    return float(spearmanr(model.predict(x[~known]), y[~known]).statistic)


def headroom(task: Task, rng: np.random.Generator) -> float:
    """What CMA-ES gains over the best visible design, as a share of the visible range."""
    table, space = task.visible(), task.spec.space
    low, high = (np.array(getattr(space, end)) for end in ("low", "high"))
    options = {"bounds": [0.0, 1.0], "seed": np.nan, "randn": lambda *shape: rng.standard_normal(shape), "verbose": -9}
    search = cma.CMAEvolutionStrategy((table.x[table.y.argmax()] - low) / (high - low), SIGMA, options)
    best, spent = -np.inf, 0
    while spent < EVALUATIONS:
        population = search.ask()
        scores = task.oracle(space.check((low + np.clip(population, 0, 1) * (high - low)).astype(np.float32)))
        search.tell(population, list(-scores))
        best, spent = max(best, float(scores.max())), spent + len(population)
    return (best - float(table.y.max())) / float(np.ptp(table.y))


def main(name: str, pool: Path) -> None:
    task, rng = catalogue.load_task(name), np.random.Generator(np.random.PCG64(0))
    arrays = data.read_npz(pool)
    x, y = arrays["x"].astype(np.float32), arrays["y"]
    start = time.process_time()
    task.oracle(x[rng.choice(len(x), 128, replace=False)])
    seconds = time.process_time() - start
    random_rows, lowest = rng.random(len(x)) < 0.8, y <= np.percentile(y, 60)
    found = {
        "task": name,
        "step": step(task, x, y, rng),
        "forest": f"{forest(x, y, random_rows):.2f}",
        "upward": f"{forest(x, y, lowest):.2f}",
        "headroom": f"{headroom(task, rng):.0%}",
        "seconds": f"{seconds:.1f}",
    }
    print(found)
    rows = read() | {name: found}
    table = "".join(f"| {' | '.join(rows[key].values())} |\n" for key in sorted(rows))
    files.write(OUT, f"{HEADER}| {' | '.join(found)} |\n{'|---' * len(found)}|\n{table}")


def read(path: Path = OUT) -> dict[str, dict[str, str]]:
    """The rows of the table, by task; empty if there is no table yet."""
    text = path.read_text().splitlines() if path.is_file() else []
    lines = [[cell.strip() for cell in line.strip("| ").split("|")] for line in text if line.startswith("| ")]
    return {cells[0]: dict(zip(lines[0], cells, strict=True)) for cells in lines[1:]}


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
