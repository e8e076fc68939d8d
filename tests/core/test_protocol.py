"""The percentile rule."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from bbo.protocol import percentiles


def test_of_128_scores():
    scores = np.random.default_rng(0).permutation(np.arange(1.0, 129.0))
    assert percentiles(scores) == {"100": 128.0, "80": 103.0, "50": 65.0}


@given(st.integers(0, 2**32 - 1), st.integers(1, 128))
def test_agrees_with_the_reference_rule(seed, distinct):
    """At 128 designs no quantile falls on a rank, where the two libraries may round differently."""
    scores = np.random.default_rng(seed).integers(0, distinct, 128).astype(float)
    reference = torch.quantile(torch.tensor(scores), torch.tensor([1.0, 0.8, 0.5]).double(), interpolation="higher")
    assert list(percentiles(scores).values()) == reference.tolist()
