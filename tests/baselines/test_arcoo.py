"""ARCOO: the gate, the energy's loss against the published order of work, and steps that stop where energy is high."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from bbo.baselines.arcoo import Arcoo
from bbo.surrogates import energy
from bbo.surrogates.energy import EnergyLoss, TwoHeads, gate
from bbo.surrogates.networks import Ensemble
from bbo.surrogates.training import Batch, objective
from bbo.testing.methods import SPACES, make_problem

pytestmark = pytest.mark.numerics


def test_the_gate_closes_from_low_to_high_energy():
    found = gate(torch.tensor([-1.0, 0.0, 1.0, 1.5, 2.0, 9.0]), torch.tensor(0.0), torch.tensor(2.0))
    assert_close(found, torch.tensor([1.0, 1.0, 0.5, 0.25, 0.0, 0.0]))


def test_energy_that_does_not_rise_leaves_the_gate_open():
    assert_close(gate(torch.tensor([-1.0, 5.0]), torch.tensor(1.0), torch.tensor(1.0)), torch.ones(2))
    assert_close(gate(torch.tensor([-1.0, 5.0]), torch.tensor(1.0), torch.tensor(0.0)), torch.ones(2))


def test_the_loss_against_the_published_order():
    generator = torch.Generator().manual_seed(0)
    network = TwoHeads(3, 8, generator)
    ensemble = Ensemble.of([network])
    x, y = torch.randn(1, 16, 3, generator=generator), torch.randn(1, 16, generator=generator)
    before = generator.get_state()
    loss = EnergyLoss(network, generator, 4, 0.1)
    params = {name: p.clone().requires_grad_() for name, p in ensemble.params.items()}
    found, _ = objective(ensemble, params, Batch(x, y, torch.ones_like(y)), loss).loss_and_level(params)
    kept = network.kept
    assert set(kept.unique().tolist()) == {0.0, 1.25}
    generator.set_state(before)
    network.keep_all()
    negative = x[0]
    for step in range(4):
        negative = (negative + 0.001 * (4 - step - 1) / 4 * torch.randn(1, 16, 3, generator=generator)[0]).requires_grad_()
        negative = (negative + 0.1 * torch.autograd.grad(network(negative)[:, 0].sum(), negative)[0]).detach()
    network.kept = kept
    (prediction, low), high = network(x[0]).unbind(1), network(negative)[:, 1]
    wanted = (prediction - y[0]).square().mean() + low.mean() - high.mean() + low.square().mean() + high.square().mean()
    assert_close(found[0], wanted)


def test_energy_learns_to_rise_along_the_ascent_and_dropout_ends_with_training():
    problem = make_problem(SPACES["box"], 32)
    settings = {"hidden": 32, "epochs": 60, "batch_size": 128, "learning_rate": 3e-3, "negative_steps": 10, "step_size": 0.2}
    Arcoo(**settings).propose(problem)
    notes = problem.notes
    assert notes["energy_max"] > notes["energy_min"] + 0.2
    assert notes["mean_gate"][0] > notes["mean_gate"][-1] + 0.1
    fitted = Arcoo(**settings | {"epochs": 2}).train(problem)
    assert fitted.ensemble.template.kept is None


def test_a_closed_gate_keeps_designs_where_they_are(monkeypatch):
    monkeypatch.setattr("bbo.baselines.arcoo.gate", lambda energy, low, high: torch.zeros_like(energy))
    problem = make_problem(SPACES["box"], 8)
    designs = Arcoo(**Arcoo.presets["smoke"]).propose(problem)
    assert_close(designs, problem.x[problem.starts()], rtol=1e-4, atol=1e-4)


def test_faithful_trains_one_epoch():
    problem = make_problem(SPACES["box"], 8)
    settings = Arcoo.presets["smoke"] | {"max_updates": 0, "epochs": 3}
    assert len(Arcoo(**settings).train(problem).history.train) == 3
    assert len(Arcoo(**settings, faithful=True).train(problem).history.train) == 1
    assert energy.DROPPED == 0.2
