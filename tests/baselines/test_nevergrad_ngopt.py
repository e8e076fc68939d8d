"""Nevergrad's NGOpt: what is said where the package is missing, and that it climbs the surrogate where it is there."""

import importlib.util
import random
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bbo import catalogue
from bbo.baselines import nevergrad_ngopt
from bbo.baselines.nevergrad_ngopt import NevergradNGOpt, converts, globally, optimizer
from bbo.errors import BBOError, Unavailable
from bbo.testing.methods import SPACES, make_problem

pytestmark = pytest.mark.numerics


def test_a_missing_package_is_named(monkeypatch):
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "nevergrad" else there(name, *rest))
    catalogue._listed.cache_clear()
    try:
        with pytest.raises(Unavailable, match=r'needs the package nevergrad: pip install "offline-bbo\[nevergrad\]"'):
            catalogue.load_method("nevergrad-ngopt")
    finally:
        catalogue._listed.cache_clear()


def test_a_numpy_that_does_not_fit_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "nevergrad", SimpleNamespace(__version__="1.0.12"))
    monkeypatch.setattr(nevergrad_ngopt, "converts", lambda: False)
    with pytest.raises(BBOError, match=r"nevergrad 1.0.12 does not work with NumPy"):
        optimizer(np.zeros(3), 10, 0)


def test_the_global_generators_are_seeded_and_restored():
    drawn = []
    for _ in range(2):
        before = np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
        with globally(3):
            drawn.append((np.random.random(), random.random()))  # noqa: NPY002
        assert (np.random.get_state()[1].tolist(), random.getstate()) == before  # noqa: NPY002
    assert drawn[0] == drawn[1]


@pytest.mark.extras
def test_it_climbs_and_designs_differ(monkeypatch):
    pytest.importorskip("nevergrad")
    if not converts():
        pytest.skip("this NumPy does not fit nevergrad")
    torch.set_num_threads(1)
    problem = make_problem(SPACES["box"], 16)
    values = []
    train = NevergradNGOpt.train

    def kept(self, *arguments):
        fitted = train(self, *arguments)
        values.append(lambda designs: fitted.ensemble.mean(problem.encoded().encode(designs)).mean(0))
        return fitted

    monkeypatch.setattr(NevergradNGOpt, "train", kept)
    designs = NevergradNGOpt(**NevergradNGOpt.presets["smoke"]).propose(problem)
    assert len(torch.unique(designs, dim=0)) == 16
    assert values[0](designs).mean() > values[0](problem.x[problem.starts()]).mean() + 0.1
