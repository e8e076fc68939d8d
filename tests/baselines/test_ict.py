"""ICT: sample weights by differences, what helps gains weight, small-loss samples are exchanged, and Adam as torch has it."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from bbo.baselines import ict
from bbo.baselines.ict import ICT, Teaching
from bbo.search.ascent import gradient_of
from bbo.surrogates.networks import MLP, Ensemble
from bbo.testing.methods import SPACES, make_problem

pytestmark = pytest.mark.numerics


def teaching(dtype=torch.float32, **changes):
    generator = torch.Generator().manual_seed(7)
    networks = [MLP(3, (8, 8), torch.Generator().manual_seed(seed), activation="tanh").to(dtype) for seed in range(3)]
    x = torch.randn(50, 3, generator=generator).to(dtype)
    settings = {"selected": 4, "samples": 12, "noise": 0.3, "rate": 1e-2, "weight_rate": 0.5, "generator": generator} | changes
    return Teaching(Ensemble.of(networks), x, x.sum(1), **settings)


def state(rule, who):
    params, first, second = ({name: p[who] for name, p in all_.items()} for all_ in (rule.params, rule.first, rule.second))
    return params, first, second, rule.count[who] + 1


@pytest.mark.parametrize("parts", [False, True])
def test_sample_weights_go_down_the_error_after_the_look_ahead(monkeypatch, parts):
    """The slope by central differences of the error on the table, through a look-ahead step of Adam with a history."""
    if parts:
        monkeypatch.setattr(ict, "ROWS", 7)
    rule = teaching(torch.float64)
    rule.generator = torch.Generator().manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    rule.first = {name: 0.1 * torch.randn(p.shape, generator=generator, dtype=p.dtype) for name, p in rule.params.items()}
    rule.second = {name: torch.rand(p.shape, generator=generator, dtype=p.dtype) for name, p in rule.params.items()}
    rule.count += 3
    who = torch.tensor([0, 2])
    x, label = torch.randn(2, 4, 3, generator=generator).double(), torch.randn(2, 4, generator=generator).double()
    found = rule.sample_weights(*state(rule, who), x, label)

    def error(weight, k):
        params, first, second, count = (
            ({n: p[k] for n, p in s.items()} if isinstance(s, dict) else s[k]) for s in state(rule, who)
        )
        step = torch.func.grad(rule.loss)(params, weight, x[k], label[k])
        ahead, _, _ = rule.adam(params, first, second, count, step)
        return (torch.func.functional_call(rule.ensemble.template, ahead, (rule.x,))[:, 0] - rule.y).square().mean()

    for k in range(2):
        slope = torch.stack([(error(1 + 1e-5 * e, k) - error(1 - 1e-5 * e, k)) / 2e-5 for e in torch.eye(4).double()])
        wanted = (1 - 0.5 * (slope / slope.abs().sum()).clamp(-0.2, 0.2)).clamp(0, 2)
        assert_close(found[k], wanted, rtol=1e-3, atol=1e-4, check_dtype=False)


def test_true_labels_gain_weight_and_false_ones_lose_it():
    """Two samples at the same place, one with the score of the table there and one with its opposite."""
    rule = teaching(rate=1e-3, weight_rate=0.5)
    x = torch.full((2, 2, 3), 1.0)
    label = torch.tensor([[3.0, -3.0]]).repeat(2, 1)
    weight = rule.sample_weights(*state(rule, torch.tensor([0, 1])), x, label)
    assert (weight[:, 0] > 1).all() and (weight[:, 1] < 1).all()
    assert (weight >= 0).all() and (weight <= 2).all()


def test_each_learns_from_the_samples_with_the_others_least_loss(monkeypatch):
    rule = teaching()
    seen = []

    def keep(params, first, second, count, x, label):
        seen.append(x)
        return torch.ones(x.shape[:2])

    monkeypatch.setattr(rule, "sample_weights", keep)
    generator = torch.Generator().manual_seed(1)
    near, label = torch.randn(12, 3, generator=generator), torch.randn(12, generator=generator)
    losses = (rule.ensemble.mean(near) - label).square()
    rule.learn(torch.tensor([0, 2]), near, label)
    assert torch.equal(seen[0][0], near[losses[2].argsort()[:4]])
    assert torch.equal(seen[0][1], near[losses[0].argsort()[:4]])


@pytest.mark.parametrize("faithful", [False, True])
def test_what_is_learnt_is_weighted_by_the_sample_weights(monkeypatch, faithful):
    """Without weight nothing is learnt; with all weight on one sample, what that sample alone teaches."""
    rule = teaching(faithful=faithful, weight_rate=0.0)
    start = {name: p.clone() for name, p in rule.params.items()}
    near, label = torch.randn(12, 3), torch.randn(12)
    monkeypatch.setattr(rule, "sample_weights", lambda params, first, second, count, x, label: torch.zeros(x.shape[:2]))
    rule.learn(torch.tensor([0, 1]), near, label)
    assert all(torch.equal(p, start[name]) for name, p in rule.params.items())
    if faithful:
        return
    alone = teaching(selected=1)
    monkeypatch.setattr(alone, "sample_weights", lambda params, first, second, count, x, label: torch.ones(x.shape[:2]))
    alone.learn(torch.tensor([0, 1]), near, label)
    rule = teaching()
    first = torch.tensor([4.0, 0.0, 0.0, 0.0])  # the mean over four samples
    monkeypatch.setattr(rule, "sample_weights", lambda params, *others: first.expand(2, 4))
    rule.learn(torch.tensor([0, 1]), near, label)
    for name, p in rule.params.items():
        assert_close(p, alone.params[name])


def test_the_functional_adam_is_torchs():
    rule = teaching()
    model = MLP(3, (8, 8), torch.Generator().manual_seed(0), activation="tanh")
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    params = {name: p[0] for name, p in rule.params.items()}
    first, second = ({name: torch.zeros_like(p) for name, p in params.items()} for _ in range(2))
    generator = torch.Generator().manual_seed(1)
    for count in range(1, 4):
        x, y = torch.randn(5, 3, generator=generator), torch.randn(5, generator=generator)
        optimiser.zero_grad()
        (model(x)[:, 0] - y).square().mean().backward()
        optimiser.step()
        step = torch.func.grad(rule.loss)(params, torch.ones(5), x, y)
        params, first, second = rule.adam(params, first, second, torch.tensor(float(count)), step)
    for name, p in model.named_parameters():
        assert_close(params[name], p.detach(), rtol=1e-4, atol=1e-5)


def test_teaching_moves_everyone_twice_a_step_and_brings_the_proxies_together():
    rule = teaching(weight_rate=0.1, samples=32, selected=16)
    x = torch.zeros(1, 3)
    near = 0.3 * torch.randn(100, 3, generator=torch.Generator().manual_seed(0))
    before = rule.ensemble.mean(near).std(0).mean()
    for _ in range(20):
        rule.teach(x)
    assert rule.count.tolist() == [40.0] * 3
    assert rule.ensemble.mean(near, rule.params).std(0).mean() < 0.5 * before


def test_faithful_has_one_number_of_noise_and_equal_weights():
    seen = {}
    for faithful in (False, True):
        rule = teaching(faithful=faithful)
        learn = rule.learn

        def watch(who, near, label, learn=learn, faithful=faithful):
            seen[faithful] = near
            learn(who, near, label)

        rule.learn = watch
        rule.teach(torch.zeros(1, 3))
        x, label = torch.randn(2, 4, 3, generator=rule.generator), torch.randn(2, 4, generator=rule.generator)
        weight = rule.sample_weights(*state(rule, torch.tensor([0, 1])), x, label)
        assert torch.allclose(weight, weight[:, :1].expand_as(weight), atol=1e-5) is faithful
        assert bool((seen[faithful].std(1) < 1e-6).all()) is faithful


@pytest.mark.parametrize("space", ["box", "sequence"])
def test_the_search_climbs_the_taught_proxies_with_the_settings_of_its_space(monkeypatch, space):
    rules, searches, climb = [], [], ict.adam_from

    def made(*arguments):
        rules.append(Teaching(*arguments))
        return rules[-1]

    def watched(problem, gradient, x, steps, step_size):
        searches.append((gradient, x, steps, step_size))
        return climb(problem, gradient, x, steps, step_size)

    monkeypatch.setattr(ict, "Teaching", made)
    monkeypatch.setattr(ict, "adam_from", watched)
    own = {"selected_box": 3, "weight_rate_box": 0.2, "step_size_box": 0.02}
    own |= {"selected_sequence": 5, "weight_rate_sequence": 0.4, "step_size_sequence": 0.3}
    problem = make_problem(SPACES[space], 8)
    ICT(**ICT.presets["smoke"] | own | {"teach_rate": 0.05}).propose(problem)
    (rule,), ((gradient, x, steps, step_size),) = rules, searches
    assert (rule.selected, rule.weight_rate, step_size) == ((3, 0.2, 0.02) if space == "box" else (5, 0.4, 0.3))
    assert steps == ICT.presets["smoke"]["steps"] and torch.equal(x, problem.encoded().x[problem.starts()])
    taught, before = (gradient_of(lambda x, p=p: rule.ensemble.mean(x, p).mean(0))(x) for p in (rule.params, rule.ensemble.params))
    assert torch.equal(gradient(x), taught) and not torch.allclose(taught, before, rtol=1e-2)
