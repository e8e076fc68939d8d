"""Sharpness regularisers of surrogate training: IGNITE, IGNITE-2, SAM and BOSS, for any training loop of any method.

IGNITE (arXiv 2503.04242, section 3) wants a surrogate whose mean prediction G(b) over a batch changes little when its weights b move: it
minimises the method's own loss subject to rho |grad G(b)| <= epsilon. One batch, with g = grad G(b), as in the authors' code
(cuong-dm/IGNITE @c702614, `gradient_ascent_IGNITE/trainers.py`):

1. g0 = gradient of the method's loss at b.
2. penalty = rho (grad G(b + r g/|g|) - g) / r, a finite difference of the gradient of rho |grad G|. With r = 0 the limit, the exact
   Hessian-vector product, is taken instead.
3. The optimizer steps along g0 + lambda * penalty.
4. lambda <- lambda + eta (rho |g| - epsilon); never projected onto lambda >= 0. IGNITE-2 keeps lambda fixed (eta = 0).

SAM (Foret et al., arXiv 2010.01412, equations 2 and 3) is the classic alternative: the gradient of the loss at b + rho g0/|g0|.

BOSS ("Boosting Offline Optimizers with Surrogate Sensitivity", Dao et al., ICML 2024; see `Boss`) asks that a small random change
of the weights rarely moves the mean prediction by more than a share of it.

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
#: radius is its paper's. BOSS' scripts use these for every method but COMs, where the deviation starts at 1e-7.
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
    "boss": {"sharpness_lambda": 0.001, "sharpness_eta": 0.01, "sharpness_epsilon": 0.1, "sharpness_rho": 0.001},
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
    sharpness_eta: float = setting(0.0, "step of lambda (ignite), or of the perturbation's mean and deviation (boss)", low=0)
    sharpness_epsilon: float = setting(
        0.0, "bound on rho |grad G| (ignite), or the change of G that counts, as a share of it (boss)", low=0
    )
    sharpness_rho: float = setting(
        0.0, "radius of the neighbourhood in weight space, or the perturbation's deviation at the start (boss)", low=0
    )
    sharpness_r: float = setting(0.0, "length of the finite difference; 0 takes the exact Hessian-vector product (ignite)", low=0)

    def __post_init__(self) -> None:
        if self.sharpness != "none" and self.sharpness_rho <= 0:
            raise BBOError(
                f"{self.sharpness} needs sharpness_rho above 0; got {self.sharpness_rho:g}; "
                f"METHOD+{self.sharpness} brings the published values"
            )
        if self.sharpness == "boss" and self.sharpness_epsilon <= 0:
            raise BBOError(
                f"boss needs sharpness_epsilon above 0; got {self.sharpness_epsilon:g}; METHOD+boss brings the published value"
            )

    def regulariser(self, members: int, device: torch.device) -> Regulariser:
        """A fresh regulariser for training K `members` on `device`."""
        if self.sharpness == "none":
            return Unregularised()
        if self.sharpness == "sam":
            return SAM(self.sharpness_rho)
        if self.sharpness == "boss":
            start = torch.full((members,), self.sharpness_rho, device=device)
            return Boss(start, self.sharpness_lambda, self.sharpness_epsilon, self.sharpness_eta)
        eta = self.sharpness_eta if self.sharpness == "ignite" else 0.0
        start = torch.full((members,), self.sharpness_lambda, device=device)
        return Ignite(start, eta, self.sharpness_epsilon, self.sharpness_rho, self.sharpness_r)


class Trace:
    """Means over the batches of an epoch, kept on the device until they are asked for."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.count = 0

    def add(self, **values: Tensor) -> None:
        """Add one batch's values, each (K,)."""
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0) + value.detach()
        self.count += 1

    def take(self) -> dict[str, list[float]]:
        """The means since the last call, K numbers for each name; starts again from zero."""
        if not self.sums:
            return {}
        means = torch.stack([total / self.count for total in self.sums.values()])
        names = list(self.sums)
        self.sums, self.count = {}, 0
        return dict(zip(names, on_host(means, "the regulariser's facts for the record, once an epoch"), strict=True))


class Unregularised:
    """Plain training: the gradient of the loss, nothing recorded."""

    def gradients(self, objective: Objective, params: Params) -> tuple[Tensor, Params]:
        """Loss (K,) and its gradient."""
        loss, _ = objective.loss_and_level(params)
        return loss.detach(), _gradient(loss, params)

    def epoch(self) -> dict[str, list[float]]:
        """Nothing is recorded."""
        return {}


