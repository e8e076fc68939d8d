"""ROOT's parts against figures of the authors' code (cuong-dm/ROOT @d23f14f run with torch 2.13 on a CPU).

The figures are float32, so they are right to EPS times the size of what cancels in them, and that is what a test allows: sums of
absolute values, from the data at hand. Where a test tries something wrong, the wrong answer must be outside.
"""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from bbo.encoding import Encoded
from bbo.generative import brownian_bridge as bridge
from bbo.generative.synthetic_pairs import Pairs, walk
from bbo.problem import Problem
from bbo.space import Sequence
from bbo.surrogates.gaussian_process import RBF, Posterior, fit
from bbo.surrogates.gp_family import VisibleTable

pytestmark = pytest.mark.numerics

CPU = torch.device("cpu")
EPS = torch.finfo(torch.float32).eps


def deviation(found, wanted, bound):
    """The largest difference, in units of its bound; infinite where it is no number."""
    assert found.shape == wanted.shape
    return ((found.double() - wanted.double()).abs() / bound).nan_to_num(nan=math.inf).max().item()


def query_bounds(kernel, x, coef, q):
    """What float32 can lose in sum_i coef_i k(q, x_i) and its gradient: EPS of every term, on each of the two sides."""
    terms = kernel.matrix(q, x) * coef.abs()
    slopes = terms @ x.abs() + terms.sum(1, keepdim=True) * q.abs()
    return 2 * EPS * terms.sum(1), 2 * EPS * slopes / kernel.lengthscale**2


def noisy_matrix(kernel, x):
    return kernel.matrix(x, x) + kernel.noise * torch.eye(len(x))


def walk_bounds(kernel, x, y, starts, steps, step_size):
    """What float32 can lose in the ends of walks: in any coordinate, and in any value.

    The authors factorise in float32, so they fit scores that are off by EPS of what cancels in (K + noise) coef, as `test_posterior`
    finds. Walks on such scores show how far that moves the ends; the rounding of the queries on the way comes on top, and the
    curvature, below 0.7 over a path of length 1, makes it at most half as large again.
    """
    x, y, starts = x.double(), y.double(), starts.double()
    right = fit(x, y, kernel)
    size = EPS * noisy_matrix(kernel, x) @ right.coef.abs()
    generator = torch.Generator().manual_seed(0)
    errors = size * (2 * torch.rand(8, len(y), generator=generator, dtype=torch.float64) - 1)
    ends = torch.stack([walk(fit(x, y + error, kernel), starts, steps, step_size) for error in errors])
    moved = (ends - walk(right, starts, steps, step_size)).abs()
    value, slope = (bound.max() for bound in query_bounds(kernel, x, right.coef, starts))
    return moved[..., :-1].max() + 1.5 * steps * step_size * slope, moved[..., -1].max() + value


@pytest.fixture(scope="module")
def gold():
    with np.load(Path(__file__).parents[1] / "golden" / "root_tfbind8.npz", allow_pickle=False) as arrays:
        return {name: torch.as_tensor(arrays[name]) for name in arrays.files}


@pytest.fixture(scope="module")
def encoded(gold):
    return Encoded.of(Sequence.uniform(8, 4), gold["offline_x_int"].long(), gold["offline_y_raw"])


@pytest.fixture(scope="module")
def network(gold):
    net = bridge.BridgeNetwork(24, 32, 1.0, torch.Generator().manual_seed(0))
    net.load_state_dict({name.removeprefix("net."): value for name, value in gold.items() if name.startswith("net.")})
    return net


def test_encoding(gold, encoded):
    # A float32 sum over n rows is off by at most n / 2 roundings; so are the moments, and what is scaled by them.
    rounding = EPS / 2 * len(gold["x"])
    scale = gold["x_mean"].abs() + gold["x_std"]
    assert deviation(encoded.x_mean, gold["x_mean"], rounding * scale) < 1
    assert deviation(encoded.x_std, gold["x_std"], rounding * scale) < 1
    assert deviation(encoded.x, gold["x"], rounding * (1 + gold["x"].abs())) < 1
    assert deviation(encoded.y, gold["y"], rounding * (1 + gold["y"].abs())) < 1
    assert encoded.y_mean == pytest.approx(gold["y_mean"].item(), rel=rounding)
    assert encoded.y_std == pytest.approx(gold["y_std"].item(), rel=rounding)
    # The deviation with n - 1 in place of n is outside.
    assert deviation(gold["x_std"] * (256 / 255) ** 0.5, gold["x_std"], rounding * scale) > 1


