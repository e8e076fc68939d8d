"""Spread, repeats, distance and novelty of designs, by hand and against SciPy."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist

from bbo import designs
from bbo.space import Continuous, Sequence

DNA = Sequence.uniform(4, 4)
VISIBLE = np.array([[0, 0, 0, 0], [1, 1, 1, 1]])


def test_by_hand() -> None:
    x = np.array([[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 1], [3, 3, 3, 3]])
    found = designs.describe(x, VISIBLE, DNA)
    # Pairs: 0, 0.5, 1, 0.5, 1, 1 over 6; nearest visible: 0, 0, 0.5, 1.
    assert found == {
        "diversity": pytest.approx(4 / 6),
        "duplicates": 0.25,
        "nearest_offline": pytest.approx(1.5 / 4),
        "novel_share": 0.5,
    }


def test_one_design_many_times_looks_like_it() -> None:
    found = designs.describe(np.tile([[0, 1, 2, 3]], (128, 1)), VISIBLE, DNA)
    assert found["diversity"] == 0
    assert found["duplicates"] == 127 / 128
    assert designs.describe(VISIBLE[:1], VISIBLE, DNA) == {
        "diversity": 0.0,
        "duplicates": 0.0,
        "nearest_offline": 0.0,
        "novel_share": 0.0,
    }


def test_boxes_are_measured_in_shares_of_their_ranges(monkeypatch) -> None:
    monkeypatch.setattr(designs, "HELD", 7)
    space = Continuous((0, -10), (1, 10))
    rng = np.random.default_rng(0)
    x, visible = space.from_unit(rng.random((9, 2))), space.from_unit(rng.random((20, 2)))
    visible[3] = x[5]
    found = designs.describe(x, visible, space)
    scale = np.array([1, 20]) * np.sqrt(2)
    assert found["diversity"] == pytest.approx(pdist(x / scale).mean())
    assert found["nearest_offline"] == pytest.approx(cdist(x / scale, visible / scale).min(axis=1).mean())
    assert found["novel_share"] == pytest.approx(8 / 9)
    corners = np.array([[0, -10], [1, 10]], np.float32)
    assert designs.describe(corners, visible, space)["diversity"] == pytest.approx(1)


@pytest.mark.parametrize("space", [DNA, Continuous.box(3, -1, 1)])
def test_blocks_change_nothing(monkeypatch, space) -> None:
    rng = np.random.default_rng(1)
    x, visible = space.from_unit(rng.random((60, *space.shape))), space.from_unit(rng.random((90, *space.shape)))
    x[10:30], visible[5] = x[:20], x[50]
    whole = designs.describe(x, visible, space)
    monkeypatch.setattr(designs, "HELD", 130)
    assert designs.describe(x, visible, space) == pytest.approx(whole, rel=1e-12)


def test_memory_does_not_grow_with_the_square_of_the_budget() -> None:
    """8000 designs have 64 million distances, 512 MB of them."""
    space = Continuous.box(2, 0, 1)
    x = space.from_unit(np.random.default_rng(0).random((8000, 2)))
    tracemalloc.start()
    try:
        found = designs.describe(x, x[:100], space)
        assert tracemalloc.get_traced_memory()[1] < 150e6
    finally:
        tracemalloc.stop()
    # Two uniform points of the unit square are 0.5214 apart on average; ours divides by the root of the number of coordinates.
    assert found["diversity"] == pytest.approx(0.3687, abs=0.005)
    assert found["novel_share"] == pytest.approx(1 - 100 / 8000)
