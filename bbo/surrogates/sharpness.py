"""Sharpness regularisers of surrogate training: IGNITE, IGNITE-2 and SAM, for any training loop of any method.

IGNITE (arXiv 2503.04242) wants a surrogate whose mean prediction G(b) over a batch changes little when its weights b move: it
minimises the method's own loss subject to rho |grad G(b)| <= epsilon. One batch, with g = grad G(b), as in the authors' code
(cuong-dm/IGNITE @c702614, `gradient_ascent_IGNITE/trainers.py`):

1. g0 = gradient of the method's loss at b.
2. penalty = rho (grad G(b + r g/|g|) - g) / r, a finite difference of the gradient of rho |grad G|. With r = 0 the limit, the exact
   Hessian-vector product, is taken instead.
3. The optimiser steps along g0 + lambda * penalty.
4. lambda <- lambda + eta (rho |g| - epsilon); never projected onto lambda >= 0. IGNITE-2 keeps lambda fixed (eta = 0).

SAM (Foret et al., ICLR 2021) is the classic alternative: the gradient of the loss at b + rho g0/|g0|.

All K members of an ensemble are treated at once, each with its own lambda and norms. Deviation from the authors: where |g| is 0 the
direction is 0, not NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from bbo.device import on_host
from bbo.errors import BBOError
from bbo.settings import setting

#: Weights by name, every tensor (K, ...).
Params = dict[str, Tensor]

#: Raised whenever a rule here changes; part of the version of every composed method.
VERSION = 1

#: Published settings of each regulariser, as settings of a method: IGNITE's scripts use these for every method and task; SAM's
#: radius is its paper's.
PUBLISHED: dict[str, dict[str, Any]] = {
    "ignite": {
        "sharpness_lambda": 0.001,
        "sharpness_eta": 0.001,
        "sharpness_epsilon": 0.1,
        "sharpness_rho": 0.05,
        "sharpness_r": 0.05,
    },
    "ignite2": {"sharpness_lambda": 0.01, "sharpness_rho": 0.2, "sharpness_r": 0.2},
    "sam": {"sharpness_rho": 0.05},
}


@dataclass(frozen=True)
class Objective:
    """What a training loop minimises on one batch, as functions of the weights.

    Attributes:
        loss_and_level: weights to (loss, mean prediction), each (K,), from one forward pass.
        level: weights to the mean prediction (K,) alone.
    """

    loss_and_level: Callable[[Params], tuple[Tensor, Tensor]]
    level: Callable[[Params], Tensor]


class Regulariser(Protocol):
    """Turns a batch's objective into the gradient to step along. Holds state (lambda), so one object serves one training."""

    def gradients(self, objective: Objective, params: Params) -> tuple[Tensor, Params]:
        """Loss (K,) and the gradient to descend along, at leaves `params`."""
        ...

    def epoch(self) -> dict[str, list[float]]:
        """Means over the batches since the last call, one number for each of the K members."""
        ...


@dataclass(frozen=True)
class SharpnessSettings:
    """Settings of the regulariser, for methods to inherit. `METHOD+ignite` fills in the published values."""

    sharpness: str = setting("none", "regulariser of the surrogate's training", choices=("none", *PUBLISHED))
    sharpness_lambda: float = setting(0.0, "weight of the penalty; for ignite its start")
    sharpness_eta: float = setting(0.0, "step of lambda (ignite)", low=0)
    sharpness_epsilon: float = setting(0.0, "bound on rho |grad G| (ignite)", low=0)
    sharpness_rho: float = setting(0.0, "radius of the neighbourhood in weight space", low=0)
    sharpness_r: float = setting(0.0, "length of the finite difference; 0 takes the exact Hessian-vector product", low=0)

    def __post_init__(self) -> None:
        if self.sharpness != "none" and self.sharpness_rho <= 0:
            raise BBOError(
                f"{self.sharpness} needs sharpness_rho above 0; got {self.sharpness_rho:g}; "
                f"METHOD+{self.sharpness} brings the published values"
            )

    def regulariser(self, members: int, device: torch.device) -> Regulariser:
        """A fresh regulariser for training K `members` on `device`."""
        if self.sharpness == "none":
            return Unregularised()
        if self.sharpness == "sam":
            return SAM(self.sharpness_rho)
        eta = self.sharpness_eta if self.sharpness == "ignite" else 0.0
        start = torch.full((members,), self.sharpness_lambda, device=device)
        return Ignite(start, eta, self.sharpness_epsilon, self.sharpness_rho, self.sharpness_r)


