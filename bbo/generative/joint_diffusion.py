"""A diffusion of designs together with their score, steered towards a target score (ManGO's machinery).

arXiv 2506.05680; TailinZhou/ManGO_SOO @96f2625, `mango_jupyter_scripts/SDE.py`, `eval_is.py`. The network here predicts the noise e of
x_t = m x_0 + s e, so the score is -e / s. The authors' network gives a = -e / s^2, whose size goes from 40 at time 1 to 10^7; the loss,
|s^2 a + e|^2, is the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import Generator, Tensor, nn

from bbo.generative.diffusion import VariancePreserving
from bbo.generative.score_networks import linear, waves

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1

WIDTH = 128
INNER = 512
#: Below this time the density of training times is flat.
FIRST = 1e-3


class Block(nn.Module):
    """One half tells the other: a linear map of `key` is added to `query`, then a small network; both with the same normalisation.

    The authors have eight-head attention here, over a sequence of length 1. A softmax over one key is 1, so whatever the queries, it
    is the key's values through the output layer: one linear map.
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.told = linear(WIDTH, WIDTH, generator)
        self.inner = nn.Sequential(linear(WIDTH, INNER, generator), nn.GELU(), linear(INNER, WIDTH, generator))
        self.norm = nn.LayerNorm(WIDTH, device=generator.device)

    def forward(self, query: Tensor, key: Tensor) -> Tensor:
        """Two halves (n, WIDTH) to the new query (n, WIDTH)."""
        query = self.norm(query + self.told(key))
        return self.norm(query + self.inner(query))


def _layer(inputs: int, outputs: int, generator: Generator, activation: bool = True) -> list[nn.Module]:
    norm = nn.LayerNorm(outputs, device=generator.device)
    return [linear(inputs, outputs, generator), *([nn.GELU()] if activation else []), norm]


class JointScore(nn.Module):
    """ManGO's network: design and score embedded apart, told of each other, joined with the time, and decoded.

    Args:
        dim: d, numbers of a design.
        hidden: width of the first of the two wide layers; the second is twice as wide.
    """

    def __init__(self, dim: int, hidden: int, generator: Generator) -> None:
        super().__init__()
        g = generator
        self.x = nn.Sequential(*_layer(dim, INNER, g), *_layer(INNER, WIDTH, g, False))
        self.y = nn.Sequential(*_layer(1, INNER, g), *_layer(INNER, WIDTH, g, False))
        self.to_y, self.to_x = Block(g), Block(g)
        self.joined = nn.Sequential(*_layer(2 * WIDTH, INNER, g), *_layer(INNER, WIDTH, g, False))
        self.timed = nn.Sequential(*_layer(2 * WIDTH, WIDTH, g))
        self.wide = nn.Sequential(*_layer(WIDTH, hidden, g), *_layer(hidden, 2 * hidden, g), linear(2 * hidden, dim + 1, g))

    def forward(self, pair: Tensor, t: Tensor) -> Tensor:
        """Designs with their scores in the last column (n, d + 1), at times t (n,), to their noise (n, d + 1)."""
        x, y = self.x(pair[:, :-1]), self.y(pair[:, -1:])
        both = self.joined(torch.cat([self.to_x(x, y), self.to_y(y, x)], 1))
        return self.wide(self.timed(torch.cat([both, waves(t, WIDTH)], 1)))


def debiased_times(schedule: VariancePreserving, uniform: Tensor) -> Tensor:
    """Times (n,) with density proportional to beta / s^2 above FIRST and flat below, from uniform numbers (n,) in [0, 1).

    The integral of beta / s^2 is log(exp(B) - 1), with B that of beta, so the distribution is inverted in closed form. Float64,
    since exp(B) - 1 is about 1e-7 at FIRST.
    """
    slope = schedule.beta_max - schedule.beta_min

    def integral(t: float) -> float:
        return 0.5 * t * t * slope + t * schedule.beta_min

    low, high = (math.log(math.expm1(integral(t))) for t in (FIRST, 1.0))
    flat = FIRST * schedule.beta(FIRST) / -math.expm1(-integral(FIRST))
    place = uniform.double() * (flat + high - low)
    total = torch.log1p(torch.exp((place - flat).clamp(min=0) + low))
    # The root of B(t) = total that also holds where the slope is nothing.
    root = (schedule.beta_min**2 + 2 * slope * total).sqrt()
    t = 2 * total / (schedule.beta_min + root)
    return torch.where(place < flat, FIRST * place / flat, t).clamp(max=1.0).to(uniform.dtype)


