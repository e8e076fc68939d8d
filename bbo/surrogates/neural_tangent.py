"""The tangent kernel of an infinitely wide ReLU network, in closed form, with its gradient.

For a network of `depth` hidden layers whose weights are drawn from N(0, 1) and divided by the square root of the layer's inputs,
without biases (neural-tangents: `stax.Dense(1)`, `stax.Relu()`, ..., `stax.Dense(1)`), the kernel depends on two lengths and one
angle:

    K(a, b) = |a| |b| / (d 2^depth) g(cos(a, b))
    r_0 = cos, t_0 = cos, and for each hidden layer
        r <- k1(r) = (sqrt(1 - r^2) + (pi - arccos r) r) / pi      covariance of the layer's outputs
        t <- t k0(r) + k1(r) with k0(r) = (pi - arccos r) / pi     k0 and k1 at the r from before the layer
    g = t

(Jacot et al., arXiv 1806.07572; arc-cosine kernels of Cho and Saul, 2009), where each layer's factor 1/2 is taken out in front. On
the diagonal g(1) = depth + 1. g has a vertical tangent at r = 1: two equal designs are the tip of a cone, where the kernel has no
gradient, and 0 is taken, as for |x| at 0.

Float64 throughout: near the tip an angle is the square root of what 1 - r loses in rounding, 1e-8 in float64 but 3e-4 in float32.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from bbo.device import on_host
from bbo.errors import NumericalError

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1


def profile(cosine: Tensor, depth: int) -> tuple[Tensor, Tensor]:
    """g and its derivative (...) at cosines (...), for `depth` hidden layers.

    The derivative is carried through the same recursion, so it costs no second pass and no graph.
    """
    r, slope_r = cosine, torch.ones_like(cosine)
    t, slope_t = cosine, slope_r
    for _ in range(depth):
        root = (1 - r * r).clamp_(min=0).sqrt_()
        open_angle = math.pi - torch.arccos(r.clamp(-1, 1))
        k0 = open_angle / math.pi
        slope_k0 = torch.where(root > 0, slope_r / (math.pi * root), 0.0)
        r = torch.addcmul(root, open_angle, r) / math.pi
        slope_r = slope_r * k0
        slope_t = slope_t * k0 + t * slope_k0 + slope_r
        t = torch.addcmul(r, t, k0)
    return t, slope_t


@dataclass(frozen=True)
class Meeting:
    """Queries q (n, d) beside the N rows of a kernel.

    Attributes:
        matrix: K(q, x) (n, N). own: K(q, q) (n,).
        length: |q| (n,). direction: q / |q| (n, d).
    """

    kernel: NeuralTangent
    matrix: Tensor
    own: Tensor
    length: Tensor
    direction: Tensor
    cosine: Tensor
    slope: Tensor

    def gradient(self, coef: Tensor) -> Tensor:
        """Gradient (n, d) with respect to each query of sum_i coef_i K(q, x_i), for coefficients (n, N)."""
        kernel = self.kernel
        turned = kernel.scale * coef * self.slope
        radial = (coef * self.matrix).sum(1) / self.length - (turned * self.cosine) @ kernel.lengths
        return torch.addmm(radial[:, None] * self.direction, turned, kernel.x)


@dataclass(frozen=True)
class NeuralTangent:
    """The kernel between any designs and fixed rows.

    Attributes:
        x: rows (N, d), float64. lengths: their lengths (N,). directions: x / |x| (N, d).
        depth: number of hidden layers.
    """

    x: Tensor
    lengths: Tensor
    directions: Tensor
    depth: int

    @classmethod
    def of(cls, x: Tensor, depth: int) -> NeuralTangent:
        """From rows x (N, d) of any float type."""
        x = x.double()
        return cls(x, *_polar(x), depth)

    @property
    def scale(self) -> float:
        """1 / (d 2^depth)."""
        return 0.5**self.depth / self.x.shape[1]

    def meet(self, q: Tensor) -> Meeting:
        """What queries q (n, d), float64, have to do with the rows."""
        length, direction = _polar(q)
        cosine = direction @ self.directions.T
        g, slope = profile(cosine, self.depth)
        matrix = g.mul_(self.scale * length[:, None]).mul_(self.lengths)
        own = self.scale * (self.depth + 1) * length.square()
        return Meeting(self, matrix, own, length, direction, cosine, slope)

    def solve(self, y: Tensor, jitter: float) -> Tensor:
        """(K + jitter mean(diag K) I)^-1 y (N,), float64; K is the rows' own kernel matrix.

        Raises:
            NumericalError: the matrix has no Cholesky factor.
        """
        matrix = torch.cat([self.meet(part).matrix for part in self.x.split(1024)])
        matrix.diagonal().add_(jitter * matrix.diagonal().mean())
        factor, info = torch.linalg.cholesky_ex(matrix)
        if on_host(info, "whether the factorisation failed, once"):
            raise NumericalError(
                f"the {len(y)} x {len(y)} tangent kernel is not positive definite; a larger jitter than {jitter:g} helps"
            )
        return torch.cholesky_solve(y.double()[:, None], factor)[:, 0]


def _polar(x: Tensor) -> tuple[Tensor, Tensor]:
    """Lengths (n,), above 0, and directions (n, d) of x (n, d)."""
    lengths = torch.linalg.vector_norm(x, dim=1).clamp(min=1e-12)
    return lengths, x / lengths[:, None]