class Trace:
    """Means over the batches of an epoch, kept on the device until they are asked for."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.count = 0

    def add(self, **values: Tensor) -> None:
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0) + value.detach()
        self.count += 1

    def take(self) -> dict[str, list[float]]:
        if not self.sums:
            return {}
        means = torch.stack([total / self.count for total in self.sums.values()])
        names = list(self.sums)
        self.sums, self.count = {}, 0
        return dict(zip(names, on_host(means, "the regulariser's facts for the record, once an epoch"), strict=True))


class Unregularised:
    """Plain training: the gradient of the loss, nothing recorded."""

    def gradients(self, objective: Objective, params: Params) -> tuple[Tensor, Params]:
        loss, _ = objective.loss_and_level(params)
        return loss.detach(), _gradient(loss, params)

    def epoch(self) -> dict[str, list[float]]:
        return {}


class Ignite:
    """IGNITE, and with eta = 0 IGNITE-2; see the module's docstring. `weight` (K,) is lambda."""

    def __init__(self, weight: Tensor, eta: float, epsilon: float, rho: float, r: float) -> None:
        self.weight, self.eta, self.epsilon, self.rho, self.r = weight, eta, epsilon, rho, r
        self.trace = Trace()

    def gradients(self, objective: Objective, params: Params) -> tuple[Tensor, Params]:
        loss, level = objective.loss_and_level(params)
        own = _gradient(loss, params, keep_graph=True)
        slope = _gradient(level, params)
        size = norm(slope)
        if self.r > 0:
            penalty = norm_gradient_difference(objective.level, params, slope, self.r)
        else:
            penalty = norm_gradient_exact(objective.level, params, slope)
        scale = self.weight * self.rho
        total = {name: torch.addcmul(own[name], _wide(scale, p), p) for name, p in penalty.items()}
        facts = {"lambda": self.weight, "grad_norm": size}
        if self.eta:
            facts["slack"] = self.epsilon - self.rho * size
        self.trace.add(**facts)
        self.weight = self.weight + self.eta * (self.rho * size - self.epsilon)
        return loss.detach(), total

    def epoch(self) -> dict[str, list[float]]:
        return self.trace.take()


class SAM:
    """The gradient of the loss at the worst weights, to first order, within rho of the present ones."""

    def __init__(self, rho: float) -> None:
        self.rho = rho
        self.trace = Trace()

    def gradients(self, objective: Objective, params: Params) -> tuple[Tensor, Params]:
        loss, _ = objective.loss_and_level(params)
        own = _gradient(loss, params)
        size = norm(own)
        moved = _moved(params, own, size, self.rho)
        worst, _ = objective.loss_and_level(moved)
        self.trace.add(grad_norm=size)
        return loss.detach(), _gradient(worst, moved)

    def epoch(self) -> dict[str, list[float]]:
        return self.trace.take()


def norm(tensors: Params) -> Tensor:
    """Euclidean norm (K,) of each member's tensors taken together."""
    return torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(t.flatten(1), dim=1) for t in tensors.values()]), dim=0)


def norm_gradient_difference(level: Callable[[Params], Tensor], params: Params, slope: Params, r: float) -> Params:
    """(grad G(b + r u) - grad G(b)) / r with u = slope / |slope|: the gradient of |grad G| up to O(r).

    Args:
        level: weights to G (K,).
        params: weights b, every tensor (K, ...).
        slope: grad G(b).
        r: length of the difference, above 0.
    """
    moved = _moved(params, slope, norm(slope), r)
    there = _gradient(level(moved), moved)
    # Millions of weights: every pass over them costs, so the division reuses the difference's memory.
    return {name: torch.sub(there[name], slope[name]).div_(r) for name in params}


def norm_gradient_exact(level: Callable[[Params], Tensor], params: Params, slope: Params) -> Params:
    """The gradient of |grad G| at b: the Hessian of G times u = slope / |slope|, forward over reverse mode.

    Arguments as in `norm_gradient_difference`.
    """
    size = norm(slope)
    unit = {name: s / _wide(_positive(size), s) for name, s in slope.items()}
    here = {name: p.detach() for name, p in params.items()}

    # Members do not share weights, so the Hessian of the sum is block diagonal and serves all K at once.
    def total(weights: Params) -> Tensor:
        return level(weights).sum()

    return torch.func.jvp(torch.func.grad(total), (here,), (unit,))[1]


def _gradient(values: Tensor, params: Params, keep_graph: bool = False) -> Params:
    """Gradients of values (K,), each with respect to its own member's weights; 0 for weights it does not depend on."""
    found = torch.autograd.grad(values.sum(), list(params.values()), retain_graph=keep_graph, materialize_grads=True)
    return dict(zip(params, found, strict=True))


def _moved(params: Params, direction: Params, size: Tensor, length: float) -> Params:
    """Fresh leaves at b + length * direction / |direction|."""
    step = length / _positive(size)
    return {name: torch.addcmul(p.detach(), _wide(step, p), direction[name]).requires_grad_() for name, p in params.items()}


def _positive(size: Tensor) -> Tensor:
    return torch.where(size > 0, size, torch.ones_like(size))


def _wide(values: Tensor, like: Tensor) -> Tensor:
    """Values (K,) shaped to multiply a tensor (K, ...)."""
    return values.view(-1, *[1] * (like.ndim - 1))
