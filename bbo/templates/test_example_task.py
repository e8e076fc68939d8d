"""example-task meets the interface, and is what its description says."""

from pathlib import Path

import numpy as np
import pytest

from bbo.catalogue import load_task
from bbo.testing import tasks

REFERENCE = f"{Path(__file__).with_name('example_task.py')}:ExampleTask"
TASK = load_task(REFERENCE)
CHECKS = tasks.checks(TASK)


@pytest.mark.parametrize("name", CHECKS)
def test_interface(name: str) -> None:
    """The checks of `bbo check`."""
    CHECKS[name]()


def test_there_is_something_to_find() -> None:
    """Random designs do not reach the top, and some designs beat the best visible one. Replace this by what you know of your task."""
    designs = TASK.spec.space.from_unit(np.random.default_rng(0).random((5000, *TASK.spec.space.shape)))
    scores = TASK.normalise(TASK.score(designs))
    assert TASK.normalise(np.array(TASK.spec.best_visible)) < scores.max() <= 1.0
    assert np.median(scores) < 0.8
