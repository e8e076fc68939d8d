"""Draw the three frozen Ehrlich instances and their visible tables: `python tools/build_ehrlich.py`.

Everything comes from one PCG64 generator per instance, seeded with the length. Transition logits are normal with deviation 2
(softmax temperature 0.5, as in holo-bench); a shuffled band of 2 * int(0.4 v) + 1 letters may follow each letter, and the
letter itself always may. All motifs are one walk along the chain that visits no letter twice within a motif, so a feasible
optimum exists.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bbo import data
from bbo.tasks.ehrlich import Ehrlich32, Ehrlich64, Ehrlich128, ehrlich, optimal_sequence

OUT = Path(__file__).parents[1] / "tasks" / "data"
ROWS, MOTIF_LENGTH = 10_000, 4


def transitions(rng: np.random.Generator, letters: int) -> np.ndarray:
    """Transition probabilities (v, v) with banned steps at exactly 0; every letter can be reached from every other."""
    logits = rng.standard_normal((letters, letters)) / 0.5
    distance = (np.arange(letters)[None, :] - np.arange(letters)[:, None]) % letters
    band = int(letters * 0.4)
    allowed = ((distance <= band) | (distance >= letters - band))[rng.permutation(letters)] | np.eye(letters, dtype=bool)
    weights = np.where(allowed, np.exp(logits), 0.0)
    matrix = weights / weights.sum(axis=1, keepdims=True)
    assert (np.linalg.matrix_power(matrix, (letters - 1) ** 2 + 1) > 0).all(), "the chain is not ergodic"
    return matrix


def walks(rng: np.random.Generator, matrix: np.ndarray, rows: int, length: int) -> np.ndarray:
    """Markov chains (rows, length) from a uniform first letter."""
    cumulative = np.cumsum(matrix, axis=1)
    cumulative[:, -1] = 1.0
    x = np.empty((rows, length), np.uint8)
    x[:, 0] = rng.integers(len(matrix), size=rows)
    for p in range(1, length):
        # The first letter whose cumulated probability exceeds the draw: never one of probability 0.
        x[:, p] = (rng.random(rows)[:, None] >= cumulative[x[:, p - 1]]).sum(axis=1)
    return x


def draw_motifs(rng: np.random.Generator, matrix: np.ndarray, count: int) -> np.ndarray:
    """Motifs (count, 4): one walk, cut up, taken again until no motif holds a letter twice."""
    while True:
        motifs = walks(rng, matrix, 1, count * MOTIF_LENGTH).reshape(count, MOTIF_LENGTH)
        if all(len(set(motif.tolist())) == MOTIF_LENGTH for motif in motifs):
            return motifs


def main() -> None:
    for task, count in ((Ehrlich32(), 4), (Ehrlich64(), 2), (Ehrlich128(), 4)):
        (length,), letters = task.spec.space.shape, task.spec.space.letters[0]
        rng = np.random.Generator(np.random.PCG64(length))
        matrix = transitions(rng, letters)
        motifs = draw_motifs(rng, matrix, count)
        gaps = [np.sort(rng.choice(np.arange(1, length // count), MOTIF_LENGTH - 1, replace=False)) for _ in range(count)]
        offsets = np.array([[0, *gap] for gap in gaps], np.uint8)
        x = walks(rng, matrix, ROWS, length)
        y = ehrlich(x, matrix > 0, motifs, offsets, task.quantization).astype(np.float32)
        assert ehrlich(optimal_sequence(length, motifs, offsets)[None], matrix > 0, motifs, offsets, task.quantization) == 1.0
        arrays = {"x": x, "y": y, "allowed": matrix > 0, "motifs": motifs, "offsets": offsets}
        path = data.store(f"ehrlich_{length}.npz", arrays, OUT)
        uniform = rng.integers(letters, size=(100_000, length))
        share = (matrix > 0)[uniform[:, :-1], uniform[:, 1:]].all(axis=1).mean()
        print(f"{path.name}: {path.stat().st_size} bytes, best {float(y.max())!r}, above 0 {(y > 0).mean():.3f}")
        print(f"    share of uniform sequences that are feasible: {share:.5f}")


if __name__ == "__main__":
    main()
