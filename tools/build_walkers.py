"""Build the pool of ant or dkitty and the visible table that the package ships.

    python tools/build_walkers.py ant|dkitty FOLDER [--parts 0-19]

As in Design-Bench (Trabucco et al. 2022), the pool is what restarts of CMA-ES saw on their way, in designs scaled to [-1, 1]. Restart k
draws from seed k.

- ant: 125 runs that all start at about the same distance from the default body, with a small step size, as there. Each ends in a basin of
  its own, and what is learnt in one says nothing of the others.
- dkitty: 1250 short runs, each of which starts at a distance of its own from the default body, drawn so that all magnitudes are as
  frequent. So the pool holds bodies from useless to good, and their scores have one trend. All start to one side of the default body,
  since otherwise the mean of the visible designs would be that body.

FOLDER keeps one file a part, so an interrupted command goes on where it stopped, and several commands may share the parts. The command
that finds all of them there writes FOLDER/TASK/pool.npz (for tools/task_quality.py), the lowest 40 % into tasks/data, and prints the
facts that are frozen in tasks/walkers.py, and whether the pool is the one that was shipped. Designs are rounded to float32 and scored as
rounded. CMA-ES and MuJoCo round differently on other processors, so another machine may make another pool: the shipped file is the task,
this script says where it came from.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from dataclasses import dataclass
from pathlib import Path

import cma
import numpy as np

from bbo import catalogue, data
from bbo.tasks.parts.walking import Species
from bbo.tasks.walkers import Walker

OUT = Path(__file__).parents[1] / "tasks" / "data"
VISIBLE = 40
#: sha256 of the pools whose visible rows were shipped: their float32 arrays x (rows, d) and y (rows,), C order, little endian.
POOLS = {
    "ant": {
        "x": "5e682dd1a058c6cc56d0de97a4c7771adfe8bd210c34b4067d74d0cb4f07be62",
        "y": "fbef1964ac7c28230f13bd28abac6548055f55411301c43e133671b1eff5b5f5",
    },
    "dkitty": {
        "x": "11cc078faffdadfdffdc89767dc99d0bb7b1555e7530ab103acc68f37abbfcff",
        "y": "3c121d6c19dd7098fc8e41e685ef035f0f48db5608f42e628da5399b81cf3871",
    },
}
#: The seed of the direction to which starts are shifted.
AWAY = 12345


@dataclass(frozen=True)
class Recipe:
    """How a pool is made.

    Args:
        parts, restarts: how many parts, and runs of CMA-ES in each.
        generations, population: of each run.
        near, far: the smallest and the largest distance of a start from the default body, as a standard deviation.
        sigma: first step size of CMA-ES, as a share of the start's distance.
        shift: how far starts are shifted to one side, as a share of their distance.
    """

    parts: int
    restarts: int
    generations: int
    population: int
    near: float
    far: float
    sigma: float
    shift: float


RECIPES = {
    "ant": Recipe(125, 1, 10, 20, 0.075, 0.075, 0.02 / 0.075, 0.0),
    "dkitty": Recipe(50, 25, 2, 10, 0.01, 0.4, 0.7, 1.0),
}


def start(species: Species, recipe: Recipe, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Where a run of CMA-ES starts (d,), and at which distance from the default body that was drawn, as a standard deviation."""
    default = np.clip(species.design(np.array(species.default)), -1, 1)
    away = recipe.shift * np.random.Generator(np.random.PCG64(AWAY)).standard_normal(len(default))
    distance = recipe.near if recipe.near == recipe.far else recipe.near * (recipe.far / recipe.near) ** rng.random()
    return np.clip(default + distance * (away + rng.standard_normal(len(default))), -1, 1), distance


def restart(task: Walker, recipe: Recipe, seed: int) -> dict[str, np.ndarray]:
    """Designs x (n, d), float32, and their scores y (n,), float64, of one run of CMA-ES, in the order in which it saw them."""
    rng = np.random.Generator(np.random.PCG64(seed))
    first, distance = start(task.species, recipe, rng)
    options = {
        "bounds": [-1.0, 1.0],
        "popsize": recipe.population,
        "seed": np.nan,
        "randn": lambda *shape: rng.standard_normal(shape),
        "verbose": -9,
    }
    search, xs, ys = cma.CMAEvolutionStrategy(first, recipe.sigma * distance, options), [], []
    for _ in range(recipe.generations):
        asked = search.ask()
        x = np.clip(asked, -1, 1).astype(np.float32)
        y = task.oracle(x)
        # Designs on which the simulation breaks down are not part of the pool; to CMA-ES they are as good as standing still.
        search.tell(asked, list(-np.nan_to_num(y, nan=0.0)))
        xs.append(x[np.isfinite(y)])
        ys.append(y[np.isfinite(y)])
    return {"x": np.concatenate(xs), "y": np.concatenate(ys)}


def compared(name: str, pool: dict[str, np.ndarray]) -> list[str]:
    """What to print of the arrays x and y of a pool: the sha256 of each, and whether it is that of the shipped pool."""
    digests = {key: hashlib.sha256(np.ascontiguousarray(pool[key], np.float32).tobytes()).hexdigest() for key in ("x", "y")}
    return [
        f"pool {key} {digest}, {'as shipped' if digest == POOLS[name][key] else 'not the shipped one'}"
        for key, digest in digests.items()
    ]


def joined(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """All rows, in order."""
    return {key: np.concatenate([part[key] for part in parts]) for key in ("x", "y")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=tuple(RECIPES))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--parts", help="first and last, such as 0-9; all without it")
    options = parser.parse_args()
    task, recipe = catalogue.load_task(options.task), RECIPES[options.task]
    assert isinstance(task, Walker)
    first, last = map(int, (options.parts or f"0-{recipe.parts - 1}").split("-"))
    files = [options.folder / f"{options.task}-{part}.npz" for part in range(recipe.parts)]
    for part in range(first, last + 1):
        if not files[part].is_file():
            began, seeds = time.process_time(), range(part * recipe.restarts, (part + 1) * recipe.restarts)
            arrays = joined([restart(task, recipe, seed) for seed in seeds])
            data.store(files[part].name, arrays, options.folder)
            quartiles = np.percentile(arrays["y"], [0, 25, 50, 75, 100]).round(3)
            print(f"part {part}: {time.process_time() - began:.0f} s, quartiles of the scores {quartiles}", flush=True)
    if missing := [file.name for file in files if not file.is_file()]:
        print(f"not yet there: {', '.join(missing)}")
        return
    whole = joined([data.read_npz(file) for file in files])
    x, y = whole["x"], whole["y"].astype(np.float32)
    visible = y <= np.percentile(y, VISIBLE)
    low, best, high = (repr(float(v)) for v in (y.min(), y[visible].max(), y.max()))
    print(*compared(options.task, {"x": x, "y": y}), sep="\n")
    print(f"pool {len(y)}; visible {visible.sum()}, best visible {best}, y_min {low}, y_max {high}")
    data.store("pool.npz", {"x": x, "y": y}, options.folder / options.task)
    written = data.store(task.file, {"x": x[visible], "y": y[visible]}, OUT)
    print(written, written.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
