"""Score the uniform pool of the lunar lander: `python tools/build_lunar_lander.py`. Takes about four minutes.

Prints the facts that are frozen in tasks/lunar_lander.py.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pool_parts import cut

from bbo import data
from bbo.tasks.lunar_lander import FILE, PUBLISHED, LunarLander

OUT = Path(__file__).parents[1] / "tasks" / "data"


def main() -> None:
    task = LunarLander()
    print(f"y_max {task.simulate(np.array(PUBLISHED))!r}", flush=True)
    y = task.oracle(task.pool()).astype(np.float32)
    cut(task.spec.id, y)
    print(data.store(FILE, {"y": y}, OUT))


if __name__ == "__main__":
    main()
