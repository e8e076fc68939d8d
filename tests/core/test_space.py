"""Spaces refuse what is not a design and say what was allowed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbo.errors import DesignError
from bbo.space import Continuous, Sequence

BOX = Continuous((-1.0, 0.0), (1.0, 5.0))
WORDS = Sequence((4, 2, 3))


@pytest.mark.parametrize(
    ("space", "designs", "message"),
    [
        (BOX, np.zeros((3, 3)), r"shape \(n, 2\); got \(3, 3\)"),
        (BOX, np.zeros(2), r"shape \(n, 2\); got \(2,\)"),
        (BOX, np.array([[0.0, np.nan]]), "finite; got nan at design 0, coordinate 1"),
        (BOX, np.array([[0.0, 1.0], [0.0, -0.5]]), r"design 1, coordinate 1 is -0.5, allowed \[0, 5\]"),
        (BOX, np.array([["a", "b"]]), "must be numbers"),
        (WORDS, np.array([[0, 2, 0]]), "position 1 is 2, allowed 0 to 1"),
        (WORDS, np.array([[0, -1, 0]]), "position 1 is -1, allowed 0 to 1"),
        (WORDS, np.array([[0, 0.5, 0]]), "whole numbers"),
        (WORDS, np.array([[0, np.nan, 0]]), "whole numbers"),
    ],
)
def test_bad_designs_are_refused(space, designs, message):
    with pytest.raises(DesignError, match=message):
        space.check(designs)


def test_whole_floats_are_letters():
    checked = WORDS.check(np.array([[3.0, 1.0, 2.0]]))
    assert checked.dtype == np.int64
    assert checked.tolist() == [[3, 1, 2]]


@pytest.mark.parametrize(("low", "high"), [((0.0,), (0.0,)), ((0.0, 1.0), (1.0,)), ((0.0,), (np.inf,)), ((), ())])
def test_bad_boxes_are_refused(low, high):
    with pytest.raises(ValueError):
        Continuous(low, high)


@given(st.lists(st.integers(2, 6), min_size=1, max_size=8), st.integers(0, 2**32 - 1))
def test_unit_numbers_become_valid_sequences(letters, seed):
    space = Sequence(tuple(letters))
    u = np.random.default_rng(seed).random((50, len(letters)), dtype=np.float32)
    u[0], u[1] = 0.0, np.nextafter(np.float32(1), np.float32(0))
    designs = space.from_unit(u)
    assert (space.check(designs) == designs).all()
    assert designs[0].tolist() == [0] * len(letters)
    assert designs[1].tolist() == [c - 1 for c in letters]


@given(
    st.lists(st.tuples(st.floats(-1e6, 1e6, width=32), st.floats(0.5, 1e6, width=32)), min_size=1, max_size=6),
    st.integers(0, 2**32 - 1),
)
def test_unit_numbers_become_valid_points(bounds, seed):
    low = [a for a, _ in bounds]
    high = [float(np.float32(a + b)) for a, b in bounds]
    if any(a >= b for a, b in zip(low, high, strict=True)):
        return
    space = Continuous(tuple(low), tuple(high))
    u = np.random.default_rng(seed).random((50, len(low)), dtype=np.float32)
    space.check(space.from_unit(u))