class Ignite:
    """IGNITE, and with eta = 0 IGNITE-2; see the module's docstring. `weight` (K,) is lambda."""

    def __init__(self, weight: Tensor, eta: float, epsilon: float, rho: float, r: float) -> None:
        self.weight, self.eta, self.epsilon, self.rho, self.r = weight, eta, epsilon, rho, r
        self.trace = Trace()

    def gradients(self, objective: Objective, params: Params) -> tuple[Tensor, Params]:
        """Loss (K,) and steps 1 to 4 of the module's docstring: the gradient plus lambda times the penalty."""
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
        """Means of lambda, |grad G| and slack over the epoch's batches."""
        return self.trace.take()


class SAM:
    """The gradient of the loss at the worst weights, to first order, within rho of the present ones."""

    def __init__(self, rho: float) -> None:
        self.rho = rho
        self.trace = Trace()

    def gradients(self, objective: Objective, params: Params) -> tuple[Tensor, Params]:
        """Loss (K,) and its gradient at b + rho g0/|g0|."""
        loss, _ = objective.loss_and_level(params)
        own = _gradient(loss, params)
        size = norm(own)
        moved = _moved(params, own, size, self.rho)
        worst, _ = objective.loss_and_level(moved)
        self.trace.add(grad_norm=size)
        return loss.detach(), _gradient(worst, moved)

    def epoch(self) -> dict[str, list[float]]:
        """Means over the epoch's batches."""
        return self.trace.take()


#: Perturbations that BOSS weighs in each batch.
PERTURBATIONS = 100
#: Steps of Adam, and their size, by which BOSS' small network learns in each batch which perturbations matter.
FITTING_STEPS, FITTING_RATE = 5, 1e-3


