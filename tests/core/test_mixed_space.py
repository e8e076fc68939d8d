"""A table of numbers, categories and sequences is a space like the others."""

import math
import string

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bbo.errors import DesignError
from bbo.space import Category, Letters, Mixed, Number

CPU = torch.device("cpu")
TABLE = Mixed(
    (
        Number("temperature", 20, 80, step=5),
        Number("acid", 0.001, 10, log=True),
        Number("cycles", 1, 9, integer=True),
        Number("share", 0.1, 0.7, step=0.1),
        Category("solvent", ("DMSO", "THF", "water")),
        Letters("tag", 3, "ACGT"),
        Number("units", 8, 512, integer=True, log=True, levels=(8, 16, 64, 512)),
    )
)
FINITE = Mixed(
    (Number("n", 3, 11, step=2, integer=True), Category("c", ("a", "b", "c")), Letters("s", 2, "01"), Number("x", 0, 1, step=0.25))
)
UNEVEN = Mixed(
    (Number("l", -3, 10, levels=(-3, -1, 0.5, 10)), Category("c", ("a", "b")), Number("m", 1, 100, log=True, levels=(1, 7, 100)))
)


@st.composite
def numbers(draw, name):
    low = draw(st.integers(-1000, 1000))
    kind = draw(st.sampled_from(["real", "integer", "step", "log", "log integer", "levels", "log levels"]))
    if kind.endswith("levels"):
        gaps = draw(st.lists(st.floats(0.125, 500, width=16), min_size=1, max_size=8))
        levels = (abs(low) + 1 if kind.startswith("log") else low) + np.cumsum([0.0, *gaps])
        return Number(name, levels[0], levels[-1], log=kind.startswith("log"), levels=tuple(levels))
    if kind.startswith("log"):
        return Number(name, abs(low) + 1, (abs(low) + 1) * draw(st.integers(2, 1000)), integer=kind != "log", log=True)
    if kind == "step":
        step = draw(st.sampled_from([0.1, 0.25, 0.05, 2, 3e-3]))
        low = round(low * step, 6)
        return Number(name, low, low + draw(st.integers(1, 50)) * step, step=step)
    return Number(name, low, low + draw(st.integers(1, 1000)), integer=kind == "integer")


@st.composite
def spaces(draw):
    columns = []
    for place in range(draw(st.integers(1, 6))):
        name, kind = f"column {place}", draw(st.sampled_from(["number", "number", "category", "letters"]))
        if kind == "number":
            columns.append(draw(numbers(name)))
        elif kind == "category":
            columns.append(Category(name, string.ascii_letters[: draw(st.integers(2, 9))]))
        else:
            columns.append(Letters(name, draw(st.integers(1, 5)), string.ascii_uppercase[: draw(st.integers(2, 6))]))
    return Mixed(columns)


def drawn(space, seed, count=40):
    u = np.random.default_rng(seed).random((count, *space.shape), dtype=np.float32)
    u[0], u[1] = 0.0, np.nextafter(np.float32(1), np.float32(0))
    return space.from_unit(u)


@pytest.mark.numerics
@given(spaces(), st.integers(0, 2**32 - 1))
def test_designs_survive_every_way_there_and_back(space, seed):
    designs = drawn(space, seed)
    assert designs.dtype == space.dtype and (space.check(designs) == designs).all()
    assert (designs[0] == space.low).all()
    span = space.high - space.low  # the largest u is 2^-24 below 1: an upper bound of 0 is missed by that share of the range
    assert (np.abs(designs[1] - space.high) <= 1e-5 * np.maximum(span, np.abs(space.high))).all()
    assert np.allclose(space.from_share(space.to_unit(designs)), designs, rtol=1e-9)
    codec = space.codec(CPU)
    encoded = codec.encode(torch.as_tensor(designs))
    assert encoded.shape == (len(designs), space.dim) and encoded.dtype == torch.float32
    back = space.check(codec.decode(encoded).numpy())
    stepped = space.spacing > 0
    assert (back[:, stepped] == designs[:, stepped]).all()
    assert np.allclose(back, designs, rtol=1e-4, atol=1e-4)
    assert (space.check(designs.astype(np.float32))[:, stepped] == designs[:, stepped]).all()


