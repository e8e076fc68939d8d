"""What makes it gradient ascent on a Gaussian process: it climbs, without overshooting, and says when the process knows nothing."""

import warnings

import pytest
import torch

from bbo import catalogue
from bbo.baselines.gp_ascent import Climb
from bbo.problem import Problem
from bbo.space import Continuous
from bbo.surrogates.gaussian_process import RBF, fit

pytestmark = pytest.mark.numerics

GP, RANDOM = catalogue.load_method("gp-ascent"), catalogue.load_method("random")


def sphere(noise=0.0):
    """The worse half of 1000 designs in a box of 8 coordinates, and how good designs really are."""
    space, generator = Continuous.box(8, -1.0, 1.0), torch.Generator().manual_seed(0)
    x = 2 * torch.rand(1000, 8, generator=generator) - 1
    y = -x.square().sum(1)
    worst = y.argsort()[:500]
    shown = torch.randn(500, generator=generator) if noise else y[worst]
    return Problem(x[worst], shown, space, 32, torch.Generator().manual_seed(1)), lambda designs: -designs.square().sum(1)


def test_beats_random_on_a_sphere_where_the_fitted_variance_is_large():
    problem, score = sphere()
    method = GP.cls(likelihood_rows=200, points=500, steps=100)
    found = score(method.propose(problem))
    assert problem.notes["variance"] > 1e3
    assert found.median() > score(RANDOM.cls().propose(sphere()[0])).max()
    assert found.max() > -0.01


def test_steps_are_capped_and_each_design_halves_its_own_where_it_would_pass_the_peak():
    x = torch.linspace(-2, 2, 41)[:, None]
    posterior = fit(x, -x[:, 0].square(), RBF(2.0, 100.0))
    climb = Climb.start(posterior, torch.tensor([[1.5], [1.5]]), 0.1)
    climb = Climb(climb.x, climb.gradient, torch.tensor([[0.1], [3.0]]))
    then = climb.next(posterior)
    assert then.x[0] == climb.x[0] + 0.1 * climb.gradient[0]
    assert then.x[1] == pytest.approx(1.5 - 0.5 * 2.0)  # half a lengthscale at most
    after = then.next(posterior)
    assert after.x[0] < then.x[0]
    assert after.x[1] == then.x[1]  # the peak is nearer than that
    assert after.size[:, 0].tolist() == pytest.approx([0.1, 1.5])
    for _ in range(60):
        after = after.next(posterior)
    assert after.x.abs().max() < 1e-2


def test_warns_where_the_process_explains_nothing():
    method = GP.cls(likelihood_rows=200, points=300, steps=2)
    with pytest.warns(UserWarning, match="no better than the mean of all scores"):
        method.propose(sphere(noise=1.0)[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        method.propose(sphere()[0])
