"""Our training step against the authors' IGNITE.

`tests/golden/ignite_forward_model.npz` was made by running the authors' own code (cuong-dm/IGNITE @c702614) with TensorFlow 2.15 on
the CPU: twelve Adam steps on a Gaussian-head network without a regulariser, with IGNITE and with IGNITE-2.

Keras' Adam divides by sqrt(v) + epsilon before it corrects v for its start at zero, torch's after it: Keras' epsilon acts like one of
epsilon / sqrt(1 - beta2^t), 30 times larger in the first step. Where a gradient is near that, the steps differ. So the steps are
compared with our epsilon moved to Keras' place, and to rounding; where it stands, by the formula of the difference.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from bbo.surrogates import losses, sharpness
from bbo.surrogates.networks import MLP, Ensemble
from bbo.surrogates.training import Batch, adam, objective, step

pytestmark = pytest.mark.numerics

GOLDEN = Path(__file__).parents[1] / "golden" / "ignite_forward_model.npz"
NAMES = [f"layers.{i}.{part}" for i in range(3) for part in ("weight", "bias")] + ["max_log_std", "min_log_std"]
KINDS = ["plain", "ignite", "ignite2"]
EPS = torch.finfo(torch.float32).eps


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN, allow_pickle=False) as arrays:
        return {name: torch.from_numpy(np.asarray(arrays[name])) for name in arrays.files}


def regulariser(golden, kind, members):
    if kind == "plain":
        return sharpness.Unregularised()
    if kind == "ignite":
        weight, eta, epsilon, rho, r = golden["ignite_hyper"].tolist()
        return sharpness.Ignite(torch.full((members,), weight), eta, epsilon, rho, r)
    weight, rho, r = golden["ignite2_hyper"].tolist()
    return sharpness.Ignite(torch.full((members,), weight), 0.0, 0.0, rho, r)


class Rounding:
    """How far twelve steps in float32 can drift from exact ones, for each weight; `moved` likewise for epsilon in torch's place."""

    def __init__(self, params):
        zero = {name: torch.zeros_like(p[0], dtype=torch.float64) for name, p in params.items()}
        self.weights, self.moved, self.first, self.second = dict(zero), dict(zero), dict(zero), dict(zero)

    def batch(self, ensemble, params, x, y, weight, penalty):
        """Bounds on a batch's losses (B,); keeps EPS times the size of what cancels in every gradient: the rows' own."""
        alone = {name: p[0].detach().double().expand(len(x), *p[0].shape).clone().requires_grad_() for name, p in params.items()}
        outputs = ensemble(x.double()[:, None], alone)
        values = losses.gaussian_nll(outputs, y.double()[:, None])[:, 0]
        own, level = (
            torch.autograd.grad(v.sum(), list(alone.values()), retain_graph=True, materialize_grads=True)
            for v in (values, outputs[..., 0])
        )
        share = (weight / weight.sum()).double()
        self.gradients = {
            name: EPS * (torch.tensordot(share, a.abs(), 1) + 2 * penalty * b.abs().mean(0))
            for name, a, b in zip(alone, own, level, strict=True)
        }
        # One rounding of every weight as it enters a row, and what the weights have drifted so far.
        moves = [EPS * p.abs() + self.weights[name] for name, p in alone.items()]
        entered = sum((move * g.abs()).flatten(1).sum(1) for move, g in zip(moves, own, strict=True))
        return (entered + EPS * values.abs()).detach()

    def step(self, params, optimiser, taken, epsilon):
        """After a step of Adam: its averages of a gradient g that is off by e are off by no more than the averages of e.

        So the step m / (sqrt(v) + epsilon) is off by (first + sqrt(second)) / (sqrt(v) + epsilon): nothing where |g| is large, up to
        twice the learning rate where g is all rounding. On top come 1 - beta2^t, which float32 holds to EPS, and storing the weight.
        """
        group = optimiser.param_groups[0]
        lr, (beta1, beta2) = group["lr"], group["betas"]
        begun1, begun2 = 1 - beta1**taken, 1 - beta2**taken
        for name, p in params.items():
            error, state = self.gradients[name], optimiser.state[p]
            self.first[name] = beta1 * self.first[name] + (1 - beta1) * error
            self.second[name] = beta2 * self.second[name] + (1 - beta2) * error.square()
            m, v = state["exp_avg"][0].double() / begun1, (state["exp_avg_sq"][0].double() / begun2).sqrt()
            off = (self.first[name] / begun1 + (self.second[name] / begun2).sqrt()) / (v + epsilon)
            stored = EPS / 2 * p[0].detach().double().abs()
            self.weights[name] = self.weights[name] + lr * (off.clamp(max=2) + EPS / begun2) + stored
            self.moved[name] = self.moved[name] + lr * m.abs() * (1 / (v + epsilon) - 1 / (v + epsilon / begun2**0.5))


