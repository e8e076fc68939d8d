"""The controls reach their stated optima where the literature says, and nowhere more."""

import numpy as np
import pytest

from bbo.catalogue import load_task
from bbo.tasks.controls import POOL, pool

pytestmark = pytest.mark.numerics

HARTMANN = [0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573]
OPTIMA = {
    "branin": [[-np.pi, 12.275], [np.pi, 2.275], [9.42478, 2.475]],
    "hartmann-6": [HARTMANN],
    "ackley-20": [[0.0] * 20],
    "rosenbrock-60": [[1.0] * 60],
    "levy-60": [[1.0] * 60],
}


@pytest.mark.parametrize("name", OPTIMA)
def test_optimum(name):
    task = load_task(name)
    scores = task.normalise(task.score(np.array(OPTIMA[name])))
    np.testing.assert_allclose(scores, 1.0, atol=1e-6)
    assert task.score(pool(task.spec.space)).max() < task.spec.optimum


@pytest.mark.parametrize("name", OPTIMA)
def test_pool_is_uniform_and_half_of_it_visible(name):
    task = load_task(name)
    space = task.spec.space
    unit = (pool(space) - np.array(space.low)) / (np.array(space.high) - np.array(space.low))
    assert unit.shape == (POOL, space.dim)
    np.testing.assert_allclose(unit.mean(axis=0), 0.5, atol=0.02)
    np.testing.assert_allclose(unit.std(axis=0), 12**-0.5, atol=0.02)
    assert len(task.dataset().y) == POOL // 2
