"""RNA-A, RNA-B, RNA-C: find the RNA 14-mer that binds most strongly to a fixed target of 100 letters (ViennaRNA's energies).

Definition: FLEXS (Sinai et al. 2020, Apache-2.0), landscapes L14_RNA1 to L14_RNA3: score(s) = E(target, s) / (E(target, its
reverse complement) * 14 / 100), with E the energy of ViennaRNA's duplexfold in kcal/mol. Visible are the 5000 rows of BootGen
(Kim et al. 2023), all from the lowest 5 % of all sequences. Scores are given as the papers print them, so y_min = 0 and
y_max = 1; values above 1 exist, since 14 letters can bind more than their share of the whole target.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from bbo import data
from bbo.space import Sequence
from bbo.task import Dataset, Task, TaskSpec

LENGTH = 14
LETTERS = "UGCA"
#: FLEXS' targets (flexs/landscapes/rna.py).
TARGETS = {
    "a": "GAACGAGGCACAUUCCGGCUCGCCCGGCCCAUGUGAGCAUGGGCCGGACCCCGUCCGCGCGGGGCCCCCGCGCGGACGGGGGCGAGCCGGAAUGUGCCUC",
    "b": "GAGGCACAUUCCGGCUCGCCCCCGUCCGCGCGGGGGCCCCGCGCGGACGGGGUCCGGCCCGCGCGGGGCCCCCGCGCGGGAGCCGGAAUGUGCCUCGUUC",
    "c": "CCGGUGAUACUGUUAGUGGUCACGGUGCAUUUAUAGCGCUAAAGUACAGUCUUCCCCUGUUGAACGGCGCCAUUGCAUACAGGGCCAGCCGCGUAACGCC",
}


@cache
def scale(target: str) -> float:
    """Energy in kcal/mol that corresponds to a score of 1."""
    import RNA

    complement = target[::-1].translate(str.maketrans("ACGU", "UGCA"))
    return RNA.duplexfold(complement, target).energy * LENGTH / len(target)


def rna_spec(name: str, number: int, best_visible: float) -> TaskSpec:
    """The facts of one target; scores are normalised binding energies."""
    return TaskSpec(
        id=f"rna-{name}",
        version="1",
        title=f"RNA 14-mer binding to a target (FLEXS L14_RNA{number}, BootGen RNA-{name.upper()})",
        space=Sequence.uniform(LENGTH, 4, LETTERS),
        visible_rows=5000,
        best_visible=best_visible,
        y_min=0.0,
        y_max=1.0,
        oracle="exact",
        family="sequences",
        hidden="all sequences except BootGen's 5000, which are in the lowest 5 %",
        source="FLEXS landscape (Sinai et al. 2020), computed by ViennaRNA; offline rows of BootGen (Kim et al. 2023)",
        licence="Apache-2.0 (FLEXS, BootGen); ViennaRNA has its own licence",
        data=(f"rna/rna{number}_l14.npz",),
        requires=("RNA",),
        extra="rna",
        seconds=0.1,
        note="y_max = 1 is the target's own complement scaled to 14 letters, not the optimum: more than 1 can be reached",
    )


class RNABinding(Task):
    """Binding energy of 14 letters to a target; base of the three targets."""

    #: Stored scores are rounded to float32.
    tolerance = 1e-7

    @classmethod
    def sources(cls) -> tuple[data.Source, ...]:
        (file,) = cls.spec.data
        number = file.removeprefix("rna/rna")[0]
        return (data.Source.packed(file, "Apache-2.0", f"BootGen (kaist-silab/bootgen), RNA{number}_x.npy, RNA{number}_y.npy"),)

    def dataset(self) -> Dataset:
        arrays = data.load(self.spec.data[0])
        return Dataset(arrays["x"].astype(np.int64), arrays["y"].copy())

    def oracle(self, x: np.ndarray) -> np.ndarray:
        import RNA

        target = TARGETS[self.spec.id[-1]]
        sequences = map(self.spec.space.readable, x)
        return np.array([RNA.duplexfold(target, s).energy / scale(target) for s in sequences], np.float64)


class RNAA(RNABinding):
    """FLEXS target 1."""

    spec = rna_spec("a", 1, 0.1290712207555771)


class RNAB(RNABinding):
    """FLEXS target 2."""

    spec = rna_spec("b", 2, 0.11891549825668335)


class RNAC(RNABinding):
    """FLEXS target 3."""

    spec = rna_spec("c", 3, 0.16565066576004028)