def worst(differences):
    """The largest difference in units of its bound among pairs of both; infinite where one is no number."""
    return max((off.double().abs() / bound).nan_to_num(nan=math.inf).max().item() for off, bound in differences)


def deviations(golden, kind, members=1, dtype=torch.float64, as_keras=True, epsilon=None, scale=1.0):
    """Twelve steps; the largest differences from the authors' losses, weights and lambdas, in units of their bounds."""
    network = MLP(6, (16, 16), torch.Generator().manual_seed(0), gaussian=True)
    ensemble = Ensemble.of([network] * members)
    shapes = {name: p.shape for name, p in ensemble.params.items()}
    start = {name: golden[f"init.{i}"].reshape(shapes[name][1:]) for i, name in enumerate(NAMES)}
    params = {name: start[name].to(dtype).expand(shape).clone().requires_grad_() for name, shape in shapes.items()}
    optimiser, regular = adam(params, golden["lr"].item()), regulariser(golden, kind, members)
    if kind != "plain":
        regular.weight = scale * regular.weight.to(dtype)
    group = optimiser.param_groups[0]
    epsilon = epsilon or group["eps"]
    rounding, losses_off, path = Rounding(params), [], [getattr(regular, "weight", None)]
    for s in range(12):
        x, y, weight = (golden[key][s] for key in ("x", "y", "sample_weight"))
        penalty = 0.0 if kind == "plain" else regular.weight.abs().max().item() * regular.rho / regular.r
        bound = rounding.batch(ensemble, params, x, y[:, 0], weight[:, 0], penalty)
        batch = Batch(*(t.to(dtype).expand(members, *t.shape) for t in (x, y[:, 0], weight[:, 0])))
        with torch.no_grad():
            values = losses.gaussian_nll(ensemble(batch.x, params), batch.y)
        losses_off.append((values - golden[f"{kind}.nll"][s, :, 0], bound))
        group["eps"] = epsilon / (1 - group["betas"][1] ** (s + 1)) ** 0.5 if as_keras else epsilon
        step(objective(ensemble, params, batch, losses.nll), params, regular, optimiser)
        rounding.step(params, optimiser, s + 1, epsilon)
        path.append(getattr(regular, "weight", None))
    off = {name: params[name].detach() - golden[f"{kind}.final.{i}"].reshape(shapes[name][1:]) for i, name in enumerate(NAMES)}
    found = {
        "loss": worst(losses_off),
        "weights": worst((off[name], rounding.weights[name]) for name in NAMES),
        "weights, epsilon in torch's place": worst((off[name], rounding.weights[name] + rounding.moved[name]) for name in NAMES),
    }
    if kind == "ignite":
        # Twelve roundings of lambda; those of the slopes' norm enter it scaled by eta * rho = 0.01.
        wanted = golden["ignite.lambda"]
        found["lambda"] = worst([(torch.stack(path)[:, k] - wanted, 12 * EPS * wanted) for k in range(members)])
    return found


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_twelve_steps_agree_with_the_authors(golden, kind, members, dtype):
    found = deviations(golden, kind, members, dtype)
    assert max(found.values()) < 1, found


@pytest.mark.parametrize("kind", KINDS)
def test_epsilon_in_torchs_place_explains_the_rest(golden, kind):
    found = deviations(golden, kind, dtype=torch.float32, as_keras=False)
    assert found["weights, epsilon in torch's place"] < 1 < found["weights"], found


@pytest.mark.parametrize("kind", KINDS)
def test_another_epsilon_is_outside(golden, kind):
    for epsilon in (1e-8, 2e-7):
        assert deviations(golden, kind, epsilon=epsilon)["weights"] > 1


@pytest.mark.parametrize("kind", ["ignite", "ignite2"])
def test_a_penalty_of_the_wrong_sign_or_size_is_outside(golden, kind):
    wrong = deviations(golden, kind, scale=-1.0)
    assert min(wrong["loss"], wrong["weights"]) > 1
    assert deviations(golden, kind, scale=1.01)["weights"] > 1
