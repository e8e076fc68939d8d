"""Gradient walks on a GP's posterior mean where designs are longer than the table that was fitted.

The gradient at q is sum_i w_i(q) (x_i - q) / l^2, with w_i(q) = variance * coef_i * exp(-|q - x_i|^2 / (2 l^2)): a combination of the
fitted rows x_i and of q itself. So every point of a walk is a combination of its start and of the rows, and the products q x_i, all that
the kernel asks for, follow from the products of the rows with each other and with the starts. A step then costs one product of
(n, N) with (N, N), whatever d is, where the coordinates themselves take two of N with d.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bbo.surrogates.gaussian_process import Posterior

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1


def pays(posterior: Posterior) -> bool:
    """Whether a step is cheaper by products of rows: they are fewer than the coordinates."""
    d, rows = posterior.scaled.shape
    return rows < d


def walk_in_span(posterior: Posterior, starts: Tensor, steps: int, signed: Tensor) -> Tensor:
    """Where `steps` plain gradient steps q + signed * gradient lead from starts (n, d), with `signed` (n, 1): points (n, d)."""
    inverse = posterior.kernel.lengthscale**-2
    rows = posterior.scaled.T / inverse
    weights = posterior.weights[:, 0]
    gram, products, square = rows @ rows.T, starts @ rows.T, starts.square().sum(1, keepdim=True)
    # q = share * start + combination @ rows; products = q @ rows.T; square = |q|^2
    share, combination = torch.ones_like(square), torch.zeros_like(products)
    for _ in range(steps):
        pull = torch.add(posterior.offset, products, alpha=inverse).sub_(0.5 * inverse * square).clamp_(max=0).exp_().mul_(weights)
        keep, pull = 1 - signed * inverse * pull.sum(1, keepdim=True), pull.mul_(signed * inverse)
        moved = pull @ gram
        square = keep.square() * square + 2 * keep * _rowwise(pull, products) + _rowwise(pull, moved)
        products.mul_(keep).add_(moved)
        combination.mul_(keep).add_(pull)
        share = share * keep
    return torch.addmm(share * starts, combination, rows)


def _rowwise(a: Tensor, b: Tensor) -> Tensor:
    """Inner products (n, 1) of the rows of a and b (n, N)."""
    return torch.linalg.vecdot(a, b)[:, None]
