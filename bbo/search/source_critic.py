"""Source critic regularisation: a critic that tells data from proposals, and how much weight it gets, for GABO (arXiv 2402.06532)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from bbo.search.ascent import gradient_of
from bbo.surrogates.networks import MLP

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1

#: Weights that are tried, from 0 to 1.
GRID = 201
#: Most weights of the critic's first layer: those of 4 d units at d = 1024.
MOST_WEIGHTS = 4 * 1024**2


def widths(dim: int) -> tuple[int, int]:
    """Hidden widths of the critic of codes of `dim` numbers: 4 d and d; beyond 1024 numbers fewer, so that its cost stops growing."""
    width = min(4 * dim, MOST_WEIGHTS // dim)
    return width, max(1, width // 4)


class Critic:
    """A ReLU network of widths 4 d and d (`widths`) whose weights are clipped, after each step of plain ascent, so that it cannot be steep.

    Args:
        dim: numbers of a code. clip: bound of every weight. rate: step size. generator: source of the weights.
    """

    def __init__(self, dim: int, clip: float, rate: float, generator: Generator) -> None:
        self.network = MLP(dim, widths(dim), generator, activation="relu")
        self.clip, self.rate = clip, rate

    def __call__(self, z: Tensor) -> Tensor:
        """Criticism (n,) of codes (n, d); high on data."""
        return self.network(z)[:, 0]

    def fit(self, data: Tensor, proposed: Tensor, steps: int) -> None:
        """Raise mean c(data) - mean c(proposed), an estimate of their distance (Wasserstein-1, up to scale)."""
        parameters = list(self.network.parameters())
        for _ in range(steps):
            distance = self(data).mean() - self(proposed).mean()
            slopes = torch.autograd.grad(distance, parameters)
            with torch.no_grad():
                for parameter, slope in zip(parameters, slopes, strict=True):
                    parameter.add_(slope, alpha=self.rate).clamp_(-self.clip, self.clip)

    def distance(self, data: Tensor, z: Tensor) -> Tensor:
        """How much less than the data (m, d) each code (n, d) is liked: mean c(data) - c(z) (n,)."""
        return self(data).mean() - self(z)


@dataclass(frozen=True)
class Weighed:
    """The regularised objective (1 - a) f(z) - a relu(W(z)).

    Attributes:
        value: codes (n, d) to f (n,). critic: gives W. data: codes of reference rows (m, d). weight: a ().
    """

    value: Callable[[Tensor], Tensor]
    critic: Critic
    data: Tensor
    weight: Tensor

    @torch.no_grad()
    def __call__(self, z: Tensor) -> Tensor:
        """Objective (n,) at codes (n, d)."""
        return (1 - self.weight) * self.value(z) - self.weight * F.relu(self.critic.distance(self.data, z))


def dual_weight(value: Callable[[Tensor], Tensor], critic: Critic, data: Tensor, z: Tensor, threshold: float) -> Tensor:
    """The weight a () that maximises the dual of: maximise f(z) with W(z) <= 0.

    For each a on a grid the Lagrangian L = (a - 1) f + a W is minimised by the one of the codes z (n, d) whose gradient is
    smallest, if its length is below the threshold; a maximises L there. Where no a has such a code, a = 0, as in the authors' code.

    The gradient of L is (a - 1) g - a c with g and c the gradients of f and of the critic, so its square is
    (1 - a)^2 |g|^2 + 2 a (1 - a) g.c + a^2 |c|^2: three numbers a code serve all a.
    """
    g, c = gradient_of(value)(z), gradient_of(critic)(z)
    own, mixed, other = g.square().sum(1), (g * c).sum(1), c.square().sum(1)
    a = torch.linspace(0, 1, GRID, device=z.device)[:, None]
    squares = (1 - a).square() * own + 2 * a * (1 - a) * mixed + a.square() * other
    least, place = squares.min(1)
    with torch.no_grad():
        a = a[:, 0]
        dual = (a - 1) * value(z)[place] + a * critic.distance(data, z)[place]
    dual = torch.where(least.clamp(min=0).sqrt() < threshold, dual, -torch.inf)
    return a[dual.argmax()]
