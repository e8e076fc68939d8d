"""GTG: its trajectories, what it asks for, and how the ensemble chooses."""

import pytest
import torch

from bbo.baselines import gtg
from bbo.baselines.gtg import GTG, Scale, by_rank, follow
from bbo.errors import BBOError
from bbo.testing.methods import SPACES, make_problem

pytestmark = pytest.mark.numerics

SMALL = GTG.presets["smoke"]


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.mark.parametrize("space", SPACES)
def test_trajectories_ascend_and_never_revisit(space):
    problem = make_problem(SPACES[space], 8)
    method = GTG(**SMALL | {"length": 8, "pool": 200})
    scale = Scale.of(problem, method.top(problem))
    rows = method.paths(problem, scale)
    assert all(len(set(one.tolist())) == 8 for one in rows)
    y = scale.y[rows]
    assert (y[:, 1:] >= y.cummax(1).values[:, :-1] - method.slack - 1e-6).float().mean() > 0.8
    assert (y[:, -1] - y[:, 0]).mean() > 0
    if space == "sequence":
        changed = (problem.x[rows][:, 1:] != problem.x[rows][:, :-1]).sum(2).float().mean()
        random = (problem.x[:200] != problem.x[:200].flip(0)).sum(1).float().mean()
        assert changed < random


def test_only_visible_scores_count_unless_asked():
    problem = make_problem(SPACES["box"], 8)
    method = GTG(headroom=1.0)
    y = Scale.of(problem, method.top(problem)).y
    assert (y.min(), y.max()) == (0, pytest.approx(0.5))
    assert problem.privileged_used == []
    told = Scale.of(problem, GTG(optimum="y_max").top(problem)).y
    assert problem.privileged_used == ["y_max"]
    assert 0.5 < told.max() < 1


def test_scaled_designs_come_back():
    problem = make_problem(SPACES["box"], 8)
    scale = Scale.of(problem, problem.y.max())
    assert (scale.x.amin(), scale.x.amax()) == (-1, 1)
    torch.testing.assert_close(problem.encoded(False).decode(scale.raw(scale.x)), problem.x, atol=1e-5, rtol=0)


def test_the_condition_is_the_mean_score_and_the_target_is_asked_for(monkeypatch):
    problem, method = make_problem(SPACES["box"], 8), GTG(**SMALL)
    scale = Scale.of(problem, method.top(problem))
    told, asked = [], []
    loss, goes_on = gtg.denoising_loss, gtg.continued

    def taught(network, schedule, x, condition, *others):
        told.append(((x[..., -1] + 1) / 2).mean(1) - condition)
        return loss(network, schedule, x, condition, *others)

    def went_on(network, schedule, context, length, condition, guidance, *others):
        asked.append((context, condition, guidance))
        return goes_on(network, schedule, context, length, condition, guidance, *others)

    monkeypatch.setattr(gtg, "denoising_loss", taught)
    monkeypatch.setattr(gtg, "continued", went_on)
    method.propose(problem)
    assert torch.stack(told).abs().max() < 1e-5
    context, condition, guidance = asked[0]
    assert (condition == 0.8).all()
    assert guidance == 1.2
    # The beginning is visible designs with their scores.
    known = torch.cat([scale.x, 2 * scale.y[:, None] - 1], 1)
    assert torch.cdist(context.flatten(0, 1), known).amin(1).max() < 1e-3


def test_the_proxies_choose(monkeypatch):
    problem = make_problem(SPACES["box"], 4)
    monkeypatch.setattr(GTG, "value", lambda self, problem, proxies, designs: designs[:, 0])
    made = []
    usual = GTG.continued
    monkeypatch.setattr(GTG, "continued", lambda *arguments: made.append(usual(*arguments)) or made[0])
    designs = GTG(**SMALL).propose(problem)
    assert torch.equal(designs[:, 0], made[0][:, 0].sort(descending=True).values[:4])


def test_proxies_see_good_rows_more_often():
    y = torch.arange(1000.0)
    rows = torch.stack([torch.randperm(1000, generator=torch.Generator().manual_seed(k)) for k in range(2)])
    generators = [torch.Generator().manual_seed(k) for k in range(2)]
    batches = by_rank(y, 0.01, 50, 20, rows, generators)
    assert [tuple(b.shape) for b in batches] == [(2, 50)] * 20
    seen = y[rows.gather(1, torch.cat(batches, 1))]
    assert (seen.median(1).values > 850).all()


def test_the_running_mean():
    mean, now = (torch.nn.Linear(1, 1).requires_grad_(False) for _ in range(2))
    follow(mean, now, 3, 5)
    assert mean.weight == now.weight
    now.weight.add_(1)
    follow(mean, now, 17, 5)
    assert float(now.weight - mean.weight) == pytest.approx(1)
    follow(mean, now, 20, 5)
    assert float(now.weight - mean.weight) == pytest.approx(0.995, abs=1e-5)


@pytest.mark.parametrize("changes", [{"conditional": False}, {"noise": "variance"}, {"optimum": "y_max"}])
def test_the_options_change_the_designs(changes):
    usual, other = (GTG(**SMALL | more).propose(make_problem(SPACES["box"], 8)) for more in ({}, changes))
    assert not torch.equal(usual, other)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="multiple of 4"):
        GTG(length=30)
    assert "64 visible rows" in GTG.unsuitable(SPACES["box"], 20)
    with pytest.raises(BBOError, match="at least 8 visible rows"):
        GTG(**SMALL).propose(make_problem(SPACES["box"], 4, rows=7))


def test_published_settings():
    paper, sequences = GTG(), GTG(**GTG.presets["paper:tfbind8"])
    assert (paper.trajectories, paper.length, paper.neighbours, paper.width, paper.updates) == (4000, 64, 20, 128, 50_000)
    assert (sequences.trajectories, sequences.neighbours, sequences.width, sequences.updates) == (1000, 50, 32, 10_000)
    assert (paper.members, paper.hidden, paper.max_updates, paper.guidance, paper.target) == (10, 1024, 5000, 1.2, 0.8)
    assert (paper.slack, GTG(**GTG.presets["paper:dkitty"]).slack) == (0.05, 0.01)
