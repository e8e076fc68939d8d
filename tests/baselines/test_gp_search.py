"""What makes gp-search itself: all rows, the true top of its posterior mean, and a batch of different designs."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from bbo.baselines.gp_search import GPSearch
from bbo.problem import Problem
from bbo.surrogates import sequence_gaussian_process as sequences
from bbo.testing.methods import SPACES, make_problem


def test_on_a_small_space_the_batch_is_the_top_of_the_table():
    problem = make_problem(SPACES["sequence"], 50)
    found = GPSearch().propose(problem)
    assert len(torch.unique(found, dim=0)) == 50
    assert problem.notes["different"] == 50


def test_the_search_in_a_large_space_finds_what_looking_at_everything_finds(monkeypatch):
    everything = GPSearch().propose(make_problem(SPACES["sequence"], 50))
    monkeypatch.setattr(sequences, "LARGEST_TABLE", 0)
    searched = GPSearch().propose(make_problem(SPACES["sequence"], 50))
    common = {tuple(row) for row in everything.tolist()} & {tuple(row) for row in searched.tolist()}
    assert len(common) >= 48


@pytest.mark.numerics
def test_many_rows_go_through_inducing_points_with_nearly_the_same_result():
    exact = GPSearch().propose(make_problem(SPACES["box"], 8))
    few = dataclasses.replace(GPSearch(), exact_rows=100, inducing=200).propose(make_problem(SPACES["box"], 8))
    assert not torch.equal(exact, few)
    torch.testing.assert_close(exact, few, rtol=0, atol=0.2)


@pytest.mark.numerics
def test_it_finds_the_hidden_top_of_a_bowl_upside_down():
    problem = make_problem(SPACES["box"], 8)
    low, high = torch.tensor([problem.space.low, problem.space.high])

    def score(x):
        return -((x - low) / (high - low) - 0.6).square().sum(1)

    shown = problem.x[score(problem.x) < -0.2]
    found = GPSearch().propose(Problem(shown, score(shown), problem.space, 8, problem.generator))
    assert score(found).min() > -0.02
