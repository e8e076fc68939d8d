"""Compare the controllers that were tried for ant or dkitty: `python tools/compare_gaits.py ant|dkitty POOL.npz`.

POOL.npz is the pool as tools/build_walkers.py leaves it. On 600 of its designs, four scores: the gait that is planned for the default
body for every body ("fixed") or one planned for each body ("planned"), and of the four trots the first, the best or the mean. Writes
rows of results/gaits.md:

- step, forest: as in tools/task_quality.py, on these designs; step on 64 of them.
- walks: share of the designs that come 10 cm forward.
- best: metres that the best design walks.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import task_quality

from bbo import catalogue, data, files
from bbo.tasks.parts import walking
from bbo.tasks.walkers import Walker

OUT = Path(__file__).parents[1] / "results" / "gaits.md"
HEADER = """# Controllers tried for ant and dkitty

Made by `python tools/compare_gaits.py TASK POOL.npz`, which says what the columns are.

"""
ROWS, STEPS = 600, 64
READINGS = {"first": lambda way: way[:, 0], "best": lambda way: way.max(1), "mean": lambda way: way.mean(1)}


def metres(species: walking.Species, x: np.ndarray, planned: bool) -> np.ndarray:
    """How far each design (n, d) walks with each gait (n, gaits); 0 where the simulation broke down."""
    default = walking.Body(species, np.clip(species.design(np.array(species.default)), -1, 1)).reach()
    bodies = (walking.Body(species, design) for design in x)
    return np.nan_to_num(
        [walking.progress(body, body.walk(body.plan(body.reach() if planned else default))) for body in bodies], nan=0.0
    )


def main(name: str, pool: Path) -> None:
    task, rng = catalogue.load_task(name), np.random.Generator(np.random.PCG64(0))
    assert isinstance(task, Walker)
    x = data.read_npz(pool)["x"]
    x = x[rng.choice(len(x), ROWS, replace=False)]
    # As a share of the range, which is 2.
    moved = np.clip(x[:STEPS] + 2e-4 * rng.choice([-1.0, 1.0], x[:STEPS].shape), -1, 1).astype(np.float32)
    known, rows = rng.random(ROWS) < 0.8, task_quality.read(OUT)
    for planned in (False, True):
        first, second = metres(task.species, x, planned), metres(task.species, moved, planned)
        for reading, of in READINGS.items():
            y = of(first)
            key = f"{name} {'planned' if planned else 'fixed'} {reading}"
            rows[key] = {
                "controller": key,
                "step": f"{np.median(np.abs(of(second) - y[:STEPS])) / y.std():.2%}",
                "forest": f"{task_quality.forest(x, y, known):.2f}",
                "walks": f"{(y > 0.1).mean():.0%}",
                "best": f"{y.max():.2f}",
            }
            print(*rows[key].values(), sep=" | ", flush=True)
    head = next(iter(rows.values()))
    table = "".join(f"| {' | '.join(rows[key].values())} |\n" for key in sorted(rows))
    files.write(OUT, f"{HEADER}| {' | '.join(head)} |\n{'|---' * len(head)}|\n{table}")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
