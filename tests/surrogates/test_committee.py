"""A committee's average is the average of its members, whatever is shared inside."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from bbo.surrogates.committee import Committee, inducing_count
from bbo.surrogates.quadratic_kernel import QuadraticScales, Trend, trend_matrix
from bbo.surrogates.two_scale_gaussian_process import fit, fit_inducing

pytestmark = pytest.mark.numerics

KERNELS = (QuadraticScales(4.0, 1.0, 0.8, 0.03), QuadraticScales(4.0, 2.0, 0.0, 0.1, 0.5), QuadraticScales(4.0, 1.0, 0.2, 0.01))


def _data(rows: int = 60) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(rows, 3, generator=generator)
    return x, (x[:, 0] - x.square().sum(1)), torch.randn(7, 3, generator=generator)


def _mean(committee: Committee, q: torch.Tensor) -> torch.Tensor:
    parts = [*committee.parts(), *filter(None, [committee.trend()])]
    return torch.stack([part.mean(q) for part in parts]).sum(0)


def test_the_average_of_members_with_one_part_for_each_lengthscale():
    x, y, q = _data()
    committee = Committee.fitted(x, [y, y.exp(), -y], KERNELS)
    alone = torch.stack([_mean(committee.of([number]), q) for number in range(3)])
    torch.testing.assert_close(_mean(committee, q), alone.mean(0), rtol=1e-4, atol=1e-4)
    assert len(committee.parts()) == 3


def test_a_member_is_the_exact_posterior_of_its_kernel():
    x, y, q = _data()
    kernel = KERNELS[1]
    matrix = kernel.matrix(x, x) + kernel.noise * torch.eye(len(x))
    expected = kernel.matrix(q, x) @ torch.linalg.solve(matrix, y.double())
    torch.testing.assert_close(_mean(Committee.fitted(x, [y], [kernel]), q).double(), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("fitted", [fit, partial(fit_inducing, inducing=_data()[0])])
def test_a_posterior_of_two_scales_leaves_out_no_trend(fitted):
    x, y, _ = _data()
    with pytest.raises(TypeError, match="plain TwoScales; got QuadraticScales; use Committee"):
        fitted(x, y, KERNELS[1])


def test_all_rows_as_inducing_points_change_nothing():
    x, y, q = _data()
    exact, through = Committee.fitted(x, [y], KERNELS[:1]), Committee.fitted(x, [y], KERNELS[:1], x)
    torch.testing.assert_close(_mean(exact, q), _mean(through, q), rtol=1e-2, atol=1e-3)


def test_the_trend_is_its_kernel_and_its_gradient_is_right():
    x, y, q = _data()
    trend = Trend.of(x, y)
    torch.testing.assert_close(trend.mean(q).double(), trend_matrix(q, x) @ y.double(), rtol=1e-4, atol=1e-4)
    q = q.requires_grad_()
    slope = torch.autograd.grad(trend.mean(q).sum(), q)[0]
    torch.testing.assert_close(trend.mean_and_gradient(q.detach())[1], slope)


def test_inducing_points_stay_within_the_budget_but_not_below_the_least():
    assert inducing_count(10_000, 1e10, 10) == 1000
    assert inducing_count(10_000, 1e10, 2000) == 2000
    assert inducing_count(300, 1e10, 2000) == 300
