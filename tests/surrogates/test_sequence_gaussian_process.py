"""The two-scale Gaussian process: on sequences and on boxes, exact and through inducing points, against the dense formula."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from bbo.errors import NumericalError
from bbo.space import Sequence
from bbo.surrogates import conjugate_gradients, mismatches
from bbo.surrogates import sequence_gaussian_process as sequences
from bbo.surrogates.mismatches import Letters
from bbo.surrogates.two_scale_gaussian_process import TwoScales, fit, fit_inducing

pytestmark = pytest.mark.numerics
SPACE = Sequence((4, 2, 3, 5))
KERNEL = TwoScales(5.0, 1.0, 0.8, 0.03)
CPU = torch.device("cpu")


@pytest.fixture
def visible():
    generator = torch.Generator().manual_seed(0)
    designs = sequences.design(SPACE, torch.randint(120, (60,), generator=generator))  # some designs come twice
    return designs, torch.randn(60, generator=generator)


def dense(x, y, q):
    """The posterior mean at q, from the number of mismatches and nothing else."""

    def kernel(a, b):
        mismatches = (a[:, None] != b[None]).sum(2).double()
        return 0.8 * (-mismatches / 50).exp() + 0.2 * (-mismatches / 2).exp()

    return kernel(q, x) @ torch.linalg.solve(kernel(x, x) + 0.03 * torch.eye(len(x)).double(), y.double())


def everything():
    return sequences.design(SPACE, torch.arange(120))


def test_the_table_of_a_small_space_is_the_exact_posterior(visible):
    assert_close(sequences.table(SPACE, *visible, KERNEL), dense(*visible, everything()), rtol=0, atol=2e-4)


@pytest.mark.parametrize("noise", [0.3, 0.003])
def test_both_ways_to_solve_for_a_table_agree(monkeypatch, noise):
    space = Sequence((4,) * 7)
    generator = torch.Generator().manual_seed(1)
    scores = torch.randn(space.size, generator=generator) + sequences.design(space, torch.arange(space.size)).float().sum(1)
    rows = scores.argsort()[: space.size // 2]  # the worse half, as a task shows it; then some of them twice
    rows = torch.cat([rows, rows[::5]])
    designs = sequences.design(space, rows)
    kernel = TwoScales(5.0, 1.0, 0.8, noise)
    y = (scores[rows] - scores[rows].mean()) / scores[rows].std()
    expected = sequences.table(space, designs, y, kernel)
    monkeypatch.setattr(sequences, "MANY", 0)
    found = sequences.table(space, designs, y, kernel)
    # The first way leaves 1e-4 of the target at the visible designs.
    assert_close(found[rows], expected[rows], rtol=0, atol=1e-2)
    assert (found - expected).norm() < 1e-3 * expected.norm()
    assert not torch.equal(found, expected)


def test_a_table_of_many_designs_that_does_not_converge_is_an_error(visible, monkeypatch):
    monkeypatch.setattr(sequences, "MANY", 0)
    monkeypatch.setattr(sequences, "MOST_ITERATIONS", sequences.LOOK)
    monkeypatch.setattr(sequences, "BASIS_TOLERANCE", 1e-30)
    with pytest.raises(NumericalError, match="did not converge"):
        sequences.table(SPACE, *visible, KERNEL)


def test_numbers_and_designs_are_inverse():
    assert SPACE.key(everything()).tolist() == list(range(120))


def test_means_of_designs_and_of_all_their_single_mutants(visible):
    designs, y = visible
    letters = Letters.of(SPACE, CPU)
    model = mismatches.fit(letters, designs, y, KERNEL)
    some = everything()[::7]
    assert_close(model.mean(some), dense(*visible, some).float(), rtol=0, atol=1e-4)
    table = model.mutants(some)
    for row, own in enumerate(some):
        for place, count in enumerate(SPACE.letters):
            for letter in range(5):
                if letter >= count or letter == own[place]:
                    assert table[row, place, letter] == -math.inf
                    continue
                changed = own.clone()
                changed[place] = letter
                assert_close(table[row, place, letter], dense(*visible, changed[None])[0].float(), rtol=0, atol=1e-3)


@pytest.mark.parametrize(("length", "letters"), [(3, 20), (300, 20), (3, 300), (3, 40_000)])  # bytes hold both, or not
def test_mismatches_are_counted(length, letters):
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randint(letters, (70, length), generator=generator), torch.randint(letters, (5, length), generator=generator)
    b[0] = (a[0] + 256) % letters
    found = mismatches.count(a, b, Sequence.uniform(length, letters))
    assert torch.equal(found.long(), (a[:, None] != b).sum(2))


@pytest.mark.parametrize("noise", [0.3, 0.003])
def test_conjugate_gradients_solve_as_a_factor_does(noise):
    generator = torch.Generator().manual_seed(0)
    designs = torch.randint(4, (500, 8), generator=generator)[torch.arange(600) % 500]  # some come twice
    y = torch.randn(600, generator=generator)
    matrix = (mismatches.count(designs, designs, Sequence.uniform(8, 4)) / -20.0).exp()
    expected = torch.linalg.solve(matrix.double() + noise * torch.eye(600), y.double())
    assert_close(conjugate_gradients.solve(matrix, noise, y), expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


def test_conjugate_gradients_that_do_not_converge_are_an_error(monkeypatch):
    monkeypatch.setattr(conjugate_gradients, "MOST_ITERATIONS", conjugate_gradients.LOOK)
    monkeypatch.setattr(conjugate_gradients, "TOLERANCE", 1e-30)
    with pytest.raises(NumericalError, match="did not converge"):
        conjugate_gradients.solve(torch.ones(40, 40), 1.0, torch.arange(40.0))


def test_conjugate_gradients_take_no_more_iterations_than_allowed(monkeypatch):
    taken, descend = [], conjugate_gradients.descend

    def counted(*arguments):
        found = descend(*arguments)
        taken.append(found[1])
        return found

    monkeypatch.setattr(conjugate_gradients, "descend", counted)
    monkeypatch.setattr(conjugate_gradients, "MOST_ITERATIONS", 2 * conjugate_gradients.LOOK + 2)
    monkeypatch.setattr(conjugate_gradients, "TOLERANCE", 0.0)
    with pytest.raises(NumericalError, match="in 12 iterations"):
        conjugate_gradients.solve(torch.ones(40, 40), 1.0, torch.arange(40.0))
    assert len(taken) > 1 and sum(taken) == 12


def test_inducing_points_at_all_rows_are_exact_and_every_row_counts():
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(300, 3, generator=generator), torch.randn(300, generator=generator)
    q = torch.randn(20, 3, generator=generator)
    assert_close(fit_inducing(x, y, KERNEL, x).mean(q), fit(x, y, KERNEL).mean(q), rtol=0, atol=5e-3)
    few, changed = x[:30], y.clone()
    changed[-1] += 1
    assert not torch.allclose(fit_inducing(x, y, KERNEL, few).mean(q), fit_inducing(x, changed, KERNEL, few).mean(q))


def test_gradient_on_a_box_is_that_of_the_mean():
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(50, 3, generator=generator), torch.randn(50, generator=generator)
    model = fit(x, y, KERNEL)
    q = torch.randn(5, 3, generator=generator).requires_grad_()
    difference = q[:, None] - x
    square = difference.square().sum(2)
    kernel = 0.8 * (-square / 50).exp() + 0.2 * (-square / 2).exp()
    matrix = KERNEL.matrix(x.double(), x.double()) + 0.03 * torch.eye(50).double()
    mean = kernel @ torch.linalg.solve(matrix, y.double()).float()
    assert_close(model.gradient(q.detach()), torch.autograd.grad(mean.sum(), q)[0], rtol=1e-3, atol=1e-3)