def train(
    network: nn.Module,
    schedule: VariancePreserving,
    pairs: Tensor,
    weight: Tensor,
    batches: Iterable[Tensor],
    total: int,
    learning_rate: float,
    generator: Generator,
    progress: Callable[[int, int], None],
) -> Tensor:
    """Minimise the mean of w |network - e|^2 / 2 over `batches` of row numbers; losses (number of batches,).

    AdamW with decay 1e-4 and a step size that rises to `learning_rate` over the first 30% of `total` batches and falls to about 0.

    Args:
        pairs: designs with scores (N, d + 1). weight: of rows (N,).
    """
    optimiser = torch.optim.AdamW(network.parameters(), learning_rate, weight_decay=1e-4, fused=True)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, learning_rate, total_steps=max(total, 4)) if total > 1 else None
    losses = []
    for done, rows in enumerate(batches):
        t = debiased_times(schedule, torch.rand(len(rows), generator=generator, device=pairs.device))
        noise = torch.randn(len(rows), pairs.shape[1], generator=generator, device=pairs.device)
        error = network(schedule.noisy(pairs[rows], t, noise), t) - noise
        loss = (weight[rows] * error.square().sum(1)).mean() / 2
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if plan:
            plan.step()
        losses.append(loss.detach())
        progress(done + 1, total)
    return torch.stack(losses)


@torch.no_grad()
def steered(
    network: Callable[[Tensor, Tensor], Tensor],
    schedule: VariancePreserving,
    pairs: Tensor,
    target: float,
    steps: int,
    strength: float,
    generator: Generator,
    candidates: int = 1,
    every: int = 5,
    box: tuple[float, float] = (0.0, 1.0),
    released_score: bool = False,
    progress: Callable[[int, Tensor], None] = lambda step, pairs: None,
) -> Tensor:
    """Walk pairs of design and score (n, d + 1) from time 1 to 0 by Euler and Maruyama's steps, clipped to `box` after each.

    The score column alone is steered: from its drift beta * strength * |its score| is taken, with the sign of (predicted clean score -
    target). Every few steps several continuations of each pair are drawn, and the one whose predicted clean score is nearest to the
    target goes on; all of them are one batch.

    Args:
        candidates: continuations drawn at such a step; 1 for none.
        released_score: take -e / s^2, the output of the authors' network, for the score, as their sampler does.
    """

    def clean(pairs: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        spread, weight = schedule.variance(t).sqrt(), schedule.mean_weight(t)
        return (pairs[:, -1] - spread * noise[:, -1]) / weight

    delta = 1 / steps
    for i in range(steps):
        now, then = 1 - i * delta, max(1 - (i + 1) * delta, 0.0)
        t = torch.full((len(pairs),), now, device=pairs.device)
        inside, variance, beta = network(pairs, t), schedule.variance(t)[:, None], schedule.beta(now)
        score = -inside / (variance if released_score else variance.sqrt())
        guide = torch.zeros_like(score)
        guide[:, -1] = strength * score[:, -1].abs() * torch.sign(clean(pairs, t, inside) - target)
        moved = pairs + delta * (beta * (score - guide) + 0.5 * beta * pairs)
        chosen = candidates if (i + 1) % every == 0 else 1
        noise = torch.randn(len(pairs), chosen, pairs.shape[1], generator=generator, device=pairs.device)
        several = moved[:, None] + math.sqrt(delta * beta) * noise
        pairs = several[:, 0]
        if chosen > 1:
            flat = several.flatten(0, 1)
            t = torch.full((len(flat),), then, device=pairs.device)
            gap = (clean(flat, t, network(flat, t)) - target).abs().view(len(pairs), chosen)
            pairs = several[torch.arange(len(pairs), device=pairs.device), gap.argmin(1)]
        pairs = pairs.clamp(*box)
        progress(i + 1, pairs)
    return pairs
