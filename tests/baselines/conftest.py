"""The smoke runs of a method on the made-up spaces, made once for all tests on one of pytest's workers."""

from functools import cache

import pytest

from bbo import catalogue
from bbo.testing import golden


@pytest.fixture(scope="session")
def runs_of():
    """From a method's name to its runs by space; all conformance tests of a method share them."""
    return cache(lambda name: golden.runs(catalogue.load_method(name)))


def pytest_generate_tests(metafunc):
    """`method_name` is every method whose packages are here; the tests of one share a worker, so that they share its runs."""
    if "method_name" in metafunc.fixturenames:
        here = [card.spec.id for card in catalogue.cards() if not card.unavailable]
        names = [pytest.param(name, marks=pytest.mark.xdist_group(f"method {name}")) for name in here]
        metafunc.parametrize("method_name", names)