def test_posterior(gold):
    kernel = RBF(gold["gp_lengthscale"].item(), gold["gp_variance"].item(), gold["gp_noise"].item())
    x, y, coef, q = (gold[name].double() for name in ("x", "y", "gp_coef", "gp_query"))
    # The authors factorise in float32: their coefficients fit scores that are off by EPS of what cancels.
    scores, size = noisy_matrix(kernel, x) @ coef, noisy_matrix(kernel, x) @ coef.abs()
    assert deviation(scores, y, EPS * size) < 1
    # On these scores, which float64 knows, both are the same function: ours in float64 and in float32, theirs in our query.
    bounds = query_bounds(kernel, x, coef, q)
    theirs = Posterior.of(kernel, gold["x"], gold["gp_coef"])
    for posterior in (fit(x, scores, kernel), fit(gold["x"], scores.float(), kernel), theirs):
        points = q.to(posterior.coef.dtype)
        for found, name, bound in zip(posterior.mean_and_gradient(points), ("gp_mean", "gp_grad"), bounds, strict=True):
            assert deviation(found, gold[name], bound) < 1
        assert deviation(posterior.mean(points), gold["gp_mean"], bounds[0]) < 1

    # Coefficients off by 1e-4, and a noise or a lengthscale off by two per cent, are outside.
    wrong = coef * (1 + 1e-4 * torch.randn(len(coef), generator=torch.Generator().manual_seed(0)))
    assert deviation(noisy_matrix(kernel, x) @ wrong, y, EPS * size) > 1
    assert deviation(Posterior.of(kernel, x, wrong).mean(q), gold["gp_mean"], bounds[0]) > 1
    for other in (RBF(kernel.lengthscale, kernel.variance, 1.02 * kernel.noise), RBF(1.02 * kernel.lengthscale, kernel.variance)):
        assert deviation(noisy_matrix(other, x) @ coef, y, EPS * size) > 1
        assert deviation(fit(x, scores, other).mean(q), gold["gp_mean"], bounds[0]) > 1


@pytest.mark.parametrize("k", [0, 1])
def test_pairs(gold, k):
    lengthscale, variance = gold["pairs_hyper"][k].tolist()
    kernel = RBF(lengthscale, variance, gold["gp_noise"].item())
    starts = gold["start_x"][gold[f"pairs{k}_start_index"]]
    steps, step_size, min_gain = (gold[f"pairs_{name}"].item() for name in ("steps", "lr", "threshold"))
    bound = walk_bounds(kernel, gold["x"], gold["y"], starts, steps, step_size)

    def deviations(kernel, steps, dtype=torch.float64):
        function = fit(gold["x"].to(dtype), gold["y"].to(dtype), kernel)
        pairs = Pairs.gaining(walk(function, starts.to(dtype), steps, step_size), min_gain)
        return [
            deviation(getattr(pairs, f"{part}_{end}"), gold[f"pairs{k}_{end}_{part}"], size)
            for end in ("low", "high")
            for part, size in zip("xy", bound, strict=True)
        ]

    assert max(deviations(kernel, steps)) < 1
    assert max(deviations(kernel, steps, torch.float32)) < 1
    # One step less, and a variance off by two per cent, are outside at either end.
    for wrong in (deviations(kernel, steps - 1), deviations(RBF(lengthscale, 1.02 * variance, kernel.noise), steps)):
        assert min(wrong) > 1


def test_schedule(gold):
    schedule = bridge.Schedule.linear(1000, 20, 1.0, CPU)
    assert_close(schedule.m, gold["bridge_m"])
    assert_close(schedule.variance, gold["bridge_variance"])
    assert list(schedule.steps) == gold["bridge_steps"].tolist()