@given(spaces(), st.integers(0, 2**32 - 1))
def test_any_vector_is_decoded_to_a_design(space, seed):
    z = torch.randn(30, space.dim, generator=torch.Generator().manual_seed(seed)) * 3
    designs = space.codec(CPU).decode(z).numpy()
    assert (space.check(designs) == designs).all(), "in the very digits that the host keeps"


def test_decoded_steps_are_written_as_their_column_is():
    space = Mixed((Number("share", 0, 1, step=0.1),))
    designs = torch.as_tensor(space.from_key(np.arange(11)))
    codec = space.codec(CPU)
    assert codec.decode(codec.encode(designs))[:, 0].tolist() == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]


@given(spaces(), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_mutants_are_designs_that_differ_where_they_were_hit(space, seed, rate):
    rng = np.random.default_rng(seed)
    designs = drawn(space, seed)
    hit = rng.random(designs.shape) < rate
    mutants = space.mutate(designs, hit, rng.random(designs.shape), rng.normal(0, 0.2, designs.shape))
    assert (space.check(mutants) == mutants).all()
    assert (mutants == designs)[~hit].all()
    assert (mutants != designs)[hit & (space.counts > 0)].all()


@given(spaces(), st.integers(0, 2**32 - 1))
def test_distances(space, seed):
    designs = drawn(space, seed, 20)
    far = space.distances(designs, designs)
    assert ((far >= 0) & (far <= 1)).all()
    same = (designs[:, None] == designs[None]).all(2)
    assert (far[same] == 0).all() and (far[~same] > 0).all()
    assert np.allclose(far, far.T)
    ends = space.corners(2)
    assert space.distances(ends[:1], ends[1:]).item() == pytest.approx(1)


def test_a_sequence_counts_as_one_column():
    space = Mixed((Letters("tag", 4, "AB"), Number("x", 0, 1)))
    a, b = np.array([[0, 0, 0, 0, 0.5]]), np.array([[1, 1, 0, 0, 1.0]])
    assert space.distances(a, b).item() == pytest.approx(math.sqrt((0.5**2 + 0.5**2) / 2))


def test_levels_that_are_not_evenly_spaced():
    assert UNEVEN.size == 4 * 2 * 3
    keys = np.arange(UNEVEN.size)
    designs = UNEVEN.from_key(keys)
    assert (UNEVEN.check(designs) == designs).all() and len(np.unique(designs, axis=0)) == UNEVEN.size
    assert (UNEVEN.key(designs) == keys).all() and UNEVEN.key(torch.as_tensor(designs)).tolist() == keys.tolist()
    near = UNEVEN.settle(np.array([[-2.1, 0, 2.5], [5.3, 1, 2.7], [99, 0, 26], [0.4, 0, 27]]))
    assert near.tolist() == [[-3, 0, 1], [10, 1, 7], [10, 0, 7], [0.5, 0, 100]], "the nearest one; of logarithms on a log scale"
    # A small move leads to the next level, on the side that the move has.
    hit, u, up = np.ones((1, 3), bool), np.zeros((1, 3)), np.full((1, 3), 1e-6)
    assert UNEVEN.mutate(near[:1], hit, u, up).tolist() == [[-1, 1, 7]]
    assert UNEVEN.mutate(near[1:2], hit, u, -up).tolist() == [[0.5, 0, 1]]
    with pytest.raises(DesignError, match=r"column 'l' .* is 3; one of the numbers -3, -1, 0.5, 10"):
        UNEVEN.check(np.array([[3.0, 0, 7]]))


def test_keys_number_the_designs():
    assert FINITE.size == 5 * 3 * 4 * 5
    keys = np.arange(FINITE.size)
    designs = FINITE.from_key(keys)
    assert (FINITE.check(designs) == designs).all() and len(np.unique(designs, axis=0)) == FINITE.size
    assert (FINITE.key(designs) == keys).all()
    assert FINITE.key(torch.as_tensor(designs)).tolist() == keys.tolist()
    assert TABLE.size == math.inf
    with pytest.raises(ValueError, match="has no keys"):
        TABLE.key(TABLE.corners(2))


@pytest.mark.parametrize("space", [FINITE, UNEVEN])
def test_uniform_numbers_reach_every_level_equally_often(space):
    counts = np.unique(space.key(drawn(space, 0, 30_000)), return_counts=True)[1]
    wanted = 30_000 / space.size
    assert len(counts) == space.size and (np.abs(counts - wanted) < 6 * np.sqrt(wanted)).all()


@pytest.mark.parametrize("space", [TABLE, FINITE, UNEVEN, Mixed((Number("x", 0, 1),)), Mixed((Category("c", "ab"),))])
def test_misfits_are_refused(space):
    for designs in space.misfits().values():
        with pytest.raises(DesignError):
            space.check(designs)
    corners = space.corners(8)
    assert (space.check(corners) == corners).all() and len(np.unique(corners[:2], axis=0)) == 2


def test_refusals_name_the_column():
    designs = TABLE.corners(3)
    designs[1, 0] = 22
    with pytest.raises(DesignError, match=r"design 1, column 'temperature' .* is 22; allowed 20 to 80 in steps of 5"):
        TABLE.check(designs)


def test_designs_can_be_read():
    assert TABLE.readable(TABLE.low) == "temperature=20, acid=0.001, cycles=1, share=0.1, solvent=DMSO, tag=AAA, units=8"
    assert TABLE.describe() == "5 numbers, 1 category, 1 sequence"
    third = TABLE.settle(TABLE.low[None] + 0.2)[0]
    assert TABLE.values(third)["share"] == 0.3, "0.1 + 2 * 0.1 is written as 0.3"
    assert [column.describe() for column in TABLE.columns] == [
        "number from 20 to 80 in steps of 5",
        "number from 0.001 to 10, log scale",
        "whole number from 1 to 9",
        "number from 0.1 to 0.7 in steps of 0.1",
        "one of DMSO, THF, water",
        "sequence of 3 letters of ACGT",
        "one of the whole numbers 8, 16, 64, 512, log scale",
    ]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Number("x", 1, 1), "low below high"),
        (lambda: Number("x", 0, math.inf), "finite bounds"),
        (lambda: Number("x", 0, 1, log=True), "positive bounds"),
        (lambda: Number("x", 0.5, 2, integer=True), "whole"),
        (lambda: Number("x", 0, 1, step=0.3), "whole steps"),
        (lambda: Number("x", 1, 9, step=2, levels=(1, 5, 9)), "levels or a step"),
        (lambda: Number("x", 1, 10, levels=(1, 5, 9)), "lowest to its highest level; got 1 to 10"),
        (lambda: Number("x", 1, 9, integer=True, levels=(1, 5.5, 9)), "whole"),
        (lambda: Number("x", 1, 9, levels=(1, math.nan, 9)), "finite levels; got 1, nan, 9"),
        (lambda: Number("x", 1, 1, levels=(1,)), "low below high"),
        (lambda: Category("x", ("a",)), "two or more"),
        (lambda: Category("x", ("a", "a")), "different"),
        (lambda: Letters("x", 3, "A"), "two or more"),
        (lambda: Mixed(()), "at least one column"),
        (lambda: Mixed((Number("x", 0, 1), Category("x", "ab"))), "'x' comes more than once"),
    ],
)
def test_bad_columns_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
