"""Binding to one target and to two, against the labels that BootGen ships."""

import os

import numpy as np
import pytest

from bbo import data
from bbo.tasks.rna import RNAAB50, TARGETS, binding

UGCA = np.array(list("UGCA"))


@pytest.mark.skipif("BBO_DATA_DIR" not in os.environ, reason="BBO_DATA_DIR is not set")
@pytest.mark.parametrize(("number", "target"), [(1, "a"), (2, "b"), (3, "c")])
def test_the_formula_gives_bootgens_labels(number, target):
    arrays = data.load(f"rna/rna{number}_l14.npz")
    rows = slice(None, None, 25)
    ours = [binding("".join(UGCA[word]), TARGETS[target]) for word in arrays["x"][rows]]
    np.testing.assert_allclose(ours, arrays["y"][rows], atol=1e-7, rtol=0)


def test_two_targets_are_averaged_and_a_complement_binds_fully():
    task = RNAAB50()
    word = np.random.default_rng(0).integers(4, size=50)
    letters = "".join(UGCA[word])
    assert task.simulate(word) == (binding(letters, TARGETS["a"]) + binding(letters, TARGETS["b"])) / 2
    for target in TARGETS.values():
        complement = target[::-1].translate(str.maketrans("ACGU", "UGCA"))
        assert binding(complement, target) == pytest.approx(1.0, abs=0.05)
        assert binding("A" * 50, target) < 0.3
