"""CMA-ES goes up its own ensemble from every start; the search itself is compared with pycma in tests/search/test_cma.py."""

from __future__ import annotations

import pytest
import torch

from bbo.baselines import cma_es
from bbo.baselines.cma_es import CMAES
from bbo.surrogates.gaussian_ensemble import mean_of
from bbo.testing.methods import SPACES, make_problem


@pytest.mark.numerics
def test_every_run_ends_above_its_start(monkeypatch):
    seen = {}

    def kept(objective, start, *arguments, **options):
        seen["start"], seen["objective"] = start, objective
        seen["found"] = search(objective, start, *arguments, **options)
        return seen["found"]

    search = cma_es.cma.search
    monkeypatch.setattr(cma_es.cma, "search", kept)
    CMAES(**{**CMAES.presets["smoke"], "generations": 20}).propose(make_problem(SPACES["box"], 8))
    found, value = seen["found"]
    torch.testing.assert_close(seen["objective"](found), value)
    assert (value > seen["objective"](seen["start"])).all()
    assert seen["objective"].func is mean_of


def test_on_a_mixed_table_it_climbs_to_designs_of_the_space():
    problem = make_problem(SPACES["mixed"], 8)
    designs = CMAES(**{**CMAES.presets["smoke"], "generations": 20}).propose(problem)
    assert (problem.space.check(designs.numpy()) == designs.numpy()).all()
    fitted = CMAES(**CMAES.presets["smoke"]).train(make_problem(SPACES["mixed"], 8))
    encode = problem.encoded().encode
    starts = problem.x[problem.starts()]
    assert mean_of(fitted.ensemble, encode(designs)).mean() > mean_of(fitted.ensemble, encode(starts)).mean()
