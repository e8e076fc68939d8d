"""CbAS' importance weights and its rounds; what autofocusing adds."""

import copy
import dataclasses

import pytest
import torch
from torch.testing import assert_close

from bbo.baselines.auto_cbas import AutoCbAS
from bbo.baselines.cbas import CbAS
from bbo.testing.methods import SPACES, make_problem

pytestmark = pytest.mark.numerics

SMALL = CbAS(**CbAS.presets["smoke"])


def parts(space, method=SMALL, seed=0):
    problem = make_problem(SPACES[space], 8, seed=seed)
    p = method.autoencoder(problem)
    q = copy.deepcopy(p)
    with torch.no_grad():
        for parameter in q.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=problem.generator))
    return problem, p, q, method.train_ensemble(problem)


@pytest.mark.parametrize("space", ["box", "sequence"])
def test_importance_weights_are_density_ratio_times_probability_of_improvement(space):
    problem, p, q, fitted = parts(space)
    before = problem.generator.get_state()
    x, weight, threshold = SMALL.weighted_draws(fitted.ensemble, p, q, problem.generator)
    problem.generator.set_state(before)
    z = q.prior(SMALL.samples, problem.generator)  # the same codes once more
    outputs = fitted.ensemble(x)
    assert_close(threshold, outputs[..., 0].mean(0).quantile(0.8))
    beyond = torch.stack([1 - torch.distributions.Normal(m[:, 0], m[:, 1].exp()).cdf(threshold) for m in outputs]).mean(0)
    wanted = (p.log_prob(x, z) - q.log_prob(x, z)).exp() * beyond
    assert weight.max() == 1
    assert_close(weight, (wanted / wanted.max()).detach(), rtol=1e-2, atol=1e-4)


def test_without_a_difference_between_the_models_only_the_score_counts():
    problem, p, _, fitted = parts("box")
    x, weight, _ = SMALL.weighted_draws(fitted.ensemble, p, p, problem.generator)
    order = fitted.ensemble.mean(x).mean(0).argsort()
    assert weight[order[-10:]].mean() > 2 * weight[order[:10]].mean()
    assert (weight > 0).all()


def test_rounds_raise_the_predicted_score():
    """After the rounds, draws of q are better in the ensemble's eyes than those of the model of the data."""
    found = {}
    for rounds in (0, 8):
        problem = make_problem(SPACES["sequence"], 400)
        method = dataclasses.replace(
            SMALL, rounds=rounds, max_updates=200, epochs=100, samples=400, online_epochs=5, vae_updates=300
        )
        designs = method.propose(problem)
        judge = dataclasses.replace(method, rounds=0).train_ensemble(make_problem(SPACES["sequence"], 400))
        found[rounds] = judge.ensemble.mean(designs).mean()
    assert found[8] > found[0] + 0.3


def test_autofocused_rows_weigh_more_where_the_adapted_model_draws():
    auto = AutoCbAS(**AutoCbAS.presets["smoke"])
    problem, p, q, _ = parts("sequence", auto)
    x = problem.x
    with torch.no_grad():
        q.decoder.layers[-1].bias.zero_()
        q.decoder.layers[-1].bias[2] = 3.0  # letter 2 in the first position
        p.decoder.layers[-1].bias.zero_()
    weight = auto.row_weights(x, p, q, problem.generator)
    assert weight[x[:, 0] == 2].mean() > 3 * weight[x[:, 0] != 2].mean()
    assert weight.max() == 1
    assert_close(auto.row_weights(x, p, p, problem.generator), torch.ones(len(x)))


@pytest.mark.parametrize("codes", ["encoded", "prior"])
def test_the_ensemble_is_trained_on_after_each_round(codes):
    auto = AutoCbAS(**AutoCbAS.presets["smoke"] | {"codes": codes})
    problem, p, q, fitted = parts("box", auto)
    refocus = auto.refocus(problem, fitted)
    first, second = refocus(p, q), refocus(p, q)
    x = auto.designs(problem)
    assert not torch.allclose(first.mean(x), fitted.ensemble.mean(x))
    assert not torch.allclose(first.mean(x), second.mean(x))
    assert SMALL.refocus(problem, fitted)(p, q) is fitted.ensemble


@pytest.mark.parametrize("kind", [CbAS, AutoCbAS])
def test_each_round_asks_the_ensemble_that_the_round_before_left(monkeypatch, kind):
    asked, left, draws, refocus = [], [], CbAS.weighted_draws, kind.refocus

    def drawn(self, ensemble, *more):
        asked.append(ensemble)
        return draws(self, ensemble, *more)

    def watched(self, problem, fitted):
        after_round = refocus(self, problem, fitted)

        def kept(p, q):
            left.append(after_round(p, q))
            return left[-1]

        return kept

    monkeypatch.setattr(CbAS, "weighted_draws", drawn)
    monkeypatch.setattr(kind, "refocus", watched)
    kind(**kind.presets["smoke"] | {"rounds": 3}).propose(make_problem(SPACES["box"], 8))
    assert len(asked) == 3 and all(a is b for a, b in zip(asked[1:], left, strict=False))
    moved = [not torch.equal(a.params["layers.0.weight"], b.params["layers.0.weight"]) for a, b in zip(asked, left, strict=True)]
    assert moved == [kind is AutoCbAS] * 3


def test_published_settings():
    paper = CbAS(**CbAS.presets["paper"])
    assert (paper.hidden, paper.layers, paper.members, paper.latent, paper.embedding) == (256, 1, 5, 32, 256)
    assert (paper.rounds, paper.samples, paper.online_epochs, paper.quantile, paper.vae_epochs) == (20, 1000, 10, 0.8, 200)
    assert CbAS.presets["paper:tfbind10"] == {"vae_epochs": 100}
