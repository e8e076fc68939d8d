"""Encoding is Design-Bench's, and decoding undoes it."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from bbo.encoding import Encoded
from bbo.errors import DesignError
from bbo.problem import Problem
from bbo.space import Category, Continuous, Mixed, Number, Sequence

pytestmark = pytest.mark.numerics

CPU = torch.device("cpu")


def tables(letters, rows, seed):
    u = np.random.default_rng(seed).random((rows, len(letters)))
    space = Sequence(tuple(letters))
    return space, torch.as_tensor(space.from_unit(u)), torch.as_tensor(u.sum(1).astype(np.float32))


@given(st.lists(st.integers(2, 20), min_size=1, max_size=10), st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_decode_undoes_encode(letters, rows, seed):
    space, x, y = tables(letters, rows, seed)
    encoded = Encoded.of(space, x, y)
    assert encoded.x.shape == (rows, space.dim)
    assert torch.equal(encoded.decode(encoded.x), x)
    assert torch.equal(encoded.decode(encoded.encode(x)), x)


def test_rows_repeat_in_order_up_to_the_budget():
    space, x, y = tables([3, 3], 3, 0)
    problem = Problem(x, y, space, 8, torch.Generator().manual_seed(0))
    assert problem.repeated(torch.tensor([7, 9])).tolist() == [7, 9] * 4
    assert problem.repeated(torch.arange(20)[:, None]).flatten().tolist() == list(range(8))
    assert torch.equal(problem.starts(), problem.repeated(problem.best(8)))


def test_logits_follow_the_definition():
    """The logit log p_c - log p_0 with p = 0.6 onehot + 0.4 / C, computed the long way."""
    space = Sequence((4, 2, 3))
    x = torch.tensor([[0, 0, 0], [1, 1, 1], [3, 0, 2]])
    wanted = []
    for row in x.tolist():
        line = []
        for letter, count in zip(row, space.letters, strict=True):
            p = 0.4 / count + 0.6 * np.eye(count)[letter]
            line += (np.log(p) - np.log(p[0]))[1:].tolist()
        wanted.append(line)
    assert_close(space.codec(CPU).encode(x), torch.tensor(wanted))


@given(st.integers(2, 60), st.integers(0, 2**32 - 1))
def test_scores_and_columns_are_standardised(rows, seed):
    space, x, y = tables([4, 3], rows, seed)
    encoded = Encoded.of(space, x, y)
    varying = encoded.x.double().std(0, correction=0) > 0
    assert_close(encoded.x.mean(0), torch.zeros(space.dim), atol=1e-4, rtol=0)
    if varying.any():
        assert_close(encoded.x[:, varying].std(0, correction=0), torch.ones(int(varying.sum())), atol=1e-4, rtol=0)
    assert encoded.y.mean().item() == pytest.approx(0, abs=1e-4)
    assert encoded.standardise(encoded.y_mean) == pytest.approx(0)


def test_a_constant_table_keeps_its_scale():
    encoded = Encoded.of(Continuous.box(2, 0.0, 1.0), torch.full((5, 2), 0.5), torch.ones(5))
    assert encoded.x.eq(0).all()
    assert encoded.y.eq(0).all()


@given(st.integers(0, 2**32 - 1))
def test_decoded_points_stay_in_the_box(seed):
    space = Continuous((-1.0, 0.1), (1.0, 0.3))
    x = torch.as_tensor(space.from_unit(np.random.default_rng(seed).random((20, 2))))
    encoded = Encoded.of(space, x, x.sum(1))
    space.check(encoded.decode(encoded.x * 100).numpy())
    assert_close(encoded.decode(encoded.x), x)


def test_the_unstandardised_view_has_the_codecs_own_numbers():
    space, x, y = tables([4, 2, 3], 30, 0)
    raw, scaled = Encoded.of(space, x, y, standardise=False), Encoded.of(space, x, y)
    assert torch.equal(raw.x, space.codec(CPU).encode(x))
    assert torch.equal(raw.encode(x[:5]), raw.x[:5])
    assert torch.equal(raw.decode(raw.x + 0.1), x)
    assert torch.equal(raw.y, scaled.y), "scores are z-scored in both views"
    assert not torch.allclose(raw.x, scaled.x)
    assert raw.dim == scaled.dim == space.dim


def test_points_outside_the_box_are_clipped_in_both_views():
    space = Continuous((-1.0, 0.1), (1.0, 0.3))
    x = torch.as_tensor(space.from_unit(np.random.default_rng(0).random((20, 2))))
    raw = Encoded.of(space, x, x.sum(1), standardise=False)
    assert torch.equal(raw.x, x)
    assert_close(raw.decode(torch.tensor([[5.0, 0.2], [-5.0, 9.0]])), torch.tensor([[1.0, 0.2], [-1.0, 0.3]]))


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (Sequence((4, 2, 3)), "design 1, position 0 is -1, allowed 0 to 3; vectors with NaN are decoded to -1"),
        (Continuous.box(3, 0, 1), "designs must be finite; got nan at design 1"),
        (
            Mixed((Category("c", "abc"), Number("n", 0, 9, integer=True), Number("l", 1, 9, levels=(1, 3, 9)))),
            "design 1, column 'c' (position 0) is nan; must be finite",
        ),
    ],
)
def test_vectors_with_nan_are_decoded_to_no_valid_design(space, words):
    codec = space.codec(CPU)
    vectors = codec.encode(torch.as_tensor(space.corners(2)))
    for place in range(space.dim):
        spoiled = vectors.clone()
        spoiled[1, place] = torch.nan
        found = codec.decode(spoiled)
        assert torch.equal(found[0], codec.decode(vectors)[0])
        with pytest.raises(DesignError, match="design 1"):
            space.check(found.numpy())
    spoiled[1] = torch.nan
    with pytest.raises(DesignError, match=re.escape(words)):
        space.check(codec.decode(spoiled).numpy())


def test_bounds_are_those_of_the_box_in_the_views_own_units():
    space = Continuous((-1.0, 2.0), (1.0, 6.0))
    x = torch.tensor([[-0.5, 3.0], [0.5, 5.0]])
    low, high = Encoded.of(space, x, torch.tensor([0.0, 1.0])).bounds()
    assert_close(low, torch.tensor([-2.0, -2.0]))
    assert_close(high, torch.tensor([2.0, 2.0]))


@pytest.mark.parametrize("space", [Sequence((4, 3)), Mixed((Number("n", 0, 1), Category("c", "abc")))])
def test_only_boxes_have_bounds(space):
    x = torch.as_tensor(space.corners(4))
    with pytest.raises(ValueError, match=f"this one is {space.kind}"):
        Encoded.of(space, x, torch.arange(4.0)).bounds()