def test_loss(gold, network):
    schedule = bridge.Schedule.linear(1000, 20, 1.0, CPU)
    pairs = Pairs(gold["train_x_low"], gold["train_y_low"], gold["train_x_high"], gold["train_y_high"])
    x_t, target = bridge.noisy(schedule, pairs, gold["train_t"], gold["train_noise"])
    # Four operations on numbers of this size, then sums of at most 32 terms.
    size = pairs.x_high.abs() + pairs.x_low.abs() + gold["train_noise"].abs()
    assert deviation(x_t, gold["train_x_t"], 4 * EPS * size) < 1
    assert deviation(target, gold["train_objective"], 4 * EPS * size) < 1
    shown = torch.zeros(len(pairs), dtype=torch.bool)
    value = bridge.errors(network, schedule, pairs, gold["train_t"], gold["train_noise"], shown).mean().detach()
    assert deviation(value, gold["train_loss"], 32 * EPS * value) < 1
    hidden = bridge.errors(network, schedule, pairs, gold["train_t"], gold["train_noise"], ~shown).mean().detach()
    assert deviation(hidden, gold["train_loss"], 32 * EPS * value) > 1


def sampled(gold, network, x_low, y_low, guidance):
    schedule = bridge.Schedule.linear(1000, 20, 1.0, CPU)
    # Sampling order of the reference: (y_low, y_target), the reverse of training.
    targets, noise = gold["sample_y_target"], gold["sample_noise"]
    return bridge.sample(network, schedule, x_low, y_low, targets, guidance, gold["sample_eta"].item(), lambda i: noise[i])


def test_reverse_process(gold, network):
    given, guidance = (gold["sample_x_low"], gold["sample_y_low"]), gold["sample_guidance"].item()
    bound = EPS * len(gold["bridge_steps"]) * gold["sample_out"].abs().max()  # one rounding of the largest number in every step
    assert deviation(sampled(gold, network, *given, guidance), gold["sample_out"], bound) < 1
    assert deviation(sampled(gold, network, *given, guidance + 1e-3), gold["sample_out"], bound) > 1


def test_whole_chain(gold, network):
    """From letters and raw scores to pairs and to designs, each step on what the step before made."""
    letters = gold["offline_x_int"].long()
    problem = Problem(letters, gold["offline_y_raw"], Sequence.uniform(8, 4), 8, torch.Generator().manual_seed(0))
    data = problem.encoded()
    # Which rows they took, in their order (their sort leaves equal scores in no particular one).
    starts, lows = (torch.cdist(gold[name], data.x).argmin(dim=1) for name in ("start_x", "sample_x_low"))
    assert sorted(starts.tolist()) == sorted(problem.best(64).tolist())
    pool = data.x[starts]

    steps, step_size, min_gain, noise = (gold[name].item() for name in ("pairs_steps", "pairs_lr", "pairs_threshold", "gp_noise"))
    kernels = [RBF(lengthscale, variance, noise) for lengthscale, variance in gold["pairs_hyper"].tolist()]
    table = VisibleTable.of(data, problem.x)
    assert table.grid is not None  # the way `root` takes on TFBind8: Kronecker products and conjugate gradients
    for k, function in enumerate(table.fitter(torch.arange(len(letters)), kernels[0])(kernels)):
        own = pool[gold[f"pairs{k}_start_index"]]
        coordinate, value = walk_bounds(kernels[k], data.x, data.y, own, steps, step_size)
        pairs = Pairs.gaining(walk(function, own, steps, step_size), min_gain)
        assert deviation(pairs.x_low, gold[f"pairs{k}_low_x"], coordinate) < 1
        assert deviation(pairs.x_high, gold[f"pairs{k}_high_x"], coordinate) < 1
        assert deviation(pairs.y_high - pairs.y_low, gold[f"pairs{k}_high_y"] - gold[f"pairs{k}_low_y"], 2 * value) < 1

    out = sampled(gold, network, data.x[lows], data.y[lows], gold["sample_guidance"].item())
    bound = EPS * len(gold["bridge_steps"]) * gold["sample_out"].abs().max()
    assert deviation(out, gold["sample_out"], bound) < 1
    assert torch.equal(data.decode(out), data.decode(gold["sample_out"]))
