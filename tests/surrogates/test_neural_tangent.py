"""The infinitely wide network's kernel: published values, its gradient, and the cone's tip."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from bbo.errors import NumericalError
from bbo.surrogates.neural_tangent import NeuralTangent

pytestmark = pytest.mark.numerics

#: Made-up designs, and what neural-tangents 0.6.5 (jax 0.4.25, float64) gives for the network of BDI: five times `stax.Dense(1),
#: stax.Relu()`, then `stax.Dense(1)`, with get="ntk".
X = torch.tensor([[0.5, -1.0, 2.0, 0.25], [1.5, 0.5, -0.75, 1.0], [-0.5, 1.25, -2.0, 0.5]], dtype=torch.float64)
WANTED = torch.tensor(
    [
        [0.2490234375, 0.05953369712356978, 0.06293991281024253],
        [0.05953369712356978, 0.1904296875, 0.08671992020531545],
        [0.06293991281024253, 0.08671992020531545, 0.2841796875],
    ],
    dtype=torch.float64,
)


def by_definition(a, b, depth):
    """The kernel of two designs, layer by layer with covariances instead of cosines, for autograd."""
    aa, ab, bb = (a @ a / len(a), a @ b / len(a), b @ b / len(a))
    tangent = ab
    for _ in range(depth):
        cosine = ab / (aa * bb).sqrt()
        angle = torch.arccos(cosine)
        ab = (aa * bb).sqrt() * (torch.sin(angle) + (math.pi - angle) * cosine) / (2 * math.pi)
        aa, bb = aa / 2, bb / 2
        tangent = ab + tangent * (math.pi - angle) / (2 * math.pi)
    return tangent


def test_the_published_librarys_values():
    met = NeuralTangent.of(X, 5).meet(X)
    assert_close(met.matrix, WANTED, rtol=1e-7, atol=0)
    assert_close(met.own, WANTED.diagonal(), rtol=1e-7, atol=0)


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_values_and_gradients_against_autograd_through_the_layers(depth):
    q = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    coef = torch.tensor([[1.0, -2.0, 0.5], [0.0, 1.0, 3.0], [-1.0, 0.2, 0.1]], dtype=torch.float64)
    wanted = torch.stack([torch.stack([by_definition(a, b, depth) for b in X]) for a in q])
    met = NeuralTangent.of(X, depth).meet(q.detach())
    assert_close(met.matrix, wanted.detach())
    assert_close(met.gradient(coef), torch.autograd.grad((coef * wanted).sum(), q)[0])


def test_an_equal_design_has_no_gradient_but_no_nan():
    """At the cone's tip only the radial part is left: of K(q, x) = |q| |x| c g(1) along q."""
    met = NeuralTangent.of(X, 5).meet(X[:1])
    gradient = met.gradient(torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64))
    assert gradient.isfinite().all()
    along = (gradient @ X[0]) / X[0].norm()
    assert_close(along[0], met.matrix[0, 0] / X[0].norm(), rtol=1e-5, atol=0)


def test_the_kernel_is_positive_definite_and_the_regression_goes_through_its_data():
    generator = torch.Generator().manual_seed(1)
    x, y = torch.randn(1100, 6, generator=generator), torch.randn(1100, generator=generator)
    kernel = NeuralTangent.of(x, 5)
    dual = kernel.solve(y, 1e-10)
    assert_close(kernel.meet(x[::50].double()).matrix @ dual, y[::50].double(), rtol=1e-3, atol=1e-3)


def test_twice_the_same_design_needs_jitter():
    x = X.repeat(40, 1)
    with pytest.raises(NumericalError, match="larger jitter"):
        NeuralTangent.of(x, 5).solve(torch.ones(len(x)), 0.0)
