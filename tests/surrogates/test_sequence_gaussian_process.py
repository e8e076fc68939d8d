"""The two-scale Gaussian process: on sequences and on boxes, exact and through inducing points, against the dense formula."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from bbo.space import Sequence
from bbo.surrogates import sequence_gaussian_process as sequences
from bbo.surrogates.sequence_gaussian_process import Letters, SequencePosterior
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


def test_numbers_and_designs_are_inverse():
    assert sequences.number(SPACE, everything()).tolist() == list(range(120))


def test_means_of_designs_and_of_all_their_single_mutants(visible):
    designs, y = visible
    letters = Letters.of(SPACE, CPU)
    model = SequencePosterior(letters, fit(letters.encode(designs), y, KERNEL).parts)
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
