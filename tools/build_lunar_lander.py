"""Score the uniform pool of the lunar lander: `python tools/build_lunar_lander.py`. Takes about four minutes.

Prints the facts that are frozen in tasks/lunar_lander.py.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bbo import data
from bbo.tasks.lunar_lander import FILE, PUBLISHED, LunarLander

OUT = Path(__file__).parents[1] / "tasks" / "data"


def main() -> None:
    task = LunarLander()
    print(f"y_max {task.simulate(np.array(PUBLISHED))!r}", flush=True)
    y = task.oracle(task.pool()).astype(np.float32)
    shown = y[y <= np.percentile(y, 50)]
    low, best, high = (repr(float(v)) for v in (y.min(), shown.max(), y.max()))
    print(f"visible {len(shown)}, best visible {best}, y_min {low}, pool max {high}")
    print(data.store(FILE, {"y": y}, OUT))


if __name__ == "__main__":
    main()
