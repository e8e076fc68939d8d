"""BDI: both regressions, their gradient, and that starts in one batch go where each would go alone."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from bbo.baselines import bdi
from bbo.baselines.bdi import BDI, _evenly_by_score
from bbo.testing.methods import SPACES, make_problem

pytestmark = pytest.mark.numerics


@pytest.fixture
def made():
    problem = make_problem(SPACES["box"], 8, rows=60)
    method = BDI(gamma_box=0.3)
    x = problem.encoded().x[problem.starts()].double()
    moved = x + 0.1 * torch.randn(x.shape, generator=problem.generator, dtype=torch.float64)
    return method.regression(problem), moved


def loss(regression, x, direction, label=10.0):
    """One design's loss, by autograd's way: kernel values by matrices, the regression on one design solved in full."""
    kernel, y = regression.kernel, regression.y
    found = torch.zeros((), dtype=torch.float64)
    if direction != "backward":
        found = found + 0.5 * (kernel.meet(x[None]).matrix[0] @ regression.dual - label) ** 2
    if direction != "forward":
        own = 6 * x.square().sum() / (32 * len(x))  # g(1) = 6 for five hidden layers
        back = type(kernel).of(x[None], kernel.depth).meet(kernel.x).matrix[:, 0]
        found = found + 0.5 * (regression.weight * (back / own * label - y) ** 2).sum()
    return found


@pytest.mark.parametrize("direction", ["both", "forward", "backward"])
def test_the_gradient_is_that_of_the_loss(made, direction):
    regression, x = made
    gradient = regression.gradient(x, 10.0, direction)
    for row in (0, 5):
        for place in (0, 3):
            step = torch.zeros_like(x[row])
            step[place] = 1e-5
            difference = (loss(regression, x[row] + step, direction) - loss(regression, x[row] - step, direction)) / 2e-5
            assert_close(gradient[row, place], difference, rtol=1e-4, atol=1e-6)


def test_weights_sum_to_one_and_favour_better_rows(made):
    regression, _ = made
    assert_close(regression.weight.sum(), torch.ones((), dtype=torch.float64))
    assert regression.weight[regression.y.argmax()] == regression.weight.max() > regression.weight.min()


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_one_batch_goes_where_single_starts_go(space):
    method = BDI(**BDI.presets["smoke"])
    together = method.propose(make_problem(space, 4))
    one = method.propose(make_problem(space, 1))
    assert_close(together[:1], one)


def test_nothing_is_random():
    method = BDI(**BDI.presets["smoke"])
    problem = make_problem(SPACES["box"], 4)
    first = method.propose(problem)
    assert torch.equal(first, method.propose(problem))


def test_both_losses_fall(made):
    regression, x = made
    for direction in ("forward", "backward"):
        moved = x - 1e-3 * regression.gradient(x, 10.0, direction).sign()
        assert all(loss(regression, b, direction) < loss(regression, a, direction) for a, b in zip(x, moved, strict=True))


def test_rows_are_spread_over_the_scores_with_both_ends():
    y = torch.randn(100, generator=torch.Generator().manual_seed(0))
    rows = _evenly_by_score(y, 10)
    assert len(set(rows.tolist())) == 10
    assert {y.argmax().item(), y.argmin().item()} <= set(rows.tolist())
    assert torch.equal(_evenly_by_score(y, 200), torch.arange(100))


@pytest.mark.parametrize("direction", ["both", "forward", "backward"])
def test_designs_move_down_the_terms_of_the_direction(monkeypatch, direction):
    searches = []
    monkeypatch.setattr(bdi, "adam_from", lambda *arguments: searches.append(arguments))
    problem = make_problem(SPACES["box"], 8)
    method = BDI(**BDI.presets["smoke"] | {"direction": direction, "gamma_box": 0.3, "label": 7.0})
    method.propose(problem)
    ((_, uphill, x, steps, size),) = searches
    assert (steps, size) == (20, 0.05) and torch.equal(x, problem.encoded().x[problem.starts()].double())
    regression = method.regression(problem)
    down = {terms: regression.gradient(x, 7.0, terms) for terms in ("both", "forward", "backward")}
    assert_close(uphill(x), -down[direction])
    assert_close(down["both"], down["forward"] + down["backward"])
    assert min(down[terms].abs().max() for terms in ("forward", "backward")) > 1e-3
