"""Ehrlich functions: closed-form stand-ins for biological sequence design, with a known optimum of 1.

Stanton et al. 2024, "Closed-Form Test Functions for Biophysical Sequence Design Benchmarking" (arXiv 2407.00236); the authors'
code is holo-bench (MIT). A sequence is feasible if it takes no banned step from one letter to the next. A feasible sequence
scores the product over c motifs of q(best share of the motif's k letters found at their spacing anywhere in the sequence), q
rounding down to multiples of 1/q; an infeasible one scores 0.

Ours, from the definition: instances are drawn with NumPy's generator (tools/build_ehrlich.py), so they differ from holo-bench's
of the same sizes; infeasible scores 0 as in the paper, not minus infinity as in holo-bench; spacings are uniform over all that
leave every motif its share L // c of the sequence, as in the paper. The visible table is 10000 sequences drawn from the Markov
chain.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from bbo import data
from bbo.space import Sequence
from bbo.task import Dataset, Task, TaskSpec


def feasible(x: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Whether sequences x (n, L) take only steps a -> b with allowed[a, b]; bool (n,)."""
    return allowed[x[:, :-1], x[:, 1:]].all(axis=1)


def motif_share(x: np.ndarray, motif: np.ndarray, offsets: np.ndarray, quantization: int) -> np.ndarray:
    """Best share of one motif in sequences x (n, L), rounded down to multiples of 1 / quantization; float64 (n,).

    motif (k,) holds letters, offsets (k,) their distances from the first, which is 0.
    """
    width = x.shape[1] - offsets[-1]
    hits = sum((x[:, o : o + width] == letter).astype(np.int64) for letter, o in zip(motif, offsets, strict=True))
    best = np.asarray(hits).max(axis=1)
    return (best * quantization // len(motif)) / quantization


def ehrlich(x: np.ndarray, allowed: np.ndarray, motifs: np.ndarray, offsets: np.ndarray, quantization: int) -> np.ndarray:
    """Scores (n,), float64, in [0, 1], of sequences x (n, L); motifs and offsets are (c, k)."""
    shares = [motif_share(x, motif, offset, quantization) for motif, offset in zip(motifs, offsets, strict=True)]
    return np.where(feasible(x, allowed), np.prod(shares, axis=0), 0.0)


def optimal_sequence(length: int, motifs: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """A sequence (L,) that scores 1: motifs one after the other, every gap filled by repeating the letter before it."""
    parts = [np.repeat(motif, np.diff([*offset, offset[-1] + 1])) for motif, offset in zip(motifs, offsets, strict=True)]
    solution = np.concatenate(parts)
    return np.concatenate([solution, np.full(length - len(solution), solution[-1])])


def ehrlich_spec(length: int, letters: int, motifs: int, best_visible: float) -> TaskSpec:
    """The facts of one instance, from its sizes and its best visible score."""
    return TaskSpec(
        id=f"ehrlich-{length}",
        version="1",
        title=f"Ehrlich function: {motifs} motifs of 4 in {length} positions of {letters} letters",
        space=Sequence.uniform(length, letters),
        visible_rows=10_000,
        best_visible=best_visible,
        y_min=0.0,
        y_max=1.0,
        oracle="exact",
        family="synthetic",
        hidden="motifs, spacings and banned steps; nothing of the table",
        source="definition of Stanton et al. 2024 (holo-bench); own instance from tools/build_ehrlich.py",
        licence="MIT",
        optimum=1.0,
        note="a uniformly random sequence takes a banned step almost surely and scores 0",
    )


class Ehrlich(Task):
    """Closed form over a frozen instance; base of the three sizes. Four levels per motif (quantization 4)."""

    quantization: ClassVar[int] = 4

    @classmethod
    def sources(cls) -> tuple[data.Source, ...]:
        return (data.Source((cls._file(),), "MIT (this project)", "tools/build_ehrlich.py"),)

    @classmethod
    def _file(cls) -> str:
        return f"{cls.spec.id.replace('-', '_')}.npz"

    def _arrays(self) -> dict[str, np.ndarray]:
        """The file's arrays: x (10000, L), y (10000,), allowed (v, v), motifs (c, k), offsets (c, k)."""
        return data.load(self._file())

    def dataset(self) -> Dataset:
        return Dataset.stored(self._file(), self.spec.space)

    def oracle(self, x: np.ndarray) -> np.ndarray:
        arrays = self._arrays()
        return ehrlich(x, arrays["allowed"], arrays["motifs"], arrays["offsets"], self.quantization)


class Ehrlich32(Ehrlich):
    """32 positions, 32 letters, 4 motifs of 4."""

    spec = ehrlich_spec(32, 32, 4, 0.09375)


class Ehrlich64(Ehrlich):
    """64 positions, 32 letters, 2 motifs of 4."""

    spec = ehrlich_spec(64, 32, 2, 0.5625)


class Ehrlich128(Ehrlich):
    """128 positions, 20 letters, 4 motifs of 4."""

    spec = ehrlich_spec(128, 20, 4, 0.31640625)
