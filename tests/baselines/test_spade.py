"""SPADE's search: evolution on a known bound, and the correction for sparse data."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from bbo.baselines.spade import Spade
from bbo.testing.methods import SPACES, make_problem

pytestmark = pytest.mark.numerics


def test_evolution_climbs_stays_in_its_box_and_keeps_the_best():
    problem = make_problem(SPACES["box"], 32)
    method = Spade(**Spade.presets["smoke"] | {"generations": 40})
    seen = []

    def value(x):
        return -(x - 0.5).square().sum(1)

    def bound(x):
        seen.append(x)
        return value(x)

    box = (torch.full((4,), -1.0), torch.full((4,), 1.0))
    start = torch.full((32, 4), -1.0) + 0.01 * torch.rand(32, 4, generator=problem.generator)
    found = method.evolve(problem, bound, start, box)
    assert found.shape == (32, 4)
    assert value(found).max() > -0.2 > value(start).max()
    assert all((x >= -1).all() and (x <= 1).all() for x in seen)
    best = torch.cat(seen)
    assert_close(found[-1], best[value(best).argmax()])


def test_elites_come_first_and_children_blend_them():
    problem = make_problem(SPACES["box"], 8)
    method = Spade(generations=1, blends=1.0)
    x = torch.arange(8.0)[:, None].expand(8, 4)
    found = method.evolve(problem, lambda x: x[:, 0], x, (torch.full((4,), -99.0), torch.full((4,), 99.0)))
    assert_close(found[:4, 0], torch.tensor([7.0, 6.0, 5.0, 4.0]))
    assert ((found[4:] >= 4) & (found[4:] <= 7)).all()
    assert_close(found[:, 0], found[:, 3])


def test_support_in_the_search_lowers_what_lies_far_from_the_data(monkeypatch):
    problem = make_problem(SPACES["box"], 8)
    bounds = {}
    near = problem.encoded().x[:4]
    for support in (False, True):
        method = Spade(**Spade.presets["smoke"] | {"search_support": support})

        def keep(self, problem, bound, x, box, support=support):
            problem.generator.manual_seed(0)
            bounds[support] = bound(torch.cat([near, near + 5]))
            return x

        monkeypatch.setattr(Spade, "evolve", keep)
        method.propose(make_problem(SPACES["box"], 8))
    lowered = bounds[False] - bounds[True]
    assert (lowered[4:] > 0).all()
    assert lowered[4:].min() > lowered[:4].max()


def test_the_surrogate_learns_the_scores():
    problem = make_problem(SPACES["box"], 8)
    settings = {"hidden": 32, "epochs": 50, "learning_rate": 3e-3, "train_steps": 5, "search_samples": 16, "search_steps": 5}
    mean, std = Spade(**settings).surrogate(problem).predict(problem.encoded().x)
    y = problem.encoded().y
    assert torch.corrcoef(torch.stack([mean, y]))[0, 1] > 0.7
    assert (std > 0).all()


@pytest.mark.parametrize("caution", [0.1, 2.0])
def test_the_search_maximises_the_lower_bound(monkeypatch, caution):
    searches = []
    monkeypatch.setattr(Spade, "evolve", lambda self, problem, bound, x, box: searches.append((bound, x)) or x)
    monkeypatch.setattr(Spade, "predict", lambda self, fitted, network, x, starts: (x[:, 0], x[:, 1].abs()))
    Spade(**Spade.presets["smoke"] | {"caution": caution}).propose(make_problem(SPACES["box"], 8))
    ((bound, x),) = searches
    assert_close(bound(x), x[:, 0] - caution * x[:, 1].abs())
