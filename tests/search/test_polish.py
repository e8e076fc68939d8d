"""Polishing: valid designs, as many as were given, none worse by the mean; every single mutant is looked at."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from bbo.search.polish import mutants, polish_box, polish_sequences
from bbo.space import Sequence


def rugged(letters, seed):
    """A function that gives every design a random value, float64."""
    generator = torch.Generator().manual_seed(seed)
    table = torch.randn(*letters, generator=generator, dtype=torch.float64)
    return lambda x: table[tuple(x.T)]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(2, 5), min_size=1, max_size=5),
    st.integers(1, 12),
    st.integers(0, 6),
    st.integers(0, 2**31),
)
def test_polished_sequences_are_valid_as_many_and_no_worse_place_by_place(letters, count, rounds, seed):
    value = rugged(letters, seed)
    start = torch.stack([torch.randint(c, (count,), generator=torch.Generator().manual_seed(seed + 1)) for c in letters], 1)
    runs = [polish_sequences(start, letters, value, rounds, torch.Generator().manual_seed(2)) for _ in range(2)]
    assert torch.equal(*runs)
    Sequence(tuple(letters)).check(runs[0].numpy())
    assert runs[0].shape == start.shape
    before, after = (value(torch.unique(x, dim=0)).sort(descending=True).values for x in (start, runs[0]))
    assert len(after) >= len(before)
    assert (after[: len(before)] >= before).all()


def test_enough_rounds_end_at_designs_whose_mutants_are_no_better():
    letters = (4, 3, 5, 4)
    value = rugged(letters, 0)
    start = torch.stack([torch.randint(c, (4,), generator=torch.Generator().manual_seed(1)) for c in letters], 1)
    best = polish_sequences(start, letters, value, 50, torch.Generator().manual_seed(2))[:1]
    assert mutants(best, letters, value).max() <= value(best)


def test_mutants_are_all_designs_one_letter_away(monkeypatch):
    monkeypatch.setattr("bbo.search.polish.HELD", 3)  # several pieces
    letters, designs = (3, 2, 4), torch.tensor([[0, 1, 3], [2, 0, 0]])
    values = mutants(designs, letters, lambda x: (x * torch.tensor([100, 10, 1])).sum(1).float())
    for row, own in enumerate(designs.tolist()):
        for place, count in enumerate(letters):
            for letter in range(4):
                changed = [*own[:place], letter, *own[place + 1 :]]
                known = letter < count and letter != own[place]
                expected = 100 * changed[0] + 10 * changed[1] + changed[2] if known else -torch.inf
                assert values[row, place, letter] == expected


@dataclass(frozen=True)
class Waves:
    """sum_j sin(pace * x_j): many tops, on which Adam overshoots."""

    pace: float

    def mean(self, q: Tensor) -> Tensor:
        return torch.sin(self.pace * q).sum(1)

    def mean_and_gradient(self, q: Tensor) -> tuple[Tensor, Tensor]:
        return self.mean(q), self.pace * torch.cos(self.pace * q)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 6), st.integers(1, 8), st.integers(0, 30), st.floats(0.5, 60), st.integers(0, 2**31))
def test_every_polished_design_of_a_box_is_inside_it_and_no_worse(dim, count, steps, pace, seed):
    start = 2 * torch.rand(count, dim, generator=torch.Generator().manual_seed(seed)) - 1
    low, high, surface = torch.full((dim,), -1.0), torch.full((dim,), 1.0), Waves(pace)
    before = start.clone()
    found = polish_box(start, low, high, surface, steps)
    assert torch.equal(start, before)
    assert torch.equal(found, polish_box(start, low, high, surface, steps))
    assert found.shape == start.shape
    assert ((found >= low) & (found <= high)).all()
    assert (surface.mean(found) >= surface.mean(start)).all()


def test_without_the_guard_a_step_too_long_would_make_a_design_worse():
    """One step of Adam from next to a top of narrow waves: 0.05 leads into the next valley, so the start is kept."""
    surface, start = Waves(60.0), torch.tensor([[torch.pi / 120 - 0.001]])
    found = polish_box(start, torch.tensor([-1.0]), torch.tensor([1.0]), surface, 1)
    assert torch.equal(found, start)
