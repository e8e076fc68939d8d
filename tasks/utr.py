"""UTR: 50 letters of a 5' untranslated region that let ribosomes load an RNA well.

Data: Sample et al. 2019, "Human 5' UTR design and variant effect prediction from a massively parallel translation assay"
(GSM3130435), the 280000 most-read sequences; y is the mean ribosome load. Visible as in Design-Bench's UTR-ResNet-v0: y <= the 50th
percentile. Our oracle is a convolutional network of our own training, since Design-Bench's is no longer available.
"""

from __future__ import annotations

import numpy as np

from bbo import data
from bbo.space import Sequence
from bbo.task import Dataset, Task, TaskSpec
from bbo.tasks.parts import design_bench, quality
from bbo.tasks.parts.convolution import predict

FILE, ORACLE = "utr/utr.npz", "utr_oracle.npz"


def pack(x: np.ndarray, y: np.ndarray) -> data.Arrays:
    """The data file's arrays from Design-Bench's x (N, 50) and y (N,)."""
    return {"x": x.astype(np.uint8), "y": y}


class UTR(Task):
    """Mean ribosome load of a 5' untranslated region."""

    #: The oracle is a model of the labels.
    tolerance = float("inf")
    spec = TaskSpec(
        id="utr",
        version="1",
        title="mean ribosome load of a 50-letter 5' UTR",
        space=Sequence.uniform(50, 4, "ACGT"),
        visible_rows=140_000,
        best_visible=7.123136520385742,
        y_min=0.0,
        y_max=12.0,
        oracle="learned",
        family="learned",
        hidden="rows above the 50th percentile of 280000",
        source="Sample et al. 2019 (GSM3130435); layout of Design-Bench UTR; own convolutional network",
        licence="MIT (Design-Bench shards; oracle)",
        data=(FILE,),
        seconds=0.1,
        note=quality.note("utr"),
    )

    @classmethod
    def sources(cls) -> tuple[data.Source, ...]:
        origin = "Design-Bench utr; measurements: Sample et al. 2019 (GSM3130435), the 280000 most-read"
        return design_bench.shards("utr", "utr", FILE, origin, pack), quality.source("utr")

    def dataset(self) -> Dataset:
        arrays = data.load(FILE)
        return Dataset.up_to(arrays["x"].astype(np.int64), arrays["y"], self.spec.best_visible)

    def oracle(self, x: np.ndarray) -> np.ndarray:
        return predict(data.load(ORACLE), x)
