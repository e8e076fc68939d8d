"""Spaces refuse what is not a design and say what was allowed."""

import numpy as np
import pytest
import torch
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


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(0.0, 1e39, r"got 0.0 and 1e\+39 for coordinate 1"), (1e8, 1e8 + 1, r"got 100000000.0 and 100000001.0 for coordinate 1")],
)
def test_bounds_of_a_box_are_compared_in_the_type_of_its_designs(low, high, said):
    with pytest.raises(ValueError, match=f"as float32.*{said}"):
        Continuous((0.0, low), (1.0, high))


@pytest.mark.parametrize(
    ("arguments", "said"), [(((2.7, 3),), r"whole numbers of letters; got \(2.7, 3\)"), (((3, 3), "ACA"), "must differ; got 'ACA'")]
)
def test_bad_sequences_are_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        Sequence(*arguments)


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


@given(st.lists(st.integers(2, 6), min_size=1, max_size=8), st.integers(0, 2**32 - 1))
def test_keys_number_the_designs(letters, seed):
    space = Sequence(tuple(letters))
    keys = np.random.default_rng(seed).integers(0, space.size, 40)
    designs = space.from_key(keys)
    assert (space.check(designs) == designs).all()
    assert (space.key(designs) == keys).all()
    assert space.key(torch.as_tensor(designs)).tolist() == keys.tolist()
    assert (space.key(designs.astype(np.uint8)) == keys).all(), "small integers must not overflow"


def test_keys_count_up_from_the_last_position():
    space = Sequence((3, 2, 4))
    assert space.from_key(np.arange(space.size)).tolist() == [list(d) for d in np.ndindex(3, 2, 4)]
    with pytest.raises(ValueError):
        space.from_key(np.array([24]))


@pytest.mark.parametrize("space", [Sequence.uniform(32, 4), Sequence.uniform(237, 20), BOX])
def test_spaces_too_large_for_keys_say_so(space):
    with pytest.raises(ValueError, match="has no keys"):
        space.key(space.corners(2))
    with pytest.raises(ValueError, match="has no keys"):
        space.from_key(np.array([0]))


def test_the_largest_space_with_keys():
    space = Sequence.uniform(31, 4)
    assert space.key(space.corners(2)).tolist() == [0, 4**31 - 1]


@pytest.mark.parametrize(
    "space", [BOX, WORDS, Continuous.box(20, -32.768, 32.768), Sequence.uniform(9, 3), Continuous.box(1, 0, 1)]
)
def test_corners(space):
    corners = space.corners(8)
    assert (space.check(corners) == corners).all()
    assert corners.dtype == space.dtype
    low, high = corners[0], corners[1]
    assert ((corners == low) | (corners == high)).all()
    assert (low < high).all()
    opposite = np.where(corners[2::2] == low, high, low)
    assert (corners[3::2] == opposite).all()
    # Every coordinate is met at both ends beside a neighbour at the other end.
    if len(low) > 1:
        assert ((corners[:, 1:] == low[1:]) & (corners[:, :-1] == high[:-1])).any(axis=0).all()


@pytest.mark.parametrize("space", [BOX, WORDS])
def test_misfits_are_refused(space):
    for designs in space.misfits().values():
        with pytest.raises(DesignError):
            space.check(designs)


def test_designs_can_be_read():
    assert Sequence.uniform(4, 4, "ACGT").readable(np.array([2, 0, 3, 3])) == "GATT"
    assert WORDS.readable(np.array([3, 0, 2])) == "3 0 2"
    assert BOX.readable(np.array([0.1, -1e-5])) == "0.1, -1e-05"
    space = Sequence.choices({"batch_size": (8, 16), "init_lr": (5e-4, 1e-3, 0.1)})
    assert space.readable(np.array([1, 0])) == "batch_size=16, init_lr=0.0005"
    assert space.describe() == "2 positions of 2 to 3 letters (batch_size, init_lr)"
    assert Sequence((2, 2), positions=("a", "b")).readable(np.array([0, 1])) == "a=0, b=1"


def test_names_are_for_display_only():
    """What names shared work and identities must not change when a task names its positions."""
    named = Sequence.choices({"a": (1, 2), "b": (1, 2, 3)})
    assert repr(named) == repr(Sequence((2, 3)))


@pytest.mark.parametrize("names", [{"positions": ("a",)}, {"names": (("x", "y"), ("z",))}, {"names": (("x", "y"),)}])
def test_names_must_fit(names):
    with pytest.raises(ValueError, match="do not fit"):
        Sequence((2, 3), **names)


def test_messages_name_the_value_that_was_given():
    """Not what it becomes when it is cast: infinity, or a negative letter."""
    with pytest.raises(DesignError, match=r"got 1e\+300 at design 0, coordinate 1, which is beyond float32"):
        Continuous.box(2, -1.0, 1.0).check(np.array([[0.0, 1e300]]))
    letters = np.zeros((1, 3), np.uint64)
    letters[0, 2] = 2**63
    with pytest.raises(DesignError, match="position 2 is 9223372036854775808, allowed 0 to 3"):
        Sequence((4, 4, 4)).check(letters)
    with pytest.raises(DesignError, match=r"position 0 is 1\d{20}, allowed"):
        Sequence((4,)).check(np.array([[1e20]]))
    assert Sequence((4,)).check(np.array([[3.0]])).dtype == np.int64
