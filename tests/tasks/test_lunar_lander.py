"""The lander's loop and controller, against gymnasium's own demonstration."""

import numpy as np
import pytest

from bbo.tasks.lunar_lander import PUBLISHED, LunarLander, environment, flight


def test_published_constants_fly_as_gymnasiums_demonstration_does():
    lander = environment()
    heuristic = type(lander).step.__globals__["heuristic"]
    for seed in range(3):
        state, _ = lander.reset(seed=seed)
        total, over = 0.0, False
        while not over:
            state, reward, over, _, _ = lander.step(heuristic(lander, state))
            total += float(reward)
        assert sum(reward for _, reward in flight(np.array(PUBLISHED), seed)) == pytest.approx(total, rel=1e-9)


def test_the_published_constants_score_one():
    task = LunarLander()
    assert task.normalise(task.score(np.array([PUBLISHED], np.float32)))[0] == pytest.approx(1.0, abs=0.01)
