"""A variance-preserving diffusion of designs: schedule, loss, guidance, samplers, editing, likelihood.

Time t runs from 0 (a design) to 1 (noise): dx = -beta(t) x / 2 dt + sqrt(beta(t)) dw, so that x_t = m(t) x_0 + s(t) e (Song et al. 2021,
equations 32 and 33). A score is a function of (x, t) that gives grad log p_t(x). DDOM (arXiv 2306.07180; siddarthk97/ddom @fb3d055,
`lib/sdes.py`), RGD and DEMO use this one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1

#: Designs (n, d) and one time for all of them, to scores (n, d).
Score = Callable[[Tensor, float], Tensor]
#: Gives standard normal numbers of the shape of the designs.
Noise = Callable[[], Tensor]

SAMPLERS = ("heun", "euler", "released")


@dataclass(frozen=True)
class VariancePreserving:
    """beta(t) = beta_min + t (beta_max - beta_min) and what follows from it. Times are tensors or numbers in [0, 1]."""

    beta_min: float = 0.01
    beta_max: float = 2.0

    def beta(self, t: float) -> float:
        """Rate of the diffusion."""
        return self.beta_min + (self.beta_max - self.beta_min) * t

    def mean_weight(self, t: Tensor) -> Tensor:
        """m(t), the share of the design that is left."""
        return torch.exp(-0.5 * self._integral(t))

    def variance(self, t: Tensor) -> Tensor:
        """s(t)^2, the variance of the noise: 1 - m(t)^2."""
        return -torch.expm1(-self._integral(t))

    def _integral(self, t: Tensor) -> Tensor:
        """Of beta from 0 to t."""
        return 0.5 * t.square() * (self.beta_max - self.beta_min) + t * self.beta_min

    def noisy(self, x: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """x_t (n, d) of designs x (n, d) at times t (n,) with standard normal noise (n, d)."""
        return self.mean_weight(t)[:, None] * x + self.variance(t).sqrt()[:, None] * noise

    def denoised(self, x: Tensor, t: Tensor, score: Tensor) -> Tensor:
        """The expected design (n, d) behind x_t (n, d) at times t (n,), given the score there (Tweedie's formula)."""
        return (x + self.variance(t)[:, None] * score) / self.mean_weight(t)[:, None]


def matching_loss(
    network: nn.Module,
    schedule: VariancePreserving,
    x: Tensor,
    y: Tensor,
    weight: Tensor,
    t: Tensor,
    noise: Tensor,
    bounds: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """Weighted denoising score matching, mean over the rows of w |s a + e|^2 / 2 with a = network(x_t, t, y).

    Args:
        x, noise: (n, d). y, weight, t: (n,).
        bounds: noisy designs are clipped to these (d,), (d,) before the network sees them.
    """
    seen = schedule.noisy(x, t, noise)
    if bounds:
        seen = seen.clamp(*bounds)
    error = schedule.variance(t).sqrt()[:, None] * network(seen, t, y) + noise
    return (weight * error.square().sum(1)).mean() / 2


def guided(network: nn.Module, y: Tensor, strength: float | Tensor) -> Score:
    """Classifier-free guidance: (1 + strength) a(x, t, y) - strength a(x, t, 0).

    With strength 0 this is the conditional score, with -1 the unconditional one.

    Args:
        network: takes x (m, d), t (m,), y (m,).
        y: condition (n,), z-scored.
        strength: one number, or one for each design (n,).
    """
    nothing = torch.zeros_like(y)

    def score(x: Tensor, t: float) -> Tensor:
        if isinstance(strength, float) and strength == 0:
            return network(x, _times(x, t), y)
        # Both halves in one batch.
        conditioned, free = network(torch.cat([x, x]), _times(x, t, 2), torch.cat([y, nothing])).chunk(2)
        size = strength[:, None] if isinstance(strength, Tensor) else strength
        return (1 + size) * conditioned - size * free

    return score


def _times(x: Tensor, t: float, copies: int = 1) -> Tensor:
    return torch.full((copies * len(x),), t, device=x.device, dtype=x.dtype)


def drift(schedule: VariancePreserving, score: Score, x: Tensor, t: float, share: float) -> Tensor:
    """What x (n, d) moves by in a unit of reversed time: share * beta * score + beta x / 2.

    `share` is 1 for the stochastic process and 1/2 for the probability flow, which has no noise.
    """
    beta = schedule.beta(t)
    return share * beta * score(x, t) + 0.5 * beta * x


def flow_step(schedule: VariancePreserving, score: Score, x: Tensor, now: float, then: float) -> Tensor:
    """One Heun step of the probability flow from time `now` down to `then`; Euler's where `then` is 0, where no score is defined."""
    delta = now - then
    first = drift(schedule, score, x, now, 0.5)
    ahead = x + delta * first
    if then <= 0:
        return ahead
    return ahead + delta / 2 * (drift(schedule, score, ahead, then, 0.5) - first)


def sde_step(
    schedule: VariancePreserving, score: Score, x: Tensor, now: float, then: float, noise: Noise, sampler: str = "heun"
) -> Tensor:
    """One step of the reverse process from time `now` down to `then`.

    Args:
        sampler: "euler" is Euler and Maruyama's step. "heun" averages drift and noise scale of both ends; Euler's where `then` is 0.
            "released" is what DDOM's and DEMO's code calls Heun: Euler's drift, and fresh noise of half the change of its scale.
    """
    delta = now - then
    root, scale = math.sqrt(delta), math.sqrt(schedule.beta(now))
    first, drawn = drift(schedule, score, x, now, 1.0), noise()
    ahead = x + delta * first + root * scale * drawn
    if sampler == "euler" or then <= 0:
        return ahead
    change = root * (math.sqrt(schedule.beta(then)) - scale) / 2
    if sampler == "released":
        return ahead + change * noise()
    return ahead + delta / 2 * (drift(schedule, score, ahead, then, 1.0) - first) + change * drawn


@torch.no_grad()
def sample(
    schedule: VariancePreserving,
    score: Score,
    x: Tensor,
    steps: int,
    noise: Noise,
    sampler: str = "heun",
    start: float = 1.0,
    progress: Callable[[int, Tensor], None] = lambda step, x: None,
) -> Tensor:
    """Walk x (n, d) from time `start` down to 0 in `steps` equal steps of the reverse process; all designs are one batch.

    `progress` is told the number of finished steps and the designs as they stand. With no steps, x comes back unchanged.
    """
    for i in range(steps):
        now, then = (start * (1 - k / steps) for k in (i, i + 1))
        x = sde_step(schedule, score, x, now, then, noise, sampler)
        progress(i + 1, x)
    return x


def edit(
    schedule: VariancePreserving,
    score: Score,
    x: Tensor,
    time: float,
    steps: int,
    noise: Noise,
    sampler: str = "heun",
    progress: Callable[[int, Tensor], None] = lambda step, x: None,
) -> Tensor:
    """Noise designs x (n, d) to `time` and denoise them again (SDEdit); with time 0 they come back as they are.

    Args:
        steps: of the whole way from 1 to 0, of which the share `time`, rounded up, is walked.
    """
    if time <= 0:
        return x
    t = _times(x, time)
    walked = max(1, math.ceil(time * steps - 1e-9))  # 0.55 * 100 is a little more than 55
    return sample(schedule, score, schedule.noisy(x, t, noise()), walked, noise, sampler, time, progress)


def log_likelihood(schedule: VariancePreserving, score: Score, x: Tensor, steps: int, probe: Tensor) -> Tensor:
    """Log density (n,) of designs x (n, d) under the probability flow, with N(0, I) taken for the density at time 1.

    The divergence is estimated with Hutchinson's trick by `probe` (n, d), random signs. Heun steps of equal length from 0 to 1; the
    first drift is taken at a 1000th of a step, since the score is not defined at 0.
    """

    def forward(x: Tensor, t: float) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            velocity = -drift(schedule, score, x, t, 0.5)
            (slope,) = torch.autograd.grad((velocity * probe).sum(), x)
        return velocity.detach(), (slope * probe).sum(1)

    change = x.new_zeros(len(x))
    delta = 1 / steps
    for i in range(steps):
        now, then = max(i * delta, 1e-3 * delta), (i + 1) * delta
        first, divergence = forward(x, now)
        ahead = x + delta * first
        second, divergence_then = forward(ahead, then)
        x = ahead + delta / 2 * (second - first)
        change = change + delta / 2 * (divergence + divergence_then)
    return -0.5 * x.square().sum(1) - 0.5 * x.shape[1] * math.log(2 * math.pi) + change
