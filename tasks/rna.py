"""RNA-A, RNA-B, RNA-C: find the RNA 14-mer that binds most strongly to a fixed target of 100 letters; RNA-AB-50: 50 letters, two targets.

Definition: FLEXS (Sinai et al. 2020, Apache-2.0), landscapes L14_RNA1 to L14_RNA3: score(s) = E(target, s) / (E(target, its
reverse complement) * 14 / 100), with E the energy of ViennaRNA's duplexfold in kcal/mol. Visible are the 5000 rows of BootGen
(Kim et al. 2023), all from the lowest 5 % of all sequences. Scores are given as the papers print them, so y_min = 0 and
y_max = 1; values above 1 exist, since 14 letters can bind more than their share of the whole target.

RNA-AB-50 is ours, in the manner of FLEXS' longer landscapes: the mean of the same score over targets 1 and 2, with 50 in place of
14. One sequence must bind to both. Its pool is 10000 uniform sequences and the paths of ten genetic algorithms
(tools/build_rna.py); visible is the lower half. It is normalised as the others are.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from bbo import data
from bbo.simulation import SimulatedTask
from bbo.space import Sequence
from bbo.task import Dataset, TaskSpec

LENGTH, LONG = 14, 50
LONG_FILE = "rna_ab_50.npz"
LETTERS = "UGCA"
#: FLEXS' targets (flexs/landscapes/rna.py).
TARGETS = {
    "a": "GAACGAGGCACAUUCCGGCUCGCCCGGCCCAUGUGAGCAUGGGCCGGACCCCGUCCGCGCGGGGCCCCCGCGCGGACGGGGGCGAGCCGGAAUGUGCCUC",
    "b": "GAGGCACAUUCCGGCUCGCCCCCGUCCGCGCGGGGGCCCCGCGCGGACGGGGUCCGGCCCGCGCGGGGCCCCCGCGCGGGAGCCGGAAUGUGCCUCGUUC",
    "c": "CCGGUGAUACUGUUAGUGGUCACGGUGCAUUUAUAGCGCUAAAGUACAGUCUUCCCCUGUUGAACGGCGCCAUUGCAUACAGGGCCAGCCGCGUAACGCC",
}


@cache
def strongest(target: str) -> float:
    """Energy in kcal/mol with which the target binds to its own reverse complement."""
    import RNA

    complement = target[::-1].translate(str.maketrans("ACGU", "UGCA"))
    return RNA.duplexfold(complement, target).energy


def binding(sequence: str, target: str) -> float:
    """Energy of binding as a share of what a sequence of this length binds with on average if it is the target's complement."""
    import RNA

    return RNA.duplexfold(target, sequence).energy / (strongest(target) * len(sequence) / len(target))


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
        engines=("ViennaRNA==2.8.0",),
        seconds=0.1,
        note="y_max = 1 is the target's own complement scaled to 14 letters, not the optimum: more than 1 can be reached",
    )


class Binding(SimulatedTask):
    """Mean score of a sequence over the targets that the task's id names."""

    #: Stored scores are rounded to float32.
    tolerance = 1e-7

    def simulate(self, design: np.ndarray) -> float:
        sequence = self.spec.space.readable(design)
        return float(np.mean([binding(sequence, TARGETS[letter]) for letter in self.spec.id.split("-")[1]]))

    def draw(self, design: np.ndarray, figure: Any) -> None:
        sequence, letters = self.spec.space.readable(design), self.spec.id.split("-")[1]
        for axes, letter in zip(figure.subplots(len(letters), squeeze=False)[:, 0], letters, strict=True):
            _draw_duplex(axes, sequence, TARGETS[letter])
            axes.set_title(f"target {letter}, score {binding(sequence, TARGETS[letter]):.3f}")


def _draw_duplex(axes: Any, sequence: str, target: str) -> None:
    """The sequence, from right to left, below the part of the target that it binds to; lines join the pairs."""
    import RNA

    found = RNA.duplexfold(target, sequence)
    over, under = found.structure.split("&")
    # ViennaRNA gives the last letter of the target's part and the first of the sequence's, both numbered from 1.
    start, first = found.i - len(over), found.j - 1
    pairs = list(
        zip(
            [start + k for k, sign in enumerate(over) if sign == "("],
            [first + k for k, sign in reversed(list(enumerate(under))) if sign == ")"],
            strict=True,
        )
    )
    middle = np.mean([i + j for i, j in pairs]) if pairs else float(len(sequence))
    for i in range(max(0, start - 3), min(len(target), found.i + 3)):
        axes.text(i, 1.0, target[i], ha="center", va="bottom", fontsize=8)
    for j, letter in enumerate(sequence):
        axes.text(middle - j, 0.0, letter, ha="center", va="top", fontsize=8)
    for i, j in pairs:
        axes.plot([i, middle - j], [0.95, 0.05], color="C0")
    axes.set(ylim=(-0.3, 1.3), yticks=[], xlim=(min(start - 4, middle - len(sequence)), max(found.i + 3, middle + 1)))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("letter of the target (5' to 3', above), counted from 0; the design runs 3' to 5', below")


class RNABinding(Binding):
    """14 letters and one target; base of the three targets."""

    @classmethod
    def sources(cls) -> tuple[data.Source, ...]:
        (file,) = cls.spec.data
        number = file.removeprefix("rna/rna")[0]
        return (data.Source.packed(file, "Apache-2.0", f"BootGen (kaist-silab/bootgen), RNA{number}_x.npy, RNA{number}_y.npy"),)

    def dataset(self) -> Dataset:
        return Dataset.stored(self.spec.data[0], self.spec.space)


class RNAA(RNABinding):
    """FLEXS target 1."""

    spec = rna_spec("a", 1, 0.1290712207555771)


class RNAB(RNABinding):
    """FLEXS target 2."""

    spec = rna_spec("b", 2, 0.11891549825668335)


class RNAC(RNABinding):
    """FLEXS target 3."""

    spec = rna_spec("c", 3, 0.16565066576004028)


class RNAAB50(Binding):
    """FLEXS targets 1 and 2, bound by the same 50 letters."""

    spec = TaskSpec(
        id="rna-ab-50",
        version="1",
        title="RNA 50-mer binding to two targets (FLEXS targets 1 and 2)",
        space=Sequence.uniform(LONG, 4, LETTERS),
        visible_rows=10_000,
        best_visible=0.3046360909938812,
        y_min=0.0,
        y_max=1.0,
        oracle="exact",
        hidden="the upper half of a pool of 20000 sequences (half uniform, half paths of genetic algorithms)",
        source="FLEXS targets (Sinai et al. 2020), computed by ViennaRNA 2.8.0; pool from tools/build_rna.py",
        licence="Apache-2.0 (FLEXS), MIT (this project); ViennaRNA has its own licence",
        requires=("RNA",),
        extra="rna",
        engines=("ViennaRNA==2.8.0",),
        seconds=1.3,
        note="y_max = 1 is the energy of the targets' own complements, scaled to 50 letters; the best of the hidden half of the pool is 0.679",
        family="sequences",
    )

    @classmethod
    def sources(cls) -> tuple[data.Source, ...]:
        return (data.Source((LONG_FILE,), "MIT (this project)", "tools/build_rna.py"),)

    def dataset(self) -> Dataset:
        return Dataset.stored(LONG_FILE, self.spec.space)
