"""ROOT's parts against figures of the authors' code (cuong-dm/ROOT @d23f14f run with torch 2.13 on a CPU)."""

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

CPU = torch.device("cpu")


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
    assert_close(encoded.x, gold["x"], rtol=1e-4, atol=1e-5)
    assert_close(encoded.y, gold["y"], rtol=1e-4, atol=1e-5)
    assert_close(encoded.x_mean, gold["x_mean"], rtol=1e-4, atol=1e-5)
    assert_close(encoded.x_std, gold["x_std"], rtol=1e-4, atol=1e-5)
    assert encoded.y_mean == pytest.approx(gold["y_mean"].item(), rel=1e-4)
    assert encoded.y_std == pytest.approx(gold["y_std"].item(), rel=1e-4)


def test_posterior(gold):
    kernel = RBF(gold["gp_lengthscale"].item(), gold["gp_variance"].item(), gold["gp_noise"].item())
    posterior = fit(gold["x"], gold["y"], kernel)
    # The authors factorise in float32, we in float64: compare in the function, where both keep their digits.
    mean, gradient = posterior.mean_and_gradient(gold["gp_query"])
    assert_close(mean, gold["gp_mean"], rtol=1e-4, atol=2e-4)
    assert_close(gradient, gold["gp_grad"], rtol=1e-3, atol=1e-4)
    theirs = Posterior.of(kernel, gold["x"], gold["gp_coef"])
    assert_close(theirs.mean(gold["gp_query"]), gold["gp_mean"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("k", [0, 1])
def test_pairs(gold, k):
    lengthscale, variance = gold["pairs_hyper"][k].tolist()
    function = fit(gold["x"], gold["y"], RBF(lengthscale, variance, gold["gp_noise"].item()))
    starts = gold["start_x"][gold[f"pairs{k}_start_index"]]
    steps, step_size, min_gain = (gold[f"pairs_{name}"].item() for name in ("steps", "lr", "threshold"))
    pairs = Pairs.gaining(walk(function, starts, steps, step_size), min_gain)
    for end in ("low", "high"):
        assert_close(getattr(pairs, f"x_{end}"), gold[f"pairs{k}_{end}_x"], rtol=1e-3, atol=1e-3)
        assert_close(getattr(pairs, f"y_{end}"), gold[f"pairs{k}_{end}_y"], rtol=1e-3, atol=1e-3)


def test_schedule(gold):
    schedule = bridge.Schedule.linear(1000, 20, 1.0, CPU)
    assert_close(schedule.m, gold["bridge_m"])
    assert_close(schedule.variance, gold["bridge_variance"])
    assert list(schedule.steps) == gold["bridge_steps"].tolist()


def test_loss(gold, network):
    schedule = bridge.Schedule.linear(1000, 20, 1.0, CPU)
    pairs = Pairs(gold["train_x_low"], gold["train_y_low"], gold["train_x_high"], gold["train_y_high"])
    x_t, target = bridge.noisy(schedule, pairs, gold["train_t"], gold["train_noise"])
    assert_close(x_t, gold["train_x_t"], rtol=1e-4, atol=1e-5)
    assert_close(target, gold["train_objective"], rtol=1e-4, atol=1e-5)
    shown = torch.zeros(len(pairs), dtype=torch.bool)
    value = bridge.loss(network, schedule, pairs, gold["train_t"], gold["train_noise"], shown)
    assert_close(value.detach(), gold["train_loss"], rtol=1e-4, atol=1e-5)


def test_reverse_process(gold, network):
    schedule = bridge.Schedule.linear(1000, 20, 1.0, CPU)
    # Sampling order of the reference: (y_low, y_target), the reverse of training.
    out = bridge.sample(
        network,
        schedule,
        gold["sample_x_low"],
        gold["sample_y_low"],
        gold["sample_y_target"],
        gold["sample_guidance"].item(),
        gold["sample_eta"].item(),
        lambda i: gold["sample_noise"][i],
    )
    assert_close(out, gold["sample_out"], rtol=1e-4, atol=1e-5)


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
        pairs = Pairs.gaining(walk(function, pool[gold[f"pairs{k}_start_index"]], steps, step_size), min_gain)
        assert_close(pairs.x_low, gold[f"pairs{k}_low_x"], rtol=1e-3, atol=1e-3)
        assert_close(pairs.x_high, gold[f"pairs{k}_high_x"], rtol=1e-3, atol=1e-3)
        assert_close(pairs.y_high - pairs.y_low, gold[f"pairs{k}_high_y"] - gold[f"pairs{k}_low_y"], rtol=1e-3, atol=2e-3)

    schedule, targets = bridge.Schedule.linear(1000, 20, 1.0, CPU), gold["sample_y_target"]
    out = bridge.sample(network, schedule, data.x[lows], data.y[lows], targets, -1.5, 0.2, lambda i: gold["sample_noise"][i])
    assert_close(out, gold["sample_out"], rtol=1e-4, atol=1e-4)
    assert torch.equal(data.decode(out), data.decode(gold["sample_out"]))
