"""Methods that search on a trained network say so where it learned nothing; those that hold no rows out cannot know."""

import dataclasses
import warnings

import pytest
import torch

from bbo import catalogue
from bbo.testing.methods import SPACES, make_problem, smoke

pytestmark = pytest.mark.numerics

SAID = "the surrogate predicts rows that it was not fitted to no better than the mean of all scores"


@pytest.mark.parametrize(
    "name",
    [
        "arcoo", "cbas", "coms", "genetic", "gradient-ascent", "gradient-ascent-min", "ict", "iom", "pgs", "reinforce", "rgd", "roma",
        "tri-mentoring",
    ],
)  # fmt: skip
def test_a_surrogate_of_noise_is_warned_of_and_a_good_one_is_not(name):
    method = dataclasses.replace(smoke(catalogue.load_method(name)), max_updates=300, epochs=150)
    problem = make_problem(SPACES["box"], 8, rows=600)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        method.propose(problem)
    noise = make_problem(SPACES["box"], 8, rows=600)
    noise.y = torch.randn(len(noise.y), generator=torch.Generator().manual_seed(0))
    with pytest.warns(UserWarning, match=SAID):
        method.propose(noise)
