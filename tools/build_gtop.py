"""Score the uniform pools of the two space missions: `python tools/build_gtop.py`.

Prints the facts that are frozen in tasks/gtop.py.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bbo import data
from bbo.tasks.gtop import FILE, Cassini2, MessengerFull

OUT = Path(__file__).parents[1] / "tasks" / "data"


def main() -> None:
    arrays = {}
    for task in (Cassini2(), MessengerFull()):
        y = task.oracle(task.pool()).astype(np.float32)
        shown = y[y <= np.percentile(y, 50)]
        low, best, high = (repr(float(v)) for v in (y.min(), shown.max(), y.max()))
        print(f"{task.spec.id}: visible {len(shown)}, best visible {best}, pool min {low}, pool max {high}")
        arrays[task.spec.id] = y
    print(data.store(FILE, arrays, OUT))


if __name__ == "__main__":
    main()
