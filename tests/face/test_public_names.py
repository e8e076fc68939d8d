"""`import bbo`: which names it offers, and that offering them costs nothing."""

import importlib.util
import subprocess
import sys

import pytest

import bbo


def test_importing_loads_no_library():
    code = "import sys, bbo; dir(bbo); print([m for m in ('numpy', 'pandas', 'torch', 'scipy', 'click') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", bbo.__all__)
def test_every_public_name_is_there_and_described(name):
    assert name in dir(bbo)
    value = getattr(bbo, name)
    assert name == "__version__" or value.__doc__


@pytest.mark.parametrize("name", bbo.__all__)
def test_no_public_name_is_that_of_a_module(name):
    """Importing `bbo.NAME` would replace the function of this name."""
    found = None if name == "__version__" else importlib.util.find_spec(f"bbo.{name}")
    assert found is None or found.origin is None  # a folder that Git left behind is not a module


def test_every_name_has_a_home_and_no_home_is_left_over():
    assert sorted({*bbo._HOMES, "__version__"}) == sorted(bbo.__all__)


def test_an_unknown_name_says_which_there_are():
    with pytest.raises(AttributeError, match=r"public names: .*load_task"):
        _ = bbo.load_tasks
