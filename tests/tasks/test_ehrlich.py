"""Ehrlich functions against their definition and the properties that holo-bench states."""

import itertools

import numpy as np
import pytest

from bbo import data
from bbo.tasks.ehrlich import Ehrlich32, Ehrlich64, Ehrlich128, ehrlich, feasible, motif_share, optimal_sequence

pytestmark = pytest.mark.numerics

TASKS = [Ehrlich32, Ehrlich64, Ehrlich128]


def by_hand(x, allowed, motifs, offsets, quantization):
    """The definition, letter by letter."""
    if any(not allowed[a, b] for a, b in itertools.pairwise(x)):
        return 0.0
    product = 1.0
    for motif, offset in zip(motifs, offsets, strict=True):
        best = 0
        for start in range(len(x) - offset[-1]):
            hits = sum(x[start + o] == letter for letter, o in zip(motif, offset, strict=True))
            best = max(best, int(hits * quantization / len(motif)))
        product *= best / quantization
    return product


@pytest.mark.parametrize("quantization", [2, 4])
def test_equals_the_definition_everywhere_on_a_small_instance(quantization):
    allowed = np.array([[1, 1, 0], [0, 1, 1], [1, 1, 1]], bool)
    motifs, offsets = np.array([[0, 1, 2, 0], [1, 2, 2, 1]]), np.array([[0, 1, 2, 4], [0, 1, 3, 4]])
    x = np.array(list(itertools.product(range(3), repeat=7)))
    expected = [by_hand(row, allowed, motifs, offsets, quantization) for row in x]
    np.testing.assert_array_equal(ehrlich(x, allowed, motifs, offsets, quantization), expected)


def test_share_is_rounded_down():
    x = np.array([[0, 1, 2, 9, 9]])
    motif, offsets = np.array([0, 1, 2, 3]), np.array([0, 1, 2, 3])
    assert motif_share(x, motif, offsets, 4) == 0.75
    assert motif_share(x, motif, offsets, 2) == 0.5
    assert motif_share(x, motif, offsets, 1) == 0.0


@pytest.mark.parametrize("cls", TASKS)
def test_published_properties_hold(cls):
    task = cls()
    (length,), letters = task.spec.space.shape, task.spec.space.letters[0]
    instance = data.load(f"ehrlich_{length}.npz")
    allowed, motifs, offsets = instance["allowed"], instance["motifs"], instance["offsets"]
    # A feasible optimum of 1 exists.
    best = optimal_sequence(length, motifs, offsets)[None].astype(np.int64)
    assert task.score(best) == [1.0]
    # Every letter may follow itself, some steps are banned, and the chain reaches every letter from every other.
    assert allowed.diagonal().all()
    assert (~allowed).sum(axis=1).min() > 0
    assert (np.linalg.matrix_power(allowed.astype(float), letters) > 0).all()
    # Motifs fit side by side, and each can be written without a banned step.
    assert (offsets[:, 0] == 0).all()
    assert (np.diff(offsets.astype(int)) >= 1).all()
    assert (offsets[:, -1] < length // len(motifs)).all()
    assert allowed[motifs[:, :-1], motifs[:, 1:]].all()
    # Scores lie on the grid of products of quarters; the start data are feasible.
    table = task.dataset()
    grid = {np.prod(c) for c in itertools.product(np.arange(5) / 4, repeat=len(motifs))}
    assert set(table.y.astype(float).tolist()) <= grid
    assert feasible(table.x, allowed).all()
    # Breaking one letter of a motif costs exactly one quarter of it; a banned step costs everything.
    assert task.score(best[:, ::-1].copy())[0] < 1.0
    a, b = np.argwhere(~allowed)[0]
    banned = best.copy()
    banned[0, -2:] = a, b
    assert task.score(banned) == [0.0]


def test_uniform_sequences_are_almost_never_feasible():
    allowed = data.load("ehrlich_32.npz")["allowed"]
    x = np.random.default_rng(0).integers(32, size=(200_000, 32))
    assert 1e-4 < feasible(x, allowed).mean() < 2e-3
