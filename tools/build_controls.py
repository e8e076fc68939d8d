"""Score the pools of the five controls with botorch: `python tools/build_controls.py`.

Prints the facts that are frozen in tasks/controls.py.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pool_parts import cut

from bbo import data
from bbo.tasks.controls import FILE, Ackley20, Branin, Hartmann6, Levy60, Rosenbrock60, pool

OUT = Path(__file__).parents[1] / "tasks" / "data"


def main() -> None:
    arrays = {}
    for task in (Branin(), Hartmann6(), Ackley20(), Rosenbrock60(), Levy60()):
        y = task.oracle(pool(task.spec.space)).astype(np.float32)
        cut(task.spec.id, y)
        arrays[task.spec.id] = y
    print(data.store(FILE, arrays, OUT))


if __name__ == "__main__":
    main()
