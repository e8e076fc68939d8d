"""Mutation, crossover, distinct designs, and the greedy search, on spaces small enough to know the answer."""

from __future__ import annotations

import pytest
import torch

from bbo.search import box_ascent
from bbo.search.evolution import GreedySearch, best_distinct, cross, letter_counts, mutate, mutate_mixed, pairs, spread
from bbo.space import Category, Letters, Mixed, Number, Sequence

SPACE = Sequence((4, 2, 3, 5, 4, 2))
COUNTS = letter_counts(SPACE, torch.device("cpu"))


def population(n=500):
    generator = torch.Generator().manual_seed(0)
    return (torch.rand(n, 6, generator=generator) * COUNTS).long(), generator


def test_mutation_stays_in_the_space_and_reaches_every_other_letter():
    designs, generator = population()
    changed = mutate(designs, COUNTS, 1.0, generator)
    SPACE.check(changed.numpy())
    assert (changed != designs).all()
    for place, count in enumerate(SPACE.letters):
        assert len(torch.unique(torch.stack([designs[:, place], changed[:, place]]), dim=1)[0]) == count * (count - 1)


def test_the_rate_of_mutations():
    designs, generator = population(5000)
    share = (mutate(designs, COUNTS, 0.2, generator) != designs).float().mean()
    assert abs(share - 0.2) < 0.01


MIXED = Mixed((Number("x", 0, 10), Category("c", "abc"), Letters("s", 2, "ACGT"), Number("n", 0, 90, step=10)))


def test_mixed_mutants_are_designs_with_other_options_and_letters_and_numbers_nearby():
    generator = torch.Generator().manual_seed(0)
    designs = torch.tensor([[5.0, 1, 0, 3, 50]], dtype=torch.float64).expand(4000, -1)
    changed = mutate_mixed(MIXED, designs, 1.0, 0.1, generator)
    assert (MIXED.check(changed.numpy()) == changed.numpy()).all()
    assert [torch.unique(changed[:, place]).tolist() for place in (1, 2, 3)] == [[0, 2], [1, 2, 3], [0, 1, 2]]
    share = torch.bincount(changed[:, 2].long()) / len(changed)
    assert (share[1:] - 1 / 3).abs().max() < 0.04, "all others are as likely as each other"
    moved = changed[:, 0] - 5
    assert moved.mean().item() == pytest.approx(0, abs=0.1) and moved.std().item() == pytest.approx(0.1 * 10, rel=0.05)
    assert (changed[:, 4] != 50).all(), "at least one step where there are steps"


def test_the_rate_of_mixed_mutations_and_none_at_zero():
    generator = torch.Generator().manual_seed(0)
    designs = torch.as_tensor(MIXED.from_unit(torch.rand(5000, 5, generator=generator).numpy()))
    share = (mutate_mixed(MIXED, designs, 0.2, 0.1, generator) != designs).double().mean(0)
    assert (share[:4] - 0.2).abs().max() < 0.03
    assert torch.equal(mutate_mixed(MIXED, designs, 0.0, 0.1, generator), designs)


def test_a_child_has_only_its_parents_letters():
    designs, generator = population()
    a, b = pairs(designs, 300, generator)
    child = cross(a, b, generator)
    assert ((child == a) | (child == b)).all()
    assert (child != a).any() and (child != b).any()


def test_spread_is_the_median_difference_of_random_pairs_and_at_least_one():
    designs, generator = population(2000)
    expected = (designs[:, None, :] != designs[None, :500]).sum(2).median()
    assert spread(designs, generator) == expected == 4
    assert spread(torch.zeros(5, 6, dtype=torch.long), generator) == 1


def test_best_distinct_counts_a_design_once_and_by_its_best_value():
    designs = torch.tensor([[1, 0], [0, 0], [1, 0], [2, 1]])
    found, values = best_distinct(designs, torch.tensor([1.0, 2.0, 3.0, 0.0]), 2)
    assert found.tolist() == [[1, 0], [0, 0]] and values.tolist() == [3.0, 2.0]
    assert len(best_distinct(designs, torch.zeros(4), 9)[0]) == 3


@pytest.mark.numerics
def test_greedy_search_finds_the_best_designs_of_an_additive_function():
    generator = torch.Generator().manual_seed(1)
    effects = torch.randn(6, 5, generator=generator)

    def value(designs):
        return effects.gather(1, designs.T).sum(0)

    def mutants(designs):
        own = effects.gather(1, designs.T).T
        table = value(designs)[:, None, None] + effects[None] - own[:, :, None]
        table[:, torch.arange(5) >= COUNTS[:, None]] = -torch.inf
        return table.scatter(2, designs[:, :, None], -torch.inf)

    everything = torch.cartesian_prod(*[torch.arange(count) for count in SPACE.letters])
    found, values = GreedySearch(20, 0, 50).run(population(30)[0], value, mutants, generator)
    wanted = value(everything).topk(20).values
    torch.testing.assert_close(values, wanted)
    assert len(torch.unique(found, dim=0)) == 20


@pytest.mark.numerics
def test_box_ascent_stops_at_the_wall_and_finds_the_top_inside():
    top = torch.tensor([0.3, 5.0])
    low, high = torch.tensor([-1.0, -1.0]), torch.tensor([1.0, 1.0])
    start = torch.tensor([[-0.9, 0.0], [0.9, -0.5], [3.0, 0.0]])
    before = start.clone()
    found = box_ascent.ascend(lambda x: 2 * (top - x), start, low, high, 300, 0.05)
    torch.testing.assert_close(found, torch.tensor([[0.3, 1.0]]).expand(3, 2), rtol=0, atol=0.01)
    assert torch.equal(start, before)
