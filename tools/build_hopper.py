"""Build the pool of hopper-small and the visible table that the package ships: `python tools/build_hopper.py FOLDER`.

FOLDER keeps one file a run, so an interrupted command goes on where it stopped (`bbo.tasks.parts.hopper_pool`). The lowest 60 % go to
tasks/data/hopper_small.npz, and the facts that are frozen in tasks/hopper.py are printed. Other processors and versions of torch train
other policies: the shipped file is the task, this script says where it came from. The larger pool of `hopper` is made by users:
`bbo data build hopper`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bbo import data
from bbo.tasks.hopper import HopperSmall
from bbo.tasks.parts.hopper_pool import lowest, pool

OUT = Path(__file__).parents[1] / "tasks" / "data"
SEEDS, UPDATES = 6, 100


def main(folder: Path) -> None:
    written = data.store(HopperSmall.file, lowest(pool(folder, HopperSmall.units, SEEDS, UPDATES)), OUT)
    print(written, written.stat().st_size, "bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
