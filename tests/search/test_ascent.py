"""Plain gradient ascent and Adam's against their closed forms, and ascents of the best visible designs."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from bbo.problem import Problem
from bbo.search.adam_ascent import adam_ascend, adam_from
from bbo.search.ascent import ascend, from_best, gradient_of
from bbo.space import Continuous

pytestmark = pytest.mark.numerics


def test_ascent_on_a_quadratic_is_geometric_for_every_start_in_the_batch():
    start = torch.randn(4, 7, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    seen = []
    found = ascend(gradient_of(lambda x: -0.5 * x.square().sum(-1)), start, 10, 0.1, lambda step, x: seen.append(step))
    assert_close(found, start * 0.9**10)
    assert seen == list(range(1, 11))
    assert not found.requires_grad


def test_adam_goes_up_and_leaves_the_starts_as_they_were():
    top = torch.tensor([0.5, -2.0])
    start = torch.tensor([[0.0, 0.0], [3.0, -3.0]])
    before, seen = start.clone(), []
    found = adam_ascend(lambda x: top - x, start, 500, 0.05, lambda step, x: seen.append(step))
    assert_close(found, top.expand(2, 2), rtol=0, atol=0.01)
    assert torch.equal(start, before) and seen == list(range(1, 501))


@pytest.mark.parametrize("eps", [1e-8, 1e-7])
def test_adams_first_step_shows_its_epsilon(eps):
    """The first step is g / (|g| + eps) of the step size, upwards where g is positive."""
    slope = torch.tensor([[1e-7, -1e-7, 1.0]], dtype=torch.float64)
    found = adam_ascend(lambda x: slope, torch.zeros(1, 3, dtype=torch.float64), 1, 0.1, eps=eps)
    assert_close(found, 0.1 * slope / (slope.abs() + eps))
    if eps == 1e-8:
        assert torch.equal(found, adam_ascend(lambda x: slope, torch.zeros(1, 3, dtype=torch.float64), 1, 0.1)), (
            "torch's is the default"
        )


def boxed(listener=None):
    """Three designs of [0, 10]^2 whose scores are not in their order, and a budget of four."""
    x, y = torch.tensor([[1.0, 1.0], [9.5, 5.0], [4.0, 2.0]]), torch.tensor([0.0, 2.0, 1.0])
    return Problem(x, y, Continuous.box(2, 0, 10), 4, torch.Generator().manual_seed(0), listener=listener)


@pytest.mark.parametrize("view", [True, False])
def test_the_best_designs_are_moved_up_in_the_view_asked_for(view):
    reported = []
    problem = boxed(lambda step, total, designs: reported.append((step, total, designs())))
    data = problem.encoded(standardise=view)
    up = torch.tensor([1.0, -0.5])
    found = from_best(problem, lambda x: up.expand_as(x), 4, 0.25, data)
    wanted = problem.x[[1, 2, 0, 1]] + up * (data.x_std if view else 1.0)
    assert_close(found, wanted.clamp(0, 10))
    assert found[0, 0] == 10, "clipped to the box"
    assert [(step, total) for step, total, _ in reported] == [(step, 4) for step in range(1, 5)]
    assert torch.equal(reported[-1][2], found)


def test_z_scores_are_the_usual_view():
    def rule(x):
        return -x

    problem = boxed()
    assert torch.equal(from_best(problem, rule, 3, 0.1), from_best(problem, rule, 3, 0.1, problem.encoded()))


def test_adam_moves_given_starts_and_decodes_them():
    reported = []
    problem = boxed(lambda step, total, designs: reported.append((step, total)))
    data = problem.encoded()
    found = adam_from(problem, lambda x: torch.ones_like(x), data.x[:1], 2, 0.1)
    assert_close(found, problem.x[:1] + 0.2 * data.x_std)
    assert reported == [(1, 2), (2, 2)]
