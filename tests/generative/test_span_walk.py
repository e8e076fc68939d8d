"""Walks by products of rows: the walks by coordinates, and the right one of the two is taken."""

import pytest
import torch

from bbo.generative import span_walk
from bbo.generative.synthetic_pairs import walk
from bbo.surrogates.gaussian_process import RBF, fit

pytestmark = pytest.mark.numerics


def problem(d, rows=60, seed=0):
    """A posterior on random rows, with repeated ones, and starts of which half are rows."""
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.randn(rows, d, generator=generator), torch.randn(rows, generator=generator)
    x[-5:] = x[:5]
    starts = torch.cat([x[:10], torch.randn(10, d, generator=generator)])
    lengthscale = (2 * d) ** 0.5
    return fit(x, y, RBF(lengthscale, 6.25)), starts, 0.05 * (lengthscale / 6.25) ** 2


@pytest.mark.parametrize("d", [100, 700])
def test_the_walks_are_those_by_coordinates(monkeypatch, d):
    posterior, starts, step_size = problem(d)
    assert span_walk.pays(posterior)
    found = walk(posterior, starts, 100, step_size)
    monkeypatch.setattr(span_walk, "pays", lambda posterior: False)
    wanted = walk(posterior, starts, 100, step_size)
    length = (wanted[1] - wanted[0])[:, :-1].norm(dim=1).min()
    assert length > 1  # they lead somewhere
    # 100 steps of float32 rounding: squares of about d lose d 2^-24 each, a share of the squared length of walks near sqrt(d)
    torch.testing.assert_close(found, wanted, atol=1e-4 * float(length), rtol=1e-4)


def test_short_designs_walk_by_coordinates():
    assert not span_walk.pays(problem(20)[0])


def test_a_step_costs_the_same_for_longer_designs():
    """Within a step no tensor has the designs' length."""
    from torch.utils.flop_counter import FlopCounterMode

    def per_step(d):
        posterior, starts, step_size = problem(d)
        signed = torch.full((len(starts), 1), step_size)
        counts = []
        for steps in (5, 15):
            with FlopCounterMode(display=False) as counter:
                span_walk.walk_in_span(posterior, starts, steps, signed)
            counts.append(counter.get_total_flops())
        return (counts[1] - counts[0]) / 10

    assert per_step(100) == per_step(2000) > 0
