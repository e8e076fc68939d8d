"""BO-qEI on known posteriors, and what it proposes."""

from __future__ import annotations

import pytest
import torch

from bbo.baselines.bo_qei import BOqEI
from bbo.search.expected_improvement import Round, acquisition, fitted, hyperparameters, propose
from bbo.testing.methods import SPACES, make_problem

pytestmark = pytest.mark.numerics


@pytest.fixture(scope="module")
def model():
    """A GP on a line that rises from 0 to 1 and falls again: the top is at 0.6."""
    x = torch.linspace(0, 1, 9, dtype=torch.float64)[:, None]
    return fitted(x, -8 * (x[:, 0] - 0.6).square(), 1e-4, 100)


@pytest.mark.parametrize("kind", ["qei", "qlogei"])
def test_it_picks_the_better_of_two_on_a_known_posterior(model, kind):
    function = acquisition(model, torch.tensor(-0.1, dtype=torch.float64), kind, 256, 0)
    better, worse = function(torch.tensor([[[0.6]], [[0.5]]], dtype=torch.float64))
    assert better > worse


def test_its_value_is_the_expected_improvement_of_the_posterior(model):
    x = torch.tensor([[[0.55]], [[0.3]]], dtype=torch.float64)
    best = torch.tensor(-0.05, dtype=torch.float64)
    posterior = model.posterior(x)
    mean, deviation = posterior.mean.flatten(), posterior.variance.flatten().sqrt()
    u = (mean - best) / deviation
    normal = torch.distributions.Normal(0.0, 1.0)
    wanted = deviation * (normal.log_prob(u).exp() + u * normal.cdf(u))
    torch.testing.assert_close(acquisition(model, best, "qei", 4096, 0)(x), wanted, rtol=0.01, atol=1e-4)


def test_a_batch_is_in_bounds_repeatable_and_near_the_top(model):
    plan = Round("qlogei", 2, 64, 2, 16, 2, 50)
    bounds = torch.tensor([[0.0], [0.9]])
    before = torch.get_rng_state()
    found = propose(model, torch.tensor(-0.1), bounds, plan, 3)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(found, propose(model, torch.tensor(-0.1), bounds, plan, 3))
    assert found.min() >= 0 and found.max() <= 0.9
    assert (found - 0.6).abs().min() < 0.1


def test_a_later_fit_starts_from_the_earlier_one(model):
    x = torch.linspace(0, 1, 11, dtype=torch.float64)[:, None]
    again = fitted(x, -8 * (x[:, 0] - 0.6).square(), 1e-4, 1, hyperparameters(model))
    assert again.covar_module.lengthscale.item() == pytest.approx(model.covar_module.lengthscale.item(), rel=0.5)


def test_visible_designs_compete_with_predictions():
    problem = make_problem(SPACES["box"], 8)
    BOqEI(**BOqEI.presets["smoke"]).propose(problem)
    assert 0 <= problem.notes["new"] <= BOqEI.presets["smoke"]["batch"]
    none = make_problem(SPACES["box"], 8)
    found = BOqEI(**{**BOqEI.presets["smoke"], "rounds": 0, "points": 16}).propose(none)
    torch.testing.assert_close(found, none.x[none.starts()], rtol=1e-4, atol=1e-5)
