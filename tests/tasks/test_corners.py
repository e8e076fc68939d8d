"""Corners of the space can be scored: methods that climb end there."""

import numpy as np
import pytest

from bbo.catalogue import load_task
from bbo.space import Continuous


@pytest.mark.parametrize("name", ["branin", "hartmann-6", "ackley-20", "rosenbrock-60", "levy-60", "thin-film"])
def test_continuous_tasks_score_their_corners(name):
    task = load_task(name)
    assert isinstance(task.spec.space, Continuous)
    scores = task.score(task.spec.space.corners(2 + 2 * task.spec.space.dim))
    assert np.isfinite(scores).all()


def test_ackley_is_symmetric_up_to_its_bounds():
    """32.768 in float32 is above 32.768 in float64."""
    task = load_task("ackley-20")
    high = np.float32(task.spec.space.high[0])
    assert float(high) > task.spec.space.high[0]
    low, top = task.score(np.array([[-high] * 20, [high] * 20]))
    assert low == pytest.approx(top, abs=1e-12)
    assert task.score(np.full((1, 20), np.nextafter(high, np.float32(0))))[0] == pytest.approx(top, abs=1e-3)
