"""Plain gradient ascent against its closed form."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from bbo.search.ascent import ascend, gradient_of

pytestmark = pytest.mark.numerics


def test_ascent_on_a_quadratic_is_geometric_for_every_start_in_the_batch():
    start = torch.randn(4, 7, 3, dtype=torch.float64)
    seen = []
    found = ascend(gradient_of(lambda x: -0.5 * x.square().sum(-1)), start, 10, 0.1, lambda step, x: seen.append(step))
    assert_close(found, start * 0.9**10)
    assert seen == list(range(1, 11))
    assert not found.requires_grad
