"""MATCH-OPT: the path integral on a quadratic, the loss against full Jacobians, and batches of one row of every bucket."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch.testing import assert_close

from bbo.baselines.match_opt import GradientMatching, MatchOpt, one_of_each_bucket, path_integral
from bbo.surrogates import losses
from bbo.surrogates.networks import MLP, Ensemble, spawn
from bbo.surrogates.sharpness import Unregularised
from bbo.surrogates.training import Batch, fit, objective
from bbo.testing.methods import SPACES, make_problem

pytestmark = pytest.mark.numerics


def test_the_path_integral_of_a_quadratic():
    """f(x) = x'Ax + b'x: midpoints give f(v) - f(u); left ends miss half a part of the curvature, (v-u)'A(v-u) / m."""
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(4, 4, generator=generator, dtype=torch.float64), torch.randn(4, generator=generator, dtype=torch.float64)
    u, v = torch.randn(2, 1, 7, 4, generator=generator, dtype=torch.float64)

    def f(x):
        return ((x @ a) * x).sum(-1, keepdim=True) + (x @ b)[..., None]

    gain = (f(v) - f(u))[..., 0]
    for points in (1, 5):
        assert_close(path_integral(f, u, v, points, "midpoint"), gain)
        missing = (((v - u) @ a) * (v - u)).sum(-1) / points
        assert_close(path_integral(f, u, v, points, "left"), gain - missing)


def test_the_loss_and_its_gradient_are_those_of_full_jacobians():
    """As the authors compute it: a Jacobian of all outputs for each point, then its diagonal."""
    generator = torch.Generator().manual_seed(0)
    network = MLP(3, (8, 4), generator)
    x, y = torch.randn(6, 3, generator=generator), torch.randn(6, generator=generator).sort().values
    ensemble = Ensemble.of([network])
    params = {name: p.clone().requires_grad_() for name, p in ensemble.params.items()}
    batch = Batch(x[None], y[None], torch.ones(1, 6))
    value, gradients = Unregularised().gradients(objective(ensemble, params, batch, GradientMatching(5, "left")), params)

    u, v = x[:-1], x[1:]
    slope = torch.zeros_like(u)
    for i in range(5):
        at = u * (1 - i / 5) + v * (i / 5)
        jacobian = torch.autograd.functional.jacobian(lambda z: network(z)[:, 0], at, create_graph=True)
        slope = slope + torch.einsum("aab->ab", jacobian) / 5
    wanted = ((slope * (v - u)).sum(1) - y.diff()).square().mean() + (network(x)[:, 0] - y).square().mean()
    assert_close(value[0], wanted.detach())
    for (name, p), g in zip(
        network.named_parameters(), torch.autograd.grad(wanted, list(network.parameters()), materialize_grads=True), strict=True
    ):
        assert_close(gradients[name][0], g.reshape(p.shape), rtol=1e-4, atol=1e-5)


def test_a_batch_has_one_row_of_every_bucket_lowest_scores_first():
    y = torch.randn(53, generator=torch.Generator().manual_seed(0))
    rows = torch.arange(53)[None].repeat(2, 1)
    batches = one_of_each_bucket(y, 10, rows, spawn(torch.Generator().manual_seed(1), 2))
    rank = y.argsort().argsort()
    assert len(batches) == 5
    for member in range(2):
        places = torch.stack(list(batches))[:, member]
        assert len(places.unique()) == 50
        assert torch.equal((rank[places] // 5).clamp(max=9), torch.arange(10).repeat(5, 1))
    assert not torch.equal(batches[0][0], batches[0][1])


def test_a_table_smaller_than_a_batch_has_as_many_buckets_as_rows():
    y = torch.tensor([3.0, 1.0, 2.0])
    (batch,) = one_of_each_bucket(y, 128, torch.arange(3)[None], spawn(torch.Generator(), 1))
    assert batch.tolist() == [[1, 2, 0]]


def test_matching_brings_path_integrals_closer_to_the_gains_than_values_alone_do():
    problem = make_problem(SPACES["box"], 8, rows=600)
    method = replace(MatchOpt(), hidden=64, learning_rate=3e-3, epochs=60, batch_size=64)
    data, errors = problem.encoded(), []
    alone = fit(partial(MLP, data.dim, method.widths), data.x, data.y, method.plan(), losses.mse, spawn(problem.generator, 1))
    for ensemble in (method.train(problem).ensemble, alone.ensemble):
        pairs = torch.stack(one_of_each_bucket(data.y, 64, torch.arange(len(data.y))[None], spawn(torch.Generator(), 1)))[:, 0]
        u, v = data.x[pairs[:, :-1]], data.x[pairs[:, 1:]]
        errors.append(path_integral(ensemble, u.flatten(0, 1)[None], v.flatten(0, 1)[None], 5)[0] - data.y[pairs].diff().flatten())
    matched, unmatched = (error.detach().square().mean() for error in errors)
    assert matched < 0.7 * unmatched


def test_normal_starts_are_not_the_best_designs():
    method = MatchOpt(hidden=32, epochs=1, steps=0)
    for start, same in (("best", True), ("normal", False)):
        problem = make_problem(SPACES["box"], 8)
        assert torch.allclose(replace(method, start=start).propose(problem), problem.x[problem.starts()], atol=1e-4) is same
