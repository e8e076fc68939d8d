"""What several tasks take from Design-Bench (Trabucco et al. 2022): the rule that draws visible rows, and data in its shards."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bbo import data

MIRROR = "https://huggingface.co/datasets/beckhamc/design_bench_data/resolve/main"
LICENCE = "MIT (Design-Bench)"


def uniform_rows(count: int, size: int) -> np.ndarray:
    """Row numbers (size,), ascending, that `max_samples` draws from `count` visible rows after numpy.random.seed(0).

    `DatasetBuilder.subsample` calls numpy.random.choice with equal float32 probabilities, which takes another way through the
    generator than a call without probabilities; NumPy keeps the legacy generator's streams for good.
    """
    p = np.ones(count, np.float32)
    return np.sort(np.random.RandomState(0).choice(count, size, replace=False, p=p / p.sum()))


def shards(name: str, folder: str, file: str, origin: str, pack: Callable[[np.ndarray, np.ndarray], data.Arrays]) -> data.Shards:
    """The source of a data file packed from one folder of Design-Bench, under the name for `bbo data fetch`."""
    return data.Shards(
        files=(file,),
        licence=LICENCE,
        origin=origin,
        name=name,
        get=f"bbo data fetch {name}",
        mirrors=(MIRROR,),
        accepts=f"the Design-Bench folder {folder}",
        folder=folder,
        pack=pack,
    )
