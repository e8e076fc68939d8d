"""Interpolated walks: exact for what a polynomial can say, refused where they are not good enough, no dearer than allowed."""

import numpy as np
import pytest
import torch
from scipy.interpolate import BarycentricInterpolator

from bbo.generative.walk_family import CHECKS, ORDERS, _nodes, _weights, affordable, interpolate
from bbo.testing.methods import _watched

pytestmark = pytest.mark.numerics


def walks_of(rule):
    """Walks of three starts in two dimensions whose ends are `rule` of the place, and the number of functions walked on."""
    asked = []

    def walks(places):
        asked.extend(places)
        direction = torch.tensor([[-1.0, -2.0, -1.0], [1.0, 1.0, 3.0]])
        return torch.stack([rule(a, b) * direction[:, None] + torch.arange(3.0)[:, None] for a, b in places])

    return walks, asked


def test_a_polynomial_is_met_by_the_first_order():
    walks, asked = walks_of(lambda a, b: 1 + 0.5 * a**3 - a * b)
    family = interpolate(walks, 3, 1e-5)
    assert family.nodes.shape == (*ORDERS[0], 2, 3, 3)
    assert len(asked) == len(CHECKS) + ORDERS[0][0] * ORDERS[0][1]
    torch.testing.assert_close(family.at((0.1, -0.2)), walks([(0.1, -0.2)])[0])


def test_more_nodes_where_they_are_needed():
    walks, _ = walks_of(lambda a, b: 1 + 0.5 * torch.cos(torch.tensor(2.5 * a + b)))
    family = interpolate(walks, 3, 1e-3)
    assert family.nodes.shape[:2] in ORDERS[1:]
    torch.testing.assert_close(family.at((-0.7, 0.9)), walks([(-0.7, 0.9)])[0], atol=5e-3, rtol=0)
    assert interpolate(walks, 1, 1e-3) is None


def test_a_jump_is_not_interpolated():
    walks, _ = walks_of(lambda a, b: 1.0 + (a > 0.2))
    assert interpolate(walks, len(ORDERS), 1e-3) is None


@pytest.mark.parametrize("check", CHECKS)
def test_walks_that_overflow_at_a_check_are_not_interpolated(check):
    walks, _ = walks_of(lambda a, b: torch.nan if (a, b) == check else 1.0)
    assert interpolate(walks, len(ORDERS), 1e-3) is None


@pytest.mark.parametrize("order", [1, 2, 4, 9])
def test_weights_are_scipys_and_draw_nothing(order):
    for place in (*_nodes(order), -1.0, -0.3, 0.77):
        with _watched() as drawn:
            found = _weights(order, place)
        assert not drawn
        np.testing.assert_allclose(found, BarycentricInterpolator(_nodes(order), np.eye(order))(place), atol=1e-13)


def test_a_draw_from_numpys_global_generator_is_noticed():
    """Also one in the middle of its block of 624 numbers, where the block stays what it is."""
    np.random.rand()  # noqa: NPY002
    with _watched() as drawn:
        np.random.rand()  # noqa: NPY002
    assert drawn == ["NumPy's global generator was used"]


@pytest.mark.parametrize("functions", [0, 1, 9, 10, 27, 28, 63, 64, 800])
def test_affordable(functions):
    orders = affordable(functions)
    cost = [len(CHECKS) + sum(a * b for a, b in ORDERS[:count]) for count in range(1, len(ORDERS) + 1)]
    assert orders == sum(c <= functions for c in cost)
