"""What makes validated-search itself: the table chooses the models, and the batch is theirs."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from bbo import catalogue
from bbo.baselines.gp_search import GPSearch
from bbo.baselines.validated_search import ValidatedSearch, candidates
from bbo.errors import UnknownName
from bbo.problem import Problem
from bbo.space import Continuous
from bbo.surrogates import sequence_gaussian_process as sequences
from bbo.testing.methods import SPACES, make_problem


def _additive(budget: int = 16) -> Problem:
    """The worse half of 600 designs in 20 dimensions, whose score is a sum over the coordinates."""
    generator = torch.Generator().manual_seed(0)
    space = Continuous.box(20, -1.0, 1.0)
    x = 2 * torch.rand(600, 20, generator=generator) - 1
    y = -(x - 0.5).square().sum(1)
    shown = y <= y.median()
    return Problem(x[shown], y[shown], space, budget, generator)


def test_an_additive_landscape_chooses_the_trend_and_its_top_is_found():
    problem = _additive()
    found = ValidatedSearch().propose(problem)
    assert "trend" in problem.notes["averaged"][0]
    assert -(found - 0.5).square().sum(1).median() > -0.3
    plain = GPSearch().propose(_additive())
    assert (found - 0.5).square().sum(1).median() < (plain - 0.5).square().sum(1).median()


def test_the_whole_batch_is_different_where_the_space_has_so_many():
    problem = make_problem(SPACES["sequence"], 50)
    found = ValidatedSearch().propose(problem)
    assert len(torch.unique(found, dim=0)) == 50
    assert problem.notes["different"] == 50


def test_the_search_in_a_large_space_finds_what_looking_at_everything_finds(monkeypatch):
    method = dataclasses.replace(ValidatedSearch(), explore=0.0)
    everything = method.propose(make_problem(SPACES["sequence"], 50))
    monkeypatch.setattr(sequences, "LARGEST_TABLE", 0)
    searched = method.propose(make_problem(SPACES["sequence"], 50))
    common = {tuple(row) for row in everything.tolist()} & {tuple(row) for row in searched.tolist()}
    assert len(common) >= 48


def test_members_propose_only_their_share():
    common = dataclasses.replace(ValidatedSearch(), explore=0.0).propose(make_problem(SPACES["sequence"], 40))
    mixed = dataclasses.replace(ValidatedSearch(), explore=0.25).propose(make_problem(SPACES["sequence"], 40))
    assert torch.equal(common[:30], mixed[:30])


def test_the_plain_kernel_stays_where_no_other_is_better():
    """Every model ranks pure noise as badly, so none may be better beyond noise than the plain one by much."""
    problem = make_problem(SPACES["box"], 8)
    problem = Problem(problem.x, torch.zeros(len(problem.x)), problem.space, 8, problem.generator)
    ValidatedSearch().propose(problem)
    assert problem.notes["averaged"] == ["plain"]


@pytest.mark.parametrize("kind", ["sequence", "box"])
def test_a_model_by_name_proposes_what_it_does_when_validation_chooses_it(kind):
    problem = make_problem(SPACES[kind], 16)
    method = ValidatedSearch(members=1, explore=0.0)
    chosen = method.propose(problem)
    (name,) = problem.notes["averaged"]
    again = make_problem(SPACES[kind], 16)
    assert torch.equal(dataclasses.replace(method, model=name).propose(again), chosen)
    assert "gains" not in again.notes


def test_parts_can_be_left_out():
    problem = make_problem(SPACES["box"], 8)
    dataclasses.replace(ValidatedSearch(), ranks=False, trend=False).propose(problem)
    assert list(problem.notes["gains"]) == ["plain", "noisy", "reach 2", "reach 4"]
    dataclasses.replace(ValidatedSearch(), model="all", ranks=False).propose(problem)
    assert problem.notes["averaged"] == ["plain", "noisy", "trend", "reach 2", "reach 4", "reach 4, trend"]


def test_a_typing_error_in_a_models_name_is_refused_when_planned():
    method = catalogue.load_method("validated-search")
    with pytest.raises(UnknownName, match="did you mean reach 4, ranks"):
        method.config("fast", "branin", {"model": "reach 4, rank"})
    for kind in ("sequence", "box"):
        for model in candidates(SPACES[kind], 8):
            assert method.config("fast", "branin", {"model": model.name}).config["model"] == model.name


def test_a_model_that_does_not_fit_the_space_is_an_error():
    with pytest.raises(UnknownName, match="unknown model 'trend'"):
        dataclasses.replace(ValidatedSearch(), model="trend").propose(make_problem(SPACES["sequence"], 8))
