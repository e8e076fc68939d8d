"""The genetic algorithm and AdaLead: they stay in the space, and do what makes them themselves."""

from __future__ import annotations

import itertools

import torch

from bbo.baselines.adalead import AdaLead, leaders, recombined, rollouts, unseen
from bbo.baselines.genetic import Genetic, survivors
from bbo.problem import Problem
from bbo.search.evolution import letter_counts, mutate
from bbo.testing.methods import SPACES, make_problem


def watched(problem):
    """The problem, and every population it is told of."""
    seen = []
    problem._listener = lambda step, total, designs: seen.append(designs) if designs is not None else None
    return problem, seen


def test_genetic_never_leaves_the_space():
    for space in SPACES.values():
        problem, seen = watched(make_problem(space, 16))
        Genetic(**{**Genetic.presets["smoke"], "mutations": 3.0, "noise": 5.0, "generations": 20}).propose(problem)
        assert len(seen) == 20
        for designs in seen:
            space.check(designs.numpy())


def test_survivors_are_the_best_one_of_each_kind():
    designs = torch.tensor([[0, 1], [1, 1], [0, 1], [2, 0]])
    found, values = survivors(designs, torch.tensor([3.0, 1.0, 3.0, 2.0]), 2)
    assert found.tolist() == [[0, 1], [2, 0]] and values.tolist() == [3.0, 2.0]
    assert survivors(designs, torch.tensor([3.0, 1.0, 3.0, 2.0]), 4)[0].tolist() == [[0, 1], [2, 0], [1, 1], [0, 1]]


def test_genetic_population_only_gets_better_by_its_model(monkeypatch):
    from bbo.baselines import genetic

    history = []

    def kept(*arguments):
        found = survivors(*arguments)
        history.append(found[1].mean())
        return found

    monkeypatch.setattr(genetic, "survivors", kept)
    Genetic(**{**Genetic.presets["smoke"], "generations": 10}).propose(make_problem(SPACES["sequence"], 16))
    assert all(a <= b + 1e-6 for a, b in itertools.pairwise(history)) and history[-1] > history[0]


def test_adalead_never_leaves_the_space_and_proposes_no_visible_design():
    problem, seen = watched(make_problem(SPACES["sequence"], 16))
    found = AdaLead(**{**AdaLead.presets["smoke"], "mutations": 4.0, "recombinations": 2}).propose(problem)
    for designs in [*seen, found]:
        problem.space.check(designs.numpy())
    assert len(unseen(found, problem.x)) == len(found) == len(torch.unique(found, dim=0))


def test_leaders_are_those_near_the_best_score():
    x = torch.arange(6)[:, None]
    y = torch.tensor([0.0, 10.0, 9.8, 9.4, 9.6, 5.0])
    problem = Problem(x, y, SPACES["sequence"], 4, torch.Generator())
    assert leaders(problem, 0.05)[:, 0].tolist() == [1, 2, 4, 1]


def test_recombination_keeps_the_letters_of_every_position():
    generator = torch.Generator().manual_seed(0)
    parents = torch.randint(4, (9, 7), generator=generator)
    children = recombined(parents, 0.3, generator)
    assert torch.equal(children.sort(0).values, parents.sort(0).values)
    assert not torch.equal(children.unique(dim=0), parents.unique(dim=0))


def test_a_rollout_goes_on_while_the_child_is_no_worse_than_its_root():
    counts = letter_counts(SPACES["sequence"], torch.device("cpu"))
    generator = torch.Generator().manual_seed(0)
    roots = torch.zeros(5, 6, dtype=torch.int64)

    def rolled(value):
        return rollouts(roots, value, lambda x: mutate(x, counts, 0.3, generator), 100)

    assert len(rolled(lambda x: x.sum(1).float().neg() - (x != 0).any(1).float())) <= 20
    sizes = [len(children) for children, _ in rolled(lambda x: torch.zeros(len(x)))]
    assert sizes == [5] * 20
