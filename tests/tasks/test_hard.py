"""Hard variants keep the order of their parents, and random designs are far from their top."""

import numpy as np
import pytest

from bbo import catalogue, protocol
from bbo.tasks.parts.regret import log_regret

HARD = {
    "tfbind8-hard": "tfbind8",
    "nas-bench-201-hard": "nas-bench-201-imagenet16",
    "hpo-hard": "hpo-naval",
    "branin-hard": "branin",
}


@pytest.mark.parametrize("name", HARD)
def test_same_order_as_the_parent(name):
    hard, parent = catalogue.load_task(name), catalogue.load_task(HARD[name])
    x = parent.spec.space.from_unit(np.random.default_rng(0).random((3000, *parent.spec.space.shape)))
    y = parent.score(x)
    order = np.argsort(y, kind="stable")
    step = np.diff(hard.score(x)[order])
    assert (step >= 0).all()
    assert (step > 0)[np.diff(y[order]) > 1e-4 * (parent.spec.y_max - parent.spec.y_min)].mean() > 0.99
    assert hard.visible().y.max() <= np.percentile(hard.score(x), 25)


@pytest.mark.parametrize("name", HARD)
def test_random_designs_stay_under_0_8_and_a_perfect_ranking_reaches_1(name):
    task = catalogue.load_task(name)
    rng = np.random.default_rng(0)
    x = task.spec.space.from_unit(rng.random((40, protocol.BUDGET, *task.spec.space.shape)).reshape(-1, *task.spec.space.shape))
    assert task.normalise(task.score(x)).reshape(40, -1).max(1).mean() < 0.8
    best = (
        np.array([[np.pi, 2.275]], np.float32)
        if name == "branin-hard"
        else task.spec.space.from_key(np.arange(task.spec.space.size))
    )
    assert task.normalise(task.score(best)).max() == pytest.approx(1.0, abs=0.01)


def test_every_tenth_of_the_regret_gains_the_same():
    y = 1 - np.array([1.0, 1e-1, 1e-2, 1e-3, 0.0])
    assert log_regret(y, 0.0, 1.0, 1e-9) == pytest.approx([0, 1 / 9, 2 / 9, 3 / 9, 1], abs=1e-6)
    assert log_regret(np.array([-1.0, 2.0]), 0.0, 1.0, 1e-9) == pytest.approx([0, 1], abs=1e-6)
