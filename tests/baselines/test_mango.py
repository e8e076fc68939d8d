"""ManGO's leak-free variant: it depends on the visible table alone, whatever its unit, and steers."""

import dataclasses

import pytest
import torch

from bbo.baselines.mango import ManGO
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


@pytest.mark.parametrize("changes", [{"released_score": True}, {"candidates": 1}, {"draws": 3}, {"target": 2.0}])
def test_every_option_acts(changes):
    plain, other = (make_problem(SPACES["box"], 8) for _ in range(2))
    a, b = SMALL.propose(plain), dataclasses.replace(SMALL, **changes).propose(other)
    SPACES["box"].check(b.numpy())
    assert not torch.equal(a, b)


def test_published_settings():
    paper = ManGO(**ManGO.presets["paper"])
    assert (paper.hidden, paper.epochs, paper.batch_size, paper.learning_rate) == (2048, 2000, 64, 5e-5)
    assert (paper.beta_min, paper.beta_max, paper.sampling_steps, paper.guidance, paper.candidates) == (1e-4, 0.05, 500, 5.0, 64)
