"""TFBind10 on eight other random subsets of 10000 rows, one task for each.

ROOT's authors draw a new subset for every seed; Design-Bench's registered subset (`tfbind10`) is the one of seed 0.

    bbo run -t results/reproductions/tfbind10_subsets.py:Subset1 ... -b root --preset paper:tfbind10 --seeds 0 --out DIR
"""

import dataclasses

import numpy as np

from bbo.task import Dataset
from bbo.tasks.tfbind10 import SPACE, THRESHOLD, TFBind10, rows


class Subset(TFBind10):
    seed: int

    def __init__(self) -> None:
        super().__init__()
        self.spec = dataclasses.replace(
            self.spec,
            id=f"tfbind10-subset-{self.seed}",
            title=f"{self.spec.title}, drawn with seed {self.seed}",
            hidden=self.spec.hidden.replace("seed 0", f"seed {self.seed}"),
        )

    def dataset(self) -> Dataset:
        keys, y = rows()
        visible = np.flatnonzero(y <= np.float32(THRESHOLD))
        drawn = np.random.default_rng(self.seed).choice(len(visible), self.spec.visible_rows, replace=False)
        chosen = visible[np.sort(drawn)]
        return Dataset(SPACE.from_key(keys[chosen]), y[chosen])


class Subset1(Subset):
    seed = 1


class Subset2(Subset):
    seed = 2


class Subset3(Subset):
    seed = 3


class Subset4(Subset):
    seed = 4


class Subset5(Subset):
    seed = 5


class Subset6(Subset):
    seed = 6


class Subset7(Subset):
    seed = 7


class Subset8(Subset):
    seed = 8
