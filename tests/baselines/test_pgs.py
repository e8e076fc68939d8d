"""PGS: the policy decides how far each coordinate of each design climbs; policies are compared by neighbours."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from bbo.baselines import pgs
from bbo.baselines.pgs import PGS, neighbourhood
from bbo.testing.methods import SPACES, make_problem

pytestmark = pytest.mark.numerics


class Fixed:
    """A policy that always takes the same step sizes."""

    def __init__(self, size):
        self.size = torch.tensor(size)

    def best(self, x):
        return self.size.expand_as(x)


def test_the_policys_step_sizes_scale_the_surrogates_gradient():
    problem = make_problem(SPACES["box"], 4)
    method = PGS(**PGS.presets["smoke"] | {"steps": 1})
    ensemble = method.train(problem).ensemble
    x = problem.encoded().x[:5].clone().requires_grad_()
    slope = torch.autograd.grad(ensemble.mean(x)[0].sum(), x)[0]
    size = [1.0, 0.0, -0.5, 0.25]
    found = method.search(ensemble, Fixed(size), x.detach(), "continuous")
    assert_close(found, x.detach() + 0.05 * math.sqrt(4) * torch.tensor(size) * slope)


def test_a_policy_of_zero_stays_where_it_is():
    problem = make_problem(SPACES["sequence"], 4)
    method = PGS(**PGS.presets["smoke"])
    x = problem.encoded().x[:5]
    assert torch.equal(method.search(method.train(problem).ensemble, Fixed([0.0]), x, "sequence"), x)


def test_trajectories_visit_the_best_share_only():
    problem = make_problem(SPACES["box"], 4)
    method = PGS(**PGS.presets["smoke"] | {"top": 0.2})
    transitions = method.transitions(problem, method.train(problem).ensemble)
    y = problem.encoded().y
    assert len(transitions.y) == math.ceil(0.2 * len(y))
    assert transitions.y.min() >= y.sort().values[-len(transitions.y)]


def test_neighbourhood_is_the_mean_score_of_the_nearest():
    x, y = torch.tensor([[0.0], [1.0], [2.0], [10.0]]), torch.tensor([1.0, 2.0, 3.0, 50.0])
    assert_close(neighbourhood(torch.tensor([[0.9], [9.0]]), x, y, 2), torch.tensor([1.5, 26.5]))


def test_the_best_checkpoint_is_returned(monkeypatch):
    """Of three that lead elsewhere: to middling rows, to the best, to the worst."""
    problem = make_problem(SPACES["box"], 8)
    data, order = problem.encoded(), problem.best(len(problem.x))
    led = [data.x[order[start : start + 8]] for start in (100, 0, len(order) - 8)]
    ways = iter(led)
    monkeypatch.setattr(PGS, "search", lambda *arguments: next(ways))
    designs = PGS(**PGS.presets["smoke"] | {"updates": 30}).propose(problem)
    assert torch.equal(designs, data.decode(led[1]))
    wanted = [neighbourhood(x, data.x, data.y, 10).max().item() for x in led]
    assert problem.notes["checkpoint_scores"] == pytest.approx(wanted)


def test_the_policies_that_are_compared_have_been_trained(monkeypatch):
    """With the method's own settings; their actions change from one checkpoint to the next."""
    made, actions, settings = [], [], pgs.ActorCritic

    def watched(*arguments, **named):
        made.append(settings(*arguments, **named))
        return made[-1]

    def search(self, ensemble, policy, x, kind):
        with torch.no_grad():
            actions.append(policy.best(x))
        return x

    monkeypatch.setattr(pgs, "ActorCritic", watched)
    monkeypatch.setattr(PGS, "search", search)
    own = {"policy_rate": 0.02, "discount": 0.8, "caution": 4.0, "draws": 3}
    PGS(**PGS.presets["smoke"] | own).propose(make_problem(SPACES["box"], 8))
    (one,) = made
    assert (one.learning_rate, one.discount, one.caution, one.draws) == (0.02, 0.8, 4.0, 3)
    first, last = actions
    assert (last - first).abs().max() > 0.01
