"""Cliqueformer: the size of its code, the ascent, and that f chooses the designs."""

import pytest
import torch

from bbo.baselines import cliqueformer
from bbo.baselines.cliqueformer import Cliqueformer
from bbo.space import Continuous
from bbo.testing.methods import SPACES, make_problem

pytestmark = pytest.mark.numerics

SMALL = Cliqueformer.presets["smoke"]


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def test_the_published_cliques():
    assert Cliqueformer().dim_of(8) == 3
    assert Cliqueformer(**Cliqueformer.presets["paper:superconductor"]).dim_of(86) == 21
    assert Cliqueformer(cliques=40).dim_of(200) == 6
    assert Cliqueformer().dim_of(2) == 2


@pytest.mark.parametrize("space", SPACES)
def test_the_ascent_raises_the_value(space):
    problem, method = make_problem(SPACES[space], 8), Cliqueformer(**SMALL)
    vae, value, trace = method.trained(problem)
    assert trace.isfinite().all()
    x = method.inputs(problem)[:50]
    before = value(vae.cliques(vae.encode(x)[0])).mean()
    z = method.ascended(problem, vae, value, x)
    assert value(vae.cliques(z)).mean() > before + 0.01
    problem.space.check(method.decoded(problem, vae, z).numpy())


def test_the_value_chooses(monkeypatch):
    seen, ascended = [], Cliqueformer.ascended

    def kept(self, problem, vae, value, x):
        seen.append((vae, value, ascended(self, problem, vae, value, x)))
        return seen[-1][2]

    monkeypatch.setattr(Cliqueformer, "ascended", kept)
    problem, method = make_problem(SPACES["box"], 8), Cliqueformer(**SMALL)
    designs = method.propose(problem)
    vae, value, z = seen[0]
    best = value(vae.cliques(z)).topk(8).indices
    assert len(z) > 8
    torch.testing.assert_close(designs, method.decoded(problem, vae, z[best]))


def test_the_value_learns_the_score():
    problem = make_problem(SPACES["box"], 8)
    settings = SMALL | {"updates": 150, "batch_size": 64, "rise": 20, "average": 0.1, "dropout": 0.0}
    predicted, _ = Cliqueformer(**settings).surrogate(problem).predict(problem.encoded().x)
    assert torch.corrcoef(torch.stack([predicted, problem.encoded().y]))[0, 1] > 0.6


def test_released_norms_give_other_designs():
    usual, released = (Cliqueformer(**SMALL | more).propose(make_problem(SPACES["box"], 8)) for more in ({}, {"norms": "released"}))
    assert not torch.equal(usual, released)


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="clique_dim above overlap"):
        Cliqueformer(clique_dim=1)


def test_the_decoder_gives_designs_back():
    problem = make_problem(SPACES["sequence"], 8)
    method = Cliqueformer(**Cliqueformer.presets["fast"] | {"updates": 400, "batch_size": 32, "learning_rate": 5e-3, "rise": 10**6})
    vae, _, _ = method.trained(problem)
    same = (method.decoded(problem, vae, vae.encode(problem.x)[0]) == problem.x).float().mean()
    commonest = (problem.x.mode(0).values == problem.x).float().mean()
    assert same > commonest + 0.3


def test_long_designs_get_fewer_batches():
    method = Cliqueformer(updates=100, batch_size=10, most_tokens=10_000)
    assert [method.updates_of(tokens) for tokens in (8, 20, 5000)] == [100, 50, 1]
    assert Cliqueformer(updates=100).updates_of(5000) == 100


def test_neighbours_share_a_token_where_a_design_is_long(monkeypatch):
    """As one token of two numbers each, and the last filled with a zero."""
    monkeypatch.setattr(cliqueformer, "LONGEST", 3)
    problem = make_problem(Continuous.box(5, -1.0, 1.0), 8)
    vae, value, _ = Cliqueformer(**SMALL).trained(problem)
    x = problem.encoded().x
    tokens = vae.read(x[:2])
    assert tokens.shape == (2, 3, 2)
    assert torch.equal(tokens.flatten(1)[:, :5], x[:2]) and not tokens.flatten(1)[:, 5].any()
    z = vae.encode(x)[0]
    assert (z[0] - vae.encode(x + torch.tensor([0.0, 0, 0, 0, 1]))[0][0]).abs().max() > 1e-4
    assert vae.designs(z).shape == x.shape and value(vae.cliques(z)).isfinite().all()


def test_letters_share_a_token_too(monkeypatch):
    monkeypatch.setattr(cliqueformer, "LONGEST", 2)
    problem = make_problem(SPACES["sequence"], 8)
    vae, _, _ = Cliqueformer(**SMALL).trained(problem)
    length = problem.x.shape[1]
    assert vae.read(problem.x[:2]).shape[1] == 2 and vae.read(problem.x[:2]).sum() == 2 * length
    assert vae.designs(vae.encode(problem.x)[0]).shape == problem.x.shape
