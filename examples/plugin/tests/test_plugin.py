"""Task and method meet the interface, and the method does what it says."""

import pytest

import bbo
from bbo.catalogue import load_method, load_task
from bbo.testing import methods, tasks

CHECKS = {**tasks.checks(load_task("two-peaks")), **methods.checks(load_method("hill-climb"))}


@pytest.mark.parametrize("name", CHECKS)
def test_interface(name: str) -> None:
    """The checks of `bbo check`."""
    CHECKS[name]()


def test_it_climbs() -> None:
    """Its designs are better than the visible ones it starts from."""
    task = bbo.load_task("two-peaks")
    designs = bbo.load_method("hill-climb").propose(task.problem(seed=0))
    assert task.score(designs).mean() > task.spec.best_visible
