"""Closed forms against the definition, float64 autograd and gpytorch."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from bbo.encoding import Encoded
from bbo.errors import NumericalError
from bbo.space import Continuous, Sequence
from bbo.surrogates.gaussian_process import RBF, fit, fit_likelihood, leave_one_out, median_distance
from bbo.surrogates.gp_family import VisibleTable
from bbo.surrogates.grid_gaussian_process import Grid, GridData, GridRegression

pytestmark = pytest.mark.numerics


def reference(kernel, x, y, q):
    """Posterior mean and gradient in float64, by the definition and autograd."""
    x, y, q = x.double(), y.double(), q.double().requires_grad_()

    def k(a, b):
        return kernel.variance * torch.exp(-0.5 * (a[:, None] - b).square().sum(2) / kernel.lengthscale**2)

    mean = k(q, x) @ torch.linalg.solve(k(x, x) + kernel.noise * torch.eye(len(x)), y)
    return mean.detach(), torch.autograd.grad(mean.sum(), q)[0]


def sequences(letters, rows, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.stack([torch.randint(c, (rows,), generator=generator) for c in letters], dim=1)
    y = torch.randn(rows, generator=generator)
    return x, Encoded.of(Sequence(tuple(letters)), x, y), generator


def test_mean_and_gradient_of_the_dense_posterior():
    generator = torch.Generator().manual_seed(0)
    x, y, q = torch.randn(60, 5, generator=generator), torch.randn(60, generator=generator), torch.randn(9, 5, generator=generator)
    kernel = RBF(1.7, 2.0, 0.1)
    mean, gradient = fit(x, y, kernel).mean_and_gradient(q)
    wanted_mean, wanted_gradient = reference(kernel, x, y, q)
    assert_close(mean.double(), wanted_mean, rtol=1e-4, atol=1e-5)
    assert_close(gradient.double(), wanted_gradient, rtol=1e-4, atol=1e-5)


@given(st.lists(st.integers(2, 5), min_size=2, max_size=5), st.integers(1, 80), st.integers(0, 2**32 - 1))
def test_grid_posterior_is_the_dense_one(letters, rows, seed):
    """Duplicated rows, unequal letters, few and many rows: the same function."""
    x, encoded, generator = sequences(letters, rows, seed)
    table = VisibleTable.of(encoded, x)
    assert table.grid is not None
    kernels = [RBF(2.0, 1.5, 0.05), RBF(2.1, 1.4, 0.05)]
    q = encoded.x[:10] + 0.3 * torch.randn(min(rows, 10), encoded.dim, generator=generator)
    for kernel, posterior in zip(kernels, table.fitter(torch.arange(rows), kernels[0])(kernels), strict=True):
        mean, gradient = posterior.mean_and_gradient(q)
        wanted_mean, wanted_gradient = reference(kernel, encoded.x, encoded.y, q)
        assert_close(mean.double(), wanted_mean, rtol=1e-3, atol=1e-3)
        assert_close(gradient.double(), wanted_gradient, rtol=1e-3, atol=1e-3)
        assert_close(posterior.mean(q), mean)


def test_grid_numbers_are_positional():
    table = VisibleTable.of(sequences([3, 2, 4], 30, 0)[1], torch.tensor([[0, 0, 1], [1, 0, 0], [2, 1, 3]]))
    assert table.grid.shape[0] * table.grid.shape[1] == 24
    assert table.numbers.tolist() == [1, 8, 23]


def test_kernels_far_from_the_centre_are_an_error_not_a_wrong_answer():
    x, encoded, _ = sequences([4] * 6, 3000, 0)
    table = VisibleTable.of(encoded, x)
    regression = GridRegression(GridData.of(table.grid, table.numbers, encoded.y), RBF(6.25, 6.25))
    with pytest.raises(NumericalError, match=r"preconditioned for .* largest_grid=0"):
        regression.fit([RBF(60.0, 6.25, 1e-9)], most=5)


def test_large_or_continuous_spaces_take_the_dense_way():
    assert VisibleTable.of(sequences([4] * 20, 10, 0)[1], torch.zeros(10, 20, dtype=torch.int64)).grid is None
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(10, 2, generator=generator)
    assert VisibleTable.of(Encoded.of(Continuous.box(2, 0, 1), x, x[:, 0]), x).grid is None
    assert Grid.of((2, 3), torch.randn(3, 3, generator=generator)).shape == (2, 3)


def test_a_failed_factorisation_says_with_which_numbers():
    x = torch.zeros(5, 2)
    with pytest.raises(NumericalError, match=r"5 x 5 kernel matrix \(lengthscale 1, variance 1, noise -0.5\)"):
        fit(x, torch.ones(5), RBF(1.0, 1.0, -0.5))


def test_likelihood_fit_finds_the_lengthscale_that_made_the_data():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(300, 2, generator=generator)
    kernel = RBF(0.8, 1.0, 0.01)
    matrix = kernel.matrix(x.double(), x.double()) + 0.01 * torch.eye(300)
    y = (torch.linalg.cholesky(matrix) @ torch.randn(300, generator=generator).double()).float()
    found = fit_likelihood(x, y)
    assert found.lengthscale == pytest.approx(0.8, rel=0.2)
    assert found.noise == pytest.approx(0.01, rel=0.5)
    assert fit_likelihood(x, y, noise=0.02).noise == 0.02


def test_a_lengthscale_from_designs_that_are_alike_is_an_error():
    for x in (torch.zeros(1, 3), torch.zeros(5, 3)):
        with pytest.raises(NumericalError, match="designs are alike"):
            median_distance(x)


def test_median_distance_of_standard_normals():
    x = torch.randn(500, 32, generator=torch.Generator().manual_seed(1))
    assert median_distance(x) == pytest.approx(8.0, rel=0.05)


def test_leave_one_out_is_what_a_fit_without_the_row_predicts():
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(12, 2, generator=generator), torch.randn(12, generator=generator)
    kernel = RBF(1.0, 2.0, 0.1)
    rest = [torch.arange(12) != i for i in range(12)]
    wanted = torch.stack([fit(x[keep], y[keep], kernel).mean(x[~keep])[0] for keep in rest])
    assert_close(leave_one_out(x, y, kernel), wanted, atol=1e-5, rtol=1e-5)


def test_a_nearly_full_grid_has_the_same_preconditioner():
    """Computed from the few hidden cells; the posterior is the definition's either way."""
    space, generator = Sequence((5, 4, 5)), torch.Generator().manual_seed(0)
    designs = torch.cartesian_prod(*(torch.arange(c) for c in space.letters))[torch.randperm(100, generator=generator)[:90]]
    y = torch.randn(90, generator=generator)
    encoded = Encoded.of(space, designs, y)
    table, kernel = VisibleTable.of(encoded, designs), RBF(3.0, 5.0, 0.05)
    regression = GridRegression(GridData.of(table.grid, table.numbers, encoded.y), kernel)
    assert_close(regression._gram(), regression._gram_at(regression.data.cells), atol=1e-5, rtol=0)
    q = torch.randn(20, encoded.dim, generator=generator)
    (posterior,) = regression.fit([kernel])
    assert_close(posterior.mean(q), fit(encoded.x, encoded.y, kernel).mean(q), atol=1e-3, rtol=1e-3)
