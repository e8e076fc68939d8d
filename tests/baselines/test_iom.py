"""IOM: the discriminator at equilibrium, its two sides by a plain calculation, and particles that climb."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from bbo.baselines.iom import IOM, Discriminator, InvarianceLoss, Invariant
from bbo.surrogates.networks import Ensemble
from bbo.surrogates.sharpness import Unregularised
from bbo.surrogates.training import Batch, objective
from bbo.testing.methods import SPACES, make_problem

pytestmark = pytest.mark.numerics


def loss_of(particles, step_size=0.3, weight=2.0, rate=1e-2):
    return InvarianceLoss(Discriminator(4, 16, torch.Generator().manual_seed(1)), particles, step_size, weight, rate)


def draw(n, shift=0.0, seed=2):
    return torch.randn(n, 4, generator=torch.Generator().manual_seed(seed)) + shift


def test_at_equilibrium_the_discriminator_says_one_half():
    """Where data and particles have the same representations, least squares ends at D = 1/2 and D_loss = 1/4."""
    loss, z = loss_of(draw(8)), draw(256)
    for _ in range(500):
        found = loss.step(z, z)
    assert_close(found, torch.tensor(0.25), atol=1e-3, rtol=0)
    assert_close(loss.discriminator(z), torch.full((256,), 0.5), atol=0.03, rtol=0)


def test_away_from_it_the_discriminator_tells_them_apart():
    loss, data, other = loss_of(draw(8)), draw(256), draw(256, shift=3.0, seed=3)
    for _ in range(200):
        found = loss.step(data, other)
    assert found < 0.05
    assert loss.discriminator(data).mean() > 0.8 > 0.2 > loss.discriminator(other).mean()


def test_loss_gradient_and_steps_by_a_plain_calculation():
    generator = torch.Generator().manual_seed(0)
    network = Invariant(3, (8,), 4, generator)
    x, y = torch.randn(16, 3, generator=generator), torch.randn(16, generator=generator)
    particles = torch.randn(20, 3, generator=generator)
    loss = loss_of(particles)
    judge = copy.deepcopy(loss.discriminator)
    ensemble = Ensemble.of([network])
    params = {name: p.clone().requires_grad_() for name, p in ensemble.params.items()}
    batch = Batch(x[None], y[None], torch.ones(1, 16))
    value, gradients = Unregularised().gradients(objective(ensemble, params, batch, loss), params)

    at = particles.clone().requires_grad_()
    moved = (at + 0.3 * torch.autograd.grad(network(at)[:, 0].sum(), at)[0]).detach()
    assert_close(loss.particles, moved)
    data, there = network(x), network(moved[:16])
    judged = ((1 - judge(data[:, 1:].detach())).square().mean() + judge(there[:, 1:]).square().mean()) / 2
    wanted = (data[:, 0] - y).square().mean() - 2 * judged
    assert_close(value[0], wanted.detach())
    for (name, p), g in zip(
        network.named_parameters(), torch.autograd.grad(wanted, list(network.parameters()), retain_graph=True), strict=True
    ):
        assert_close(gradients[name][0], g.reshape(p.shape), rtol=1e-4, atol=1e-6)

    optimiser = torch.optim.Adam(judge.parameters(), lr=1e-2, betas=(0.5, 0.999), eps=1e-7)
    judge.zero_grad()
    judged.backward()
    optimiser.step()
    for ours, theirs in zip(loss.discriminator.parameters(), judge.parameters(), strict=True):
        assert_close(ours.detach(), theirs.detach(), rtol=1e-3, atol=1e-5)


def test_representations_have_unit_length():
    generator = torch.Generator().manual_seed(0)
    outputs = Invariant(3, (8,), 4, generator)(torch.randn(10, 3, generator=generator))
    assert_close(outputs[:, 1:].norm(dim=1), torch.ones(10), rtol=1e-3, atol=1e-3)


def test_invariance_makes_the_model_expect_less_of_its_own_optimum():
    """What the ascent claims to gain over the data, with and without the discriminator."""
    gains = []
    for weight in (0.0, 20.0):
        problem = make_problem(SPACES["box"], 16)
        method = replace(IOM(), hidden=32, size=8, discriminator=32, learning_rate=3e-3, epochs=100, weight=weight)
        _, loss = method.train(problem)
        gains.append(torch.stack(loss.trace)[-30:, 1].mean())
    assert gains[1] < gains[0]


def test_frozen_particles_where_faithful():
    for faithful in (False, True):
        problem = make_problem(SPACES["box"], 8)
        _, loss = replace(IOM(**IOM.presets["smoke"]), faithful=faithful).train(problem)
        best = problem.encoded().x[problem.best(256)][: len(loss.particles)]
        assert torch.equal(loss.particles[: len(best)], best) is faithful


def test_published_settings():
    paper = {task: IOM(**IOM.presets[task]) for task in ("paper", "paper:tfbind8", "paper:dkitty", "paper:hopper")}
    assert [(m.epochs, m.batch_size, m.step_size, m.steps) for m in paper.values()] == [
        (200, 128, 0.05, 50),
        (50, 1024, 0.05, 50),
        (200, 128, 0.005, 50),
        (200, 128, 0.001, 250),
    ]
