"""ManGO's leak-free variant: it depends on the visible table alone, whatever its unit, and steers."""

import dataclasses

import pytest
import torch
from torch.testing import assert_close

from bbo.baselines import mango
from bbo.baselines.mango import ManGO
from bbo.generative.score_weights import edge_weights
from bbo.testing.methods import SPACES, make_problem

pytestmark = pytest.mark.numerics

SMALL = ManGO(**ManGO.presets["smoke"])


def test_no_privileged_knowledge_and_no_unit():
    """Scores in another unit give the same designs, since only visible minimum and maximum scale them."""
    problem, other = (make_problem(SPACES["sequence"], 64) for _ in range(2))
    other.y = 8 * other.y + 3
    a, b = SMALL.propose(problem), SMALL.propose(other)
    assert (a == b).float().mean() > 0.98  # rounding may flip a letter
    assert problem.privileged_used == []


@pytest.mark.parametrize("changes", [{"released_score": True}, {"target": 2.0}, {"guidance": 0.0}])
def test_options_that_draw_the_same_numbers_act(changes):
    plain, other = (make_problem(SPACES["box"], 8) for _ in range(2))
    a, b = SMALL.propose(plain), dataclasses.replace(SMALL, **changes).propose(other)
    SPACES["box"].check(b.numpy())
    assert not torch.equal(a, b)


def test_rows_are_weighted_by_the_edges_of_their_scores_bins(monkeypatch):
    trainings, train = [], mango.train

    def watched(network, schedule, pairs, weight, *more):
        trainings.append((pairs, weight))
        return train(network, schedule, pairs, weight, *more)

    monkeypatch.setattr(mango, "train", watched)
    problem = make_problem(SPACES["box"], 8)
    SMALL.propose(problem)
    ((pairs, weight),) = trainings
    assert torch.equal(weight, edge_weights(pairs[:, -1]))
    assert (pairs.amin(0) == 0).all() and (pairs.amax(0) == 1).all()
    assert weight[problem.y.argmax()] > 5 * weight[problem.y.argmin()]


def test_the_best_of_the_draws_are_kept_by_their_generated_scores(monkeypatch):
    walks = []

    def walked(network, schedule, pairs, target, steps, strength, generator, candidates, **more):
        walks.append((len(pairs), target, steps, strength, candidates))
        row = torch.linspace(0, 1, len(pairs))
        return torch.stack([*[row] * 4, (row - 0.5).abs()], 1)

    monkeypatch.setattr(mango, "steered", walked)
    problem = make_problem(SPACES["box"], 2)
    found = dataclasses.replace(SMALL, draws=3, candidates=7, target=1.5, guidance=2.0).propose(problem)
    assert walks == [(6, 1.5, SMALL.sampling_steps, 2.0, 7)]
    ends = torch.stack([problem.x.amin(0), problem.x.amax(0)])
    assert_close(found, ends)  # first and last of the six, whose scores are equal and the largest


def test_published_settings():
    paper = ManGO(**ManGO.presets["paper"])
    assert (paper.hidden, paper.epochs, paper.batch_size, paper.learning_rate) == (2048, 2000, 64, 5e-5)
    assert (paper.beta_min, paper.beta_max, paper.sampling_steps, paper.guidance, paper.candidates) == (1e-4, 0.05, 500, 5.0, 64)
