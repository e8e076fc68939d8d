"""BONET: trajectories that climb, regret-to-go, and designs that follow the regret asked for."""

import pytest
import torch

from bbo.baselines.bonet import BONET, RegretModel, regret_to_go, shares, trajectories
from bbo.problem import Problem
from bbo.space import Continuous
from bbo.testing.methods import SPACES, make_problem

pytestmark = pytest.mark.numerics

SMALL = BONET.presets["smoke"]


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def test_regret_to_go_is_what_is_still_to_come():
    regret = torch.tensor([[4.0, 2.0, 1.0], [3.0, 3.0, 0.0]])
    assert regret_to_go(regret).tolist() == [[7.0, 3.0, 1.0], [6.0, 3.0, 0.0]]


def test_trajectories_climb_and_have_the_counts_of_the_bins():
    regret = make_problem(SPACES["box"], 8).y.neg()
    regret = (regret - regret.min()) / (regret.max() - regret.min())
    bin_of, counts = shares(regret, 16, 0.03, 40)
    assert counts.sum() == 40
    rows = trajectories(regret, 30, 40, 16, 0.03, torch.Generator().manual_seed(0))
    assert (regret[rows].diff(dim=1) <= 0).all()
    for one in rows:
        assert torch.equal(torch.bincount(bin_of[one], minlength=16), counts)
    assert len({tuple(one.tolist()) for one in rows}) > 1


def test_shares_follow_the_formula():
    """Three bins: n / (n + K) exp((m - 1) / tau), up to a factor; the empty bin gives nothing."""
    regret = torch.cat([torch.zeros(10), torch.full((30,), 0.9)])
    bin_of, counts = shares(regret, 3, 0.05, 1000)
    tau, k = 1 - 0.9, 2.0
    middles = torch.tensor([1 - 0.15, 1 - 0.75])
    weight = torch.tensor([10 / (10 + k), 30 / (30 + k)]) * torch.exp((middles - 1) / tau)
    expected = 1000 * weight / weight.sum()
    assert set(bin_of.tolist()) == {0, 2}
    assert counts[1] == 0
    assert (counts[[0, 2]] - expected).abs().max() <= 1


def test_a_single_score_is_no_trouble():
    rows = trajectories(torch.zeros(5), 2, 7, 4, 0.03, torch.Generator())
    assert rows.shape == (2, 7)


def test_regrets_are_counted_from_the_bound_or_the_optimum():
    problem = make_problem(SPACES["box"], 8)
    visible = BONET(headroom=1.0).regrets(problem)
    assert visible.max() == pytest.approx(1)
    assert visible.min() == pytest.approx(0.5)
    assert problem.privileged_used == []
    told = BONET(optimum="y_max").regrets(problem)
    assert problem.privileged_used == ["y_max"]
    assert 0 < told.min() < 0.5


def test_a_prediction_does_not_see_its_own_design():
    method = BONET(**SMALL)
    model = RegretModel(method, 3, None, torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(1)
    to_go, x = torch.rand(2, 4, generator=generator), torch.randn(2, 4, 3, generator=generator)
    changed, asked = x.clone(), to_go.clone()
    changed[:, 2] += 1
    asked[:, 2] += 1
    clock = torch.zeros(2, dtype=torch.long)
    before = model(to_go, x, clock)
    torch.testing.assert_close(before[:, :3], model(to_go, changed, clock)[:, :3])
    assert (before[:, 3] - model(to_go, changed, clock)[:, 3]).abs().max() > 1e-7
    assert (before[:, 2] - model(asked, x, clock)[:, 2]).abs().max() > 1e-7
    torch.testing.assert_close(before, model(to_go, x[:, :3], clock))


def test_less_regret_asked_for_gives_better_designs(monkeypatch):
    """Where the score rises along a line, so that a mean design tells its regret."""
    settings = SMALL | {"max_updates": 150, "width": 32, "trajectories": 200}
    x = torch.rand(300, 2, generator=torch.Generator().manual_seed(0))
    found = {}
    for asked in (0.0, 8.0):
        monkeypatch.setattr(BONET, "BUDGETS", (asked,))
        problem = Problem(x, x.sum(1), Continuous.box(2, 0.0, 1.0), 8, torch.Generator().manual_seed(0))
        found[asked] = BONET(**settings).propose(problem).sum(1).mean()
    assert found[0.0] > found[8.0] + 0.1


@pytest.mark.parametrize(("space", "changes"), [("box", {"clock": "released"}), ("sequence", {"letters": "drawn"})])
def test_the_options_change_the_designs(space, changes):
    usual, other = (BONET(**SMALL | more).propose(make_problem(SPACES[space], 16)) for more in ({}, changes))
    assert not torch.equal(usual, other)


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="multiple of heads"):
        BONET(width=10, heads=4)


def test_published_settings():
    paper = BONET(**BONET.presets["paper"])
    assert (paper.width, paper.layers, paper.heads, paper.context, paper.length) == (128, 32, 8, 64, 128)
    assert (paper.trajectories, paper.bins, paper.epochs, paper.learning_rate) == (800, 64, 75, 1e-4)
    assert {task: BONET.presets[f"paper:{task}"]["batch_size"] for task in ("dkitty", "superconductor", "tfbind8", "tfbind10")} == {
        "dkitty": 128,
        "superconductor": 128,
        "tfbind8": 128,
        "tfbind10": 128,
    }
    assert BONET(**BONET.presets["paper:tfbind8"]).learning_rate == 1e-4
