"""The made-up laboratory, as a fixture: test modules cannot import each other."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def laboratory():
    """The module `laboratory.py`: a space, its true function, and tables of it."""
    spec = importlib.util.spec_from_file_location("laboratory", Path(__file__).parent / "laboratory.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
