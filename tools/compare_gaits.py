"""Compare the controllers that were tried for ant or dkitty: `python tools/compare_gaits.py ant|dkitty POOL.npz [POLICY.npz ...]`.

POOL.npz is the pool as tools/build_walkers.py leaves it. On 600 of its designs, four scores: the gait that is planned for the default
body for every body ("fixed") or one planned for each body ("planned"), and of the four trots the first, the best or the mean. With files
of tools/train_walker_policy.py also these policies, alone ("policy") or added to the planned gait ("trot + policy"), to the clocks of the
same four gaits. Writes rows of results/gaits.md and leaves what follows its table:

- step, forest, upward: as in tools/task_quality.py, on these designs.
- walks: share of the designs that come 10 cm forward.
- best: metres that the best design walks.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import task_quality
import train_walker_policy

from bbo import catalogue, data, files
from bbo.tasks.parts import walking
from bbo.tasks.walkers import Walker

OUT = Path(__file__).parents[1] / "results" / "gaits.md"
HEADER = """# Controllers tried for ant and dkitty

Made by `python tools/compare_gaits.py TASK POOL.npz [POLICY.npz ...]`, which says what the columns are.

"""
ROWS = 600
READINGS = {"first": lambda way: way[:, 0], "best": lambda way: way.max(1), "mean": lambda way: way.mean(1)}
LABELS = {"rest": "policy", "trot": "trot + policy"}


def metres(species: walking.Species, x: np.ndarray, planned: bool) -> np.ndarray:
    """How far each design (n, d) walks with each gait (n, gaits); 0 where the simulation broke down."""
    default = walking.Body(species, np.clip(species.design(np.array(species.default)), -1, 1)).reach()
    bodies = (walking.Body(species, design) for design in x)
    return np.nan_to_num(
        [walking.progress(body, body.walk(body.plan(body.reach() if planned else default))) for body in bodies], nan=0.0
    )


def controllers(species: walking.Species, policies: list[Path]) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """By name, functions from designs (n, d) to metres (n, gaits)."""
    found = {
        "fixed": lambda x: metres(species, x, False),
        "planned": lambda x: metres(species, x, True),
    }
    for path in policies:
        state = train_walker_policy.load(path, species)
        found[LABELS[state.over]] = lambda x, state=state: train_walker_policy.metres(species, state, x)
    return found


def main(name: str, pool: Path, policies: list[Path]) -> None:
    task, rng = catalogue.load_task(name), np.random.Generator(np.random.PCG64(0))
    assert isinstance(task, Walker)
    x = data.read_npz(pool)["x"]
    x = x[rng.choice(len(x), ROWS, replace=False)]
    # As a share of the range, which is 2.
    moved = np.clip(x + 2e-4 * rng.choice([-1.0, 1.0], x.shape), -1, 1).astype(np.float32)
    known, found = rng.random(ROWS) < 0.8, {}
    for controller, walk in controllers(task.species, policies).items():
        first, second = walk(x), walk(moved)
        for reading, of in READINGS.items():
            y = of(first)
            key = f"{name} {controller} {reading}"
            found[key] = {
                "controller": key,
                "step": task_quality.shares(np.abs(of(second) - y) / y.std(), rng),
                "forest": f"{task_quality.forest(x, y, known):.2f}",
                "upward": f"{task_quality.forest(x, y, y <= np.percentile(y, 60)):.2f}",
                "walks": f"{(y > 0.1).mean():.0%}",
                "best": f"{y.max():.2f}",
            }
            print(*found[key].values(), sep=" | ", flush=True)
    # Read only now: the other task's rows may have been written meanwhile.
    head, rows = list(found[key]), task_quality.read(OUT) | found
    table = "".join(f"| {' | '.join(rows[key].get(column, '-') for column in head)} |\n" for key in sorted(rows))
    files.write(OUT, f"{HEADER}| {' | '.join(head)} |\n{'|---' * len(head)}|\n{table}{notes(OUT)}")


def notes(path: Path) -> str:
    """What follows the table of a page."""
    lines = path.read_text().splitlines(keepends=True) if path.is_file() else []
    rows = [number for number, line in enumerate(lines) if line.startswith("|")]
    return "".join(lines[rows[-1] + 1 :]) if rows else ""


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), [Path(path) for path in sys.argv[3:]])
