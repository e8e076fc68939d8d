"""Store 16 designs and their scores for every available task: `BBO_DATA_DIR=DIR python tools/build_checksums.py [TASK]...`.

Eight visible designs, spread over the table, and eight uniform ones. Writes tests/tasks/checksums.json; tasks that are not
available, or not named, keep what is stored. A changed score means a changed task: raise its version.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from bbo import catalogue, data
from bbo.task import Task

OUT = Path(__file__).parents[1] / "tests" / "tasks" / "checksums.json"


def designs(task: Task) -> np.ndarray:
    """Sixteen designs (16, *shape)."""
    x = task.visible().x
    words = np.random.PCG64(16).random_raw(8 * int(np.prod(task.spec.space.shape)))
    unit = (words >> np.uint64(11)).reshape(8, *task.spec.space.shape) * 2.0**-53
    return np.concatenate([x[np.linspace(0, len(x) - 1, 8).astype(int)], task.spec.space.from_unit(unit)])


def main(names: list[str]) -> None:
    stored = json.loads(OUT.read_text()) if OUT.is_file() else {}
    for name in names or catalogue.task_ids():
        task = catalogue.load_task(name)
        if any(data.entry(file).build for file in task.spec.data):
            print(f"{name}: each user makes its table")
            continue
        if task.unavailable():
            print(f"{name}: {task.unavailable()}")
            continue
        x = designs(task)
        # Float32 numbers are written with the digits that give them back, no more.
        numbers = [[int(v) if x.dtype.kind == "i" else float(str(v)) for v in row] for row in x]
        stored[name] = {
            "version": task.spec.version,
            "table": task.visible().sha256(),
            "scores": task.score(x).tolist(),
            "designs": numbers,
        }
    lines = [f" {json.dumps(name)}: {json.dumps(stored[name])}" for name in sorted(stored)]
    OUT.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
