"""Accuracy of predictions, against scipy."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch.testing import assert_close

from bbo.surrogates.diagnostics import accuracy, mixture, spearman

pytestmark = pytest.mark.numerics


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=3, max_size=30))
def test_spearman_with_ties_is_scipys(pairs):
    a, b = torch.tensor(pairs).double().T
    if len(set(a.tolist())) == 1 or len(set(b.tolist())) == 1:
        assert spearman(a, b) is None
    else:
        assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-12)


def test_accuracy():
    generator = torch.Generator().manual_seed(0)
    mean, y = torch.randn(2, 50, generator=generator)
    std = torch.rand(50, generator=generator) + 0.5
    found = accuracy(mean, std, y)
    assert found["rmse"] == pytest.approx((mean - y).square().mean().sqrt().item(), rel=1e-6)
    assert found["nll"] == pytest.approx(-stats.norm(mean, std).logpdf(y).mean(), rel=1e-5)
    assert accuracy(mean, None, y)["nll"] is None


def test_mixture_has_the_moments_of_its_draws():
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(5, 3, 2, generator=generator)
    draws = outputs[..., :1] + outputs[..., 1:].exp() * torch.randn(5, 3, 200_000, generator=generator)
    mean, std = mixture(outputs)
    pooled = draws.transpose(0, 1).flatten(1)
    assert_close(mean, pooled.mean(1), atol=2e-2, rtol=0)
    assert_close(std, pooled.std(1), atol=2e-2, rtol=1e-2)
