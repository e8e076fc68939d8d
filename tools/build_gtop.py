"""Score the uniform pools of the two space missions: `python tools/build_gtop.py`.

Prints the facts that are frozen in tasks/gtop.py.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pool_parts import cut

from bbo import data
from bbo.tasks.gtop import FILE, Cassini2, MessengerFull

OUT = Path(__file__).parents[1] / "tasks" / "data"


def main() -> None:
    arrays = {}
    for task in (Cassini2(), MessengerFull()):
        y = task.oracle(task.pool()).astype(np.float32)
        cut(task.spec.id, y)
        arrays[task.spec.id] = y
    print(data.store(FILE, arrays, OUT))


if __name__ == "__main__":
    main()
