"""DEMO's parts: its ascent as one batch, and what editing does to where the ascent led."""

import dataclasses

import pytest
import torch
from torch.testing import assert_close

from bbo.baselines import demo
from bbo.baselines.demo import DEMO
from bbo.testing.methods import SPACES, make_problem

pytestmark = pytest.mark.numerics

SMALL = DEMO(**DEMO.presets["smoke"])


@pytest.mark.parametrize("space", ["box", "sequence"])
def test_an_edit_at_time_0_returns_what_the_ascent_found(space):
    problem, same = (make_problem(SPACES[space], 8) for _ in range(2))
    found = dataclasses.replace(SMALL, time=0.0).propose(problem)
    fitted = SMALL.train_proxy(same)
    assert torch.equal(found, same.encoded().decode(SMALL.ascended(same, fitted.ensemble)))


def test_the_ascent_of_a_batch_is_that_of_each_design_alone():
    problem = make_problem(SPACES["box"], 8)
    proxy = SMALL.train_proxy(problem).ensemble
    together = SMALL.ascended(problem, proxy)
    start = problem.encoded().x[problem.starts()]
    assert (proxy.mean(together) > proxy.mean(start)).all()
    for i in range(8):
        x = start[i : i + 1].clone().requires_grad_()
        optimiser = torch.optim.Adam([x], lr=SMALL.rate_box)
        for _ in range(SMALL.steps_box):
            optimiser.zero_grad()
            (-proxy.mean(x).sum()).backward()
            optimiser.step()
        assert_close(x.detach()[0], together[i], rtol=1e-4, atol=1e-5)


def test_editing_brings_strayed_designs_back_to_the_data():
    """With long steps the ascent leaves the data; the edited designs lie closer to it."""
    problem = make_problem(SPACES["box"], 64)
    wild = dataclasses.replace(
        SMALL, rate_box=0.1, steps_box=100, prior_hidden=64, prior_updates=400, sampling_steps=100, max_updates=50
    )
    data = problem.encoded()
    strayed = wild.ascended(problem, wild.train_proxy(problem).ensemble)
    edited = data.encode(wild.propose(make_problem(SPACES["box"], 64)))

    def distance(x):
        return torch.cdist(x, data.x).amin(1).mean()

    assert distance(edited) < 0.7 * distance(strayed)


def test_editing_asks_for_the_condition(monkeypatch):
    asked, guided = [], demo.guided

    def watched(network, y, strength):
        asked.append((y, strength))
        return guided(network, y, strength)

    monkeypatch.setattr(demo, "guided", watched)
    dataclasses.replace(SMALL, guidance=3.0).propose(make_problem(SPACES["box"], 8))
    dataclasses.replace(SMALL, condition=-0.5).propose(make_problem(SPACES["box"], 8))
    assert [(y.tolist(), strength) for y, strength in asked] == [([1.5] * 8, 3.0), ([-0.5] * 8, SMALL.guidance)]


def test_published_settings():
    paper = DEMO(**DEMO.presets["paper"])
    assert (paper.hidden, paper.epochs, paper.learning_rate, paper.batch_size) == (1024, 2000, 5e-5, 128)
    assert (paper.time, paper.condition, paper.guidance, paper.sampling_steps) == (0.4, 1.5, 2.0, 1000)
    assert (paper.prior_batch, paper.prior_cosine, DEMO(**DEMO.presets["fast"]).prior_cosine) == (256, False, True)
