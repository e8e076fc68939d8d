"""GFP: a bright variant of the green fluorescent protein of Aequorea victoria.

Data: Sarkisyan et al. 2016, "Local fitness landscape of the green fluorescent protein"; 51715 distinct protein variants of 237
residues, y the median logarithm (base 10) of brightness. Visible as in Design-Bench's GFP-Transformer-v0: 5000 rows between the
50th and the 60th percentile, drawn as Design-Bench draws them with seed 0. Not Design-Bench's own table: that has 56086 rows of
nucleotide variants in which proteins repeat, so its visible set cannot be rebuilt; minimum and maximum agree. Our oracle is a
convolutional network of our own training. The data hold variants with a few mutations of one protein; far from them the oracle
extrapolates.
"""

from __future__ import annotations

import numpy as np

from bbo import data
from bbo.space import Sequence
from bbo.task import Dataset, Task, TaskSpec
from bbo.tasks.parts import quality
from bbo.tasks.parts.convolution import predict
from bbo.tasks.parts.design_bench import uniform_rows

FILE, ORACLE = "gfp/gfp_amino_acid.npz", "gfp_oracle.npz"
#: 50th and 60th percentile of all scores.
LOWEST_VISIBLE, HIGHEST_VISIBLE = 3.287275791168213, 3.488253593444824


class GFP(Task):
    """Brightness of a variant of the green fluorescent protein."""

    #: The oracle is a model of the labels.
    tolerance = float("inf")
    spec = TaskSpec(
        id="gfp",
        version="1",
        title="log brightness of a green fluorescent protein of 237 residues",
        space=Sequence.uniform(237, 20, "ARNDCQEGHILKMFPSTWYV"),
        visible_rows=5000,
        best_visible=3.488253593444824,
        y_min=1.2834193,
        y_max=4.123109,
        oracle="learned",
        family="learned",
        hidden="rows outside the 50th to 60th percentile of 51715, and those inside that were not drawn",
        source="Sarkisyan et al. 2016; visible share of Design-Bench GFP; own convolutional network",
        licence="none stated by the source of the data; MIT (oracle)",
        data=(FILE,),
        seconds=0.1,
        note=quality.note("gfp") + "; designs far from the natural protein are extrapolated, within the measured range",
    )

    @classmethod
    def sources(cls) -> tuple[data.Source, ...]:
        origin = "Sarkisyan et al. 2016, as in dhbrookes/CbAS amino_acid_genotypes_to_brightness.tsv"
        return data.Source.packed(FILE, "none stated by the source", origin), quality.source("gfp")

    def dataset(self) -> Dataset:
        arrays = data.load(FILE)
        y = arrays["y"]
        between = np.flatnonzero((y >= np.float32(LOWEST_VISIBLE)) & (y <= np.float32(HIGHEST_VISIBLE)))
        rows = between[uniform_rows(len(between), self.spec.visible_rows)]
        return Dataset(arrays["x"][rows].astype(np.int64), y[rows])

    def oracle(self, x: np.ndarray) -> np.ndarray:
        return predict(data.load(ORACLE), x)
