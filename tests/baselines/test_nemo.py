"""NEMO: the first ascent step raises the expected score, and belief in other scores holds designs back."""

from __future__ import annotations

import itertools

import pytest
import torch

from bbo.baselines.nemo import Nemo
from bbo.surrogates.normalised_likelihood import Models
from bbo.testing.methods import SPACES, make_problem

pytestmark = pytest.mark.numerics

SETTINGS = {"hidden": 32, "bins": 8, "batch_size": 64, "learning_rate": 3e-3, "epochs": 60}


def test_designs_climb_the_expected_score():
    problem = make_problem(SPACES["box"], 16)
    method = Nemo(**SETTINGS, steps=30, step_size_box=0.02)
    fitted, bins = method.train(problem)
    models = Models(fitted.ensemble, bins, 1e-6, 0.05, 1.0)
    data = problem.encoded()
    before = models.expected(data.x[problem.starts()])
    after = models.expected(data.encode(method.propose(make_problem(SPACES["box"], 16))))
    assert after.mean() > before.mean()


def test_the_models_learn_at_every_step_of_the_designs(monkeypatch):
    queries, step = [], Models.step

    def watched(self, x, y, asked):
        queries.append(asked.clone())
        step(self, x, y, asked)

    monkeypatch.setattr(Models, "step", watched)
    problem, method = make_problem(SPACES["box"], 8), Nemo(**Nemo.presets["smoke"])
    method.propose(problem)
    data = problem.encoded()
    assert len(queries) == method.steps
    assert torch.equal(queries[0], data.x[problem.starts()])
    assert all((a != b).any(1).all() for a, b in itertools.pairwise(queries))


def test_belief_changes_the_designs():
    settings = Nemo.presets["smoke"] | {"model_rate": 0.03, "follow": 1.0}
    usual, none = (Nemo(**settings | more).propose(make_problem(SPACES["box"], 8)) for more in ({}, {"belief": 0.0}))
    assert not torch.equal(usual, none)


def test_the_network_ranks_designs():
    problem = make_problem(SPACES["box"], 16)
    fitted, _ = Nemo(**SETTINGS).train(problem)
    data = problem.encoded()
    assert torch.corrcoef(torch.stack([fitted.ensemble.mean(data.x)[0], data.y]))[0, 1] > 0.8


def test_belief_pulls_chances_towards_equal_far_from_the_data():
    """Far away every model can believe what it likes, so the expected score tends to the middle of the bins; on the data it cannot."""
    problem = make_problem(SPACES["box"], 16)
    fitted, bins = Nemo(**SETTINGS).train(problem)
    data = problem.encoded()
    far, near = data.x[problem.starts()] * 6, data.x[problem.starts()]
    shift = {}
    for name, queries in (("far", far), ("near", near)):
        models = Models(fitted.ensemble, bins, 1e-3, 1.0, 4.0)
        spread = bins.values[-1] - bins.values[0]
        for _ in range(100):
            models.step(data.x, data.y, queries)
        shift[name] = (models.network.mean(queries)[-1] - models.network.mean(queries)[0]).mean() / spread
    assert shift["far"] > 2 * shift["near"].abs()
