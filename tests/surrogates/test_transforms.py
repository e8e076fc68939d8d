"""Transforms of scores keep the order and give mean 0 and deviation 1."""

from __future__ import annotations

import pytest
import torch

from bbo.surrogates.transforms import TRANSFORMS, normal_ranks

pytestmark = pytest.mark.numerics


def test_every_transform_keeps_the_order_and_standardises():
    y = torch.randn(200, generator=torch.Generator().manual_seed(0)).exp()
    for transform in TRANSFORMS.values():
        found = transform(y)
        assert torch.equal(found.argsort(), y.argsort())
        assert found.mean().abs() < 1e-9
        torch.testing.assert_close(found.square().mean(), torch.ones((), dtype=torch.float64))


def test_equal_scores_stay_equal_and_a_constant_table_is_zero():
    found = normal_ranks(torch.tensor([1.0, 2.0, 2.0, 3.0]))
    assert found[1] == found[2]
    assert found[0] == -found[3]
    for transform in TRANSFORMS.values():
        assert torch.equal(transform(torch.full((5,), 2.0)), torch.zeros(5, dtype=torch.float64))


def test_ranks_do_not_see_how_large_the_largest_score_is():
    assert torch.equal(normal_ranks(torch.tensor([1.0, 2.0, 3.0])), normal_ranks(torch.tensor([1.0, 2.0, 3e9])))
