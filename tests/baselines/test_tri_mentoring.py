"""Tri-mentoring: the vote, and one mentoring step against a plain loop that differentiates through the look-ahead."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch
from torch.func import functional_call
from torch.testing import assert_close

from bbo.baselines import tri_mentoring
from bbo.baselines.tri_mentoring import Mentoring, TriMentoring, majority
from bbo.surrogates.networks import MLP, Ensemble
from bbo.testing.methods import SPACES, make_problem

pytestmark = pytest.mark.numerics


def networks():
    return [MLP(3, (8, 8), torch.Generator().manual_seed(seed), activation="relu") for seed in range(3)]


def mentoring(**changes):
    generator = torch.Generator().manual_seed(7)
    x, y = torch.randn(40, 3, generator=generator), torch.randn(40, generator=generator)
    settings = {"neighbours": 6, "noise": 0.5, "rate": 0.3, "label_rate": 5.0, "vote": True, "generator": generator} | changes
    return Mentoring(Ensemble.of(networks()), x, y, **settings)


def test_the_majority_of_three_decides():
    every = torch.tensor(list(itertools.product([False, True], repeat=3)))
    wanted = [sum(row) >= 2 for row in every.tolist()]
    assert majority(every.T)[0].tolist() == wanted


def test_a_proxy_is_corrected_exactly_on_the_pairs_where_the_other_two_agree_against_it():
    rule = mentoring()
    near = torch.randn(4, 6, 3, generator=torch.Generator().manual_seed(1))
    rule.params = {name: p.expand(4, *p.shape).clone() for name, p in rule.ensemble.params.items()}
    labels, corrected = rule.votes(near)
    values = rule.ensemble.mean(near.flatten(0, 1)).unflatten(1, (4, 6))
    for start, (p, (i, j)) in itertools.product(range(4), enumerate(itertools.combinations(range(6), 2))):
        signs = [bool(values[k, start, i] > values[k, start, j]) for k in range(3)]
        assert bool(labels[start, 0, p]) == (sum(signs) >= 2)
        for k in range(3):
            others = [signs[other] for other in range(3) if other != k]
            assert bool(corrected[start, k, p]) == (others[0] == others[1] != signs[k])
    assert corrected.any() and not corrected.all()


def by_a_loop(rule, near, label_rate):
    """Weights of the three proxies of one start after mentoring, as the authors' loop does it; second derivatives by autograd."""
    models = networks()
    pairs = list(itertools.combinations(range(len(near)), 2))
    i, j = torch.tensor(pairs).T
    with torch.no_grad():
        own = torch.stack([m(near)[i, 0] > m(near)[j, 0] for m in models])
    vote = own.sum(0) >= 2
    for model, mine in zip(models, own, strict=True):
        wrong = mine != vote
        if not wrong.any():
            continue
        labels = vote[wrong].float().requires_grad_()

        def entropy(weights, labels, model=model, wrong=wrong):
            f = functional_call(model, weights, (near,))[:, 0]
            p = torch.sigmoid(f[i[wrong]] - f[j[wrong]])
            return -(labels * torch.log(p + 1e-9) + (1 - labels) * torch.log(1 - p + 1e-9)).mean()

        weights = dict(model.named_parameters())
        step = torch.autograd.grad(entropy(weights, labels), list(weights.values()), create_graph=True, materialize_grads=True)
        ahead = {name: w - 0.3 * g for (name, w), g in zip(weights.items(), step, strict=True)}
        error = (functional_call(model, ahead, (rule.x,))[:, 0] - rule.y).square().mean()
        soft = (labels - label_rate * torch.autograd.grad(error, labels)[0]).clamp(0, 1).detach()
        step = torch.autograd.grad(entropy(weights, soft), list(weights.values()), materialize_grads=True)
        with torch.no_grad():
            for w, g in zip(weights.values(), step, strict=True):
                w -= 0.3 * g
    return models


@pytest.mark.parametrize("blocks", [False, True])
def test_mentoring_is_the_step_through_the_look_ahead(monkeypatch, blocks):
    """Also where starts and rows are taken in small parts."""
    if blocks:
        monkeypatch.setattr(tri_mentoring, "BLOCK", 1)
        monkeypatch.setattr(tri_mentoring, "ROWS", 7 * 8)
    rule = mentoring()
    near = torch.randn(4, 6, 3, generator=torch.Generator().manual_seed(1))
    rule.params = {name: p.expand(4, *p.shape).clone() for name, p in rule.ensemble.params.items()}
    rule.mentor(near, *rule.votes(near))
    hard = copy.deepcopy(rule)
    for start in range(4):
        for k, model in enumerate(by_a_loop(rule, near[start], 5.0)):
            for name, w in model.named_parameters():
                assert_close(rule.params[name][start, k], w.detach(), rtol=1e-3, atol=1e-5)
    hard.label_rate, hard.params = 0.0, {name: p.expand(4, *p.shape).clone() for name, p in rule.ensemble.params.items()}
    hard.mentor(near, *hard.votes(near))
    assert not torch.allclose(hard.params["layers.0.weight"], rule.params["layers.0.weight"], atol=1e-5)


def test_mentoring_makes_the_proxies_agree():
    rule = mentoring(label_rate=0.0, rate=0.1)
    near = torch.randn(4, 6, 3, generator=torch.Generator().manual_seed(1))
    rule.params = {name: p.expand(4, *p.shape).clone() for name, p in rule.ensemble.params.items()}
    before = rule.votes(near)[1].float().mean()
    for _ in range(50):
        rule.mentor(near, *rule.votes(near))
    assert rule.votes(near)[1].float().mean() < 0.5 * before


def test_the_gradient_is_that_of_the_mean_of_each_starts_own_proxies():
    rule = mentoring()
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(2))
    found = rule(x)
    for start in range(4):
        at = x[start : start + 1].clone().requires_grad_()
        mean = Ensemble(rule.ensemble.template, {name: p[start] for name, p in rule.params.items()}).mean(at).mean()
        assert_close(found[start], torch.autograd.grad(mean, at)[0][0], rtol=1e-4, atol=1e-6)
    assert not torch.equal(rule.params["layers.0.weight"][0], rule.params["layers.0.weight"][1])


@pytest.mark.parametrize("space", ["box", "sequence"])
def test_the_search_climbs_mentored_proxies_with_the_settings_of_its_space(monkeypatch, space):
    searches, climb = [], tri_mentoring.adam_from

    def watched(problem, gradient, x, steps, step_size):
        searches.append((gradient, x, steps, step_size))
        return climb(problem, gradient, x, steps, step_size)

    monkeypatch.setattr(tri_mentoring, "adam_from", watched)
    own = {"steps_box": 2, "step_size_box": 0.02, "steps_sequence": 3, "step_size_sequence": 0.3}
    own |= {"mentor_rate": 0.05, "label_rate": 0.2, "noise": 0.3, "neighbours": 5, "vote": False}
    problem = make_problem(SPACES[space], 8)
    TriMentoring(**TriMentoring.presets["smoke"] | own).propose(problem)
    ((rule, x, steps, step_size),) = searches
    assert isinstance(rule, Mentoring) and len(rule.disagreements) == steps
    assert (rule.rate, rule.label_rate, rule.noise, rule.neighbours, rule.vote) == (0.05, 0.2, 0.3, 5, False)
    assert (steps, step_size) == ((2, 0.02) if space == "box" else (3, 0.3))
    assert torch.equal(x, problem.encoded().x[problem.starts()])