class Boss:
    """BOSS: small perturbations gamma of the weights should rarely move the mean prediction G by more than a share alpha of it.

    As in the authors' code (cuong-dm/BOSS @b8c7cc8, `gradient_ascent_BOSS/trainers.py`), where one number gamma ~ N(mu, sigma)
    moves all weights alike, so that to first order G moves by gamma S, with S the sum of all entries of grad G. In each batch

    1. the loss gets lambda R, R = mean_k min(1, (gamma_k S / (alpha G))^2) over 100 perturbations;
    2. a network phi of two hidden units learns by 5 steps of Adam which perturbations move G too far, |gamma_k S| > |alpha G|;
    3. mu and sigma climb the mean of phi(mu + sigma z), so that the next perturbations are the ones that hurt, within |mu| <= rho
       and rho / 100 <= sigma <= 10 rho (the published bounds at rho = 1e-3).

    The gradient of R needs no second graph: with q = (S / (alpha G))^2 it is (mean over the gamma_k that are not cut off of
    gamma_k^2) times grad q = 2 q (H 1 / S - grad G / G), and one pass of forward over reverse mode gives both grad G and the
    Hessian's row sums H 1.

    Deviations: the perturbations are the midpoints of 100 equal slices of N(mu, sigma) instead of as many draws, which also makes
    the penalty free of noise. phi reads gamma / rho and starts at sigmoid(|gamma| / rho), with steps of mu and sigma as long as
    before; in the released code it reads gamma itself and starts at random weights, and its units die, since one step of Adam moves
    their biases by as much as gamma. Sigma's slope is the mean of products, sum_k phi'(gamma_k) z_k / 100; the released code
    multiplies two sums, which is not the derivative. Members of an ensemble have a distribution and a phi each. Where G is 0, every
    change is too large and R has no gradient, not NaN.

    Midpoints, labels and phi's start are the same for gamma and -gamma, so mu stays where it starts, at 0 up to rounding, and only
    sigma moves, up to its bound where training is long. In the released code the labels are as symmetric, and random draws and a
    random phi move mu.

    Args:
        deviation: rho, sigma at the start (K,). weight: lambda. share: alpha. rate: step of mu and sigma.
    """

    def __init__(self, deviation: Tensor, weight: float, share: float, rate: float) -> None:
        self.weight, self.share, self.rate, self.bound = weight, share, rate, deviation
        self.mean, self.deviation = torch.zeros_like(deviation), deviation
        slices = (torch.arange(PERTURBATIONS, device=deviation.device, dtype=deviation.dtype) + 0.5) / PERTURBATIONS
        self.normal = torch.special.ndtri(slices)
        up_down = deviation.new_tensor([1.0, -1.0]).repeat(len(deviation), 1)
        self.phi = [up_down, torch.zeros_like(up_down), torch.ones_like(up_down), torch.zeros_like(deviation)]
        self.optimiser = torch.optim.Adam([p.requires_grad_() for p in self.phi], lr=FITTING_RATE, eps=1e-7)
        self.trace = Trace()

    def gradients(self, objective: Objective, params: Params) -> tuple[Tensor, Params]:
        """The loss with the sensitivity's penalty (K,), and the gradient of their sum."""
        loss, level = objective.loss_and_level(params)
        own = _gradient(loss, params)
        level = level.detach()
        slope, bend = hessian_times(objective.level, params, {name: torch.ones_like(p) for name, p in params.items()})
        total = torch.stack([s.flatten(1).sum(1) for s in slope.values()]).sum(0)
        gamma = self.mean[:, None] + self.deviation[:, None] * self.normal
        moved, allowed = (gamma * total[:, None]).abs(), self.share * level.abs()[:, None]
        inside = moved < allowed
        ratio = torch.where(inside, moved / _positive(allowed), 1.0)
        sensitivity = ratio.square().mean(1)
        # R = c (S / (alpha G))^2 + const with c = mean of the gamma^2 inside, so grad R = 2 c S / (alpha G)^2 (H 1 - S grad G / G).
        spread = (gamma.square() * inside).mean(1)
        known = level != 0
        inverse = torch.where(known, 1 / torch.where(known, level, 1.0), 0.0)
        factor = self.weight * 2 * spread * total * (inverse / self.share).square()
        drift = factor * total * inverse
        gradient = {name: own[name] + _wide(factor, p) * bend[name] - _wide(drift, p) * slope[name] for name, p in params.items()}
        self.trace.add(sensitivity=sensitivity, gamma_mean=self.mean, gamma_std=self.deviation)
        self._worsen(gamma, ~inside)
        return loss.detach() + self.weight * sensitivity, gradient

    def epoch(self) -> dict[str, list[float]]:
        """Sensitivity, mean and deviation of the perturbations, since the last call."""
        return self.trace.take()

    def _worsen(self, gamma: Tensor, too_far: Tensor) -> None:
        """Move mu and sigma towards perturbations gamma (K, k) like those that were too far (K, k)."""
        relative = gamma / self.bound[:, None]
        wanted = too_far.to(gamma.dtype)
        for _ in range(FITTING_STEPS):
            loss = torch.nn.functional.binary_cross_entropy_with_logits(self._logit(relative), wanted, reduction="none")
            self.optimiser.zero_grad()
            loss.mean(1).sum().backward()
            self.optimiser.step()
        relative.requires_grad_()
        (climb,) = torch.autograd.grad(self._logit(relative).sigmoid().sum(), relative)
        self.mean = torch.clamp(self.mean + self.rate * climb.mean(1), -self.bound, self.bound)
        deviation = self.deviation + self.rate * (climb * self.normal).mean(1)
        self.deviation = torch.clamp(deviation, self.bound / 100, 10 * self.bound)

    def _logit(self, relative: Tensor) -> Tensor:
        """phi before its sigmoid (K, k), at perturbations in units of rho (K, k)."""
        inner, shift, outer, level = self.phi
        hidden = torch.relu(relative[..., None] * inner[:, None] + shift[:, None])
        return (hidden * outer[:, None]).sum(-1) + level[:, None]


def hessian_times(level: Callable[[Params], Tensor], params: Params, direction: Params) -> tuple[Params, Params]:
    """The gradient of G at weights b, and the Hessian of G times a direction, forward over reverse mode.

    Args:
        level: weights to G (K,). params: weights b, every tensor (K, ...). direction: tensors like b.
    """
    here = {name: p.detach() for name, p in params.items()}

    # Members do not share weights, so the Hessian of the sum is block diagonal and serves all K at once.
    def total(weights: Params) -> Tensor:
        return level(weights).sum()

    both = torch.func.jvp(torch.func.grad(total), (here,), (direction,))
    return both[0], both[1]


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
    return hessian_times(level, params, unit)[1]


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
