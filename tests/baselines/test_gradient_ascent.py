"""Gradient ascent: its steps raise the prediction, and an ensemble climbs the mean or the least of its members."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from bbo.baselines.gradient_ascent import GradientAscent, GradientAscentMean, GradientAscentMin
from bbo.testing.methods import SPACES, make_problem

pytestmark = pytest.mark.numerics

SMALL = GradientAscent.presets["smoke"] | {"steps": 20, "step_size": 0.01}


@pytest.mark.parametrize("kind", [GradientAscent, GradientAscentMean, GradientAscentMin])
def test_steps_raise_the_prediction(kind):
    problem = make_problem(SPACES["box"], 8)
    method, data = kind(**SMALL), problem.encoded()
    ensemble = method.train(make_problem(SPACES["box"], 8)).ensemble
    before = method.value(ensemble, data.x[problem.starts()])
    after = method.value(ensemble, data.encode(method.propose(problem)))
    assert (after > before).all()


def test_a_step_goes_up_the_mean_or_the_least_of_the_members():
    problem = make_problem(SPACES["box"], 8)
    data, start = problem.encoded(), problem.starts()
    ensemble = GradientAscentMean(**SMALL).train(problem).ensemble
    x = data.x[start].clone().requires_grad_()
    means = ensemble.mean(x)
    assert len(means) == 5 and means.argmin(0).unique().numel() > 1, "different members are the least"
    wanted = {GradientAscentMean: means.mean(0), GradientAscentMin: means.min(0).values}
    for kind, value in wanted.items():
        slope = torch.autograd.grad(value.sum(), x, retain_graph=True)[0]
        found = data.encode(kind(**SMALL | {"steps": 1}).propose(make_problem(SPACES["box"], 8)))
        inside = data.encode(data.decode(x.detach() + 0.01 * x.shape[1] ** 0.5 * slope))
        assert_close(found, inside, rtol=1e-4, atol=1e-5)


def test_only_the_single_network_has_fewer_epochs_on_superconductor():
    assert GradientAscent(**GradientAscent.presets["paper:superconductor"]).epochs == 50
    assert not any("paper:superconductor" in kind.presets for kind in (GradientAscentMean, GradientAscentMin))
