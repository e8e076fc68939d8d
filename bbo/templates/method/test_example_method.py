"""example-method meets the interface, and does what it is meant to do."""

from pathlib import Path

import pytest

import bbo
from bbo.catalogue import load_method
from bbo.testing import methods

REFERENCE = f"{Path(__file__).with_name('example_method.py')}:ExampleMethod"
CHECKS = methods.checks(load_method(REFERENCE))


@pytest.mark.parametrize("name", CHECKS)
def test_interface(name: str) -> None:
    """The checks of `bbo check`."""
    CHECKS[name]()


def test_every_coordinate_comes_from_a_good_design() -> None:
    """Behaviour of your own: replace this by what your method promises."""
    problem = bbo.load_task("hartmann-6").problem(seed=0)
    designs = bbo.load_method(REFERENCE, parents=3).propose(problem)
    best = problem.x[problem.best(3)]
    assert ((designs[:, None] == best).any(dim=1)).all()
    assert len(designs.unique(dim=0)) > 3
