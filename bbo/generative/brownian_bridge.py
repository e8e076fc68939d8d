"""A discrete Brownian bridge between low-value and high-value designs: schedule, network, loss, reverse process.

ROOT, arXiv 2509.16300, section 3 (whose equations are meant here), after BBDM (arXiv 2205.07680); authors' code cuong-dm/ROOT
@d23f14f, `BrownianBridgeModel.py` and `mlp.py`.
Step 0 is the high end, step T - 1 the low end.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bbo.device import on_host
from bbo.generative.synthetic_pairs import Pairs

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1


@dataclass(frozen=True)
class Schedule:
    """m_t and var_t of x_t = (1 - m_t) x_high + m_t x_low + sqrt(var_t) e (equation 10), both (T,), and the reverse process's steps.

    m_t = linspace(0.001, 0.999, T) and var_t = 2 (m_t - m_t^2) max_variance, as in the authors' code; equation 10 has
    m_t = t / T and no factor 2.
    """

    m: Tensor
    variance: Tensor
    steps: tuple[int, ...]

    @classmethod
    def linear(cls, total: int, sampling_steps: int, max_variance: float, device: torch.device) -> Schedule:
        """`total` noise levels, of which the reverse process visits `sampling_steps`, at most all; the last two are 1 and 0.

        As in the authors' code, 1 comes twice where more than about half of the levels are visited.
        """
        m = torch.linspace(0.001, 0.999, total, dtype=torch.float64, device=device)
        variance = 2 * (m - m.square()) * max_variance
        stride = (total - 1) / (sampling_steps - 2)
        visited = torch.arange(total - 1, 1, step=-stride, device="cpu").long()
        return cls(m.float(), variance.float(), (*on_host(visited, "the steps: computed on the CPU, once"), 1, 0))


class BridgeNetwork(nn.Module):
    """MLP on [x_t, t, first y, second y] with Swish activations; predicts x_t - x_high.

    Args:
        dim: d.
        hidden: width of the three hidden layers.
        time_scale: the step number t is multiplied by this before it enters; 1 in the authors' code (raw 0 .. T - 1).
        generator: draws the weights: N(0, 0.02) for matrices, torch's default range for biases.
    """

    def __init__(self, dim: int, hidden: int, time_scale: float, generator: torch.Generator) -> None:
        super().__init__()
        self.time_scale = time_scale
        sizes = [dim + 3, hidden, hidden, hidden, dim]
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(sizes):
            # skip_init leaves the global generator alone; every weight is drawn here.
            layer = nn.utils.skip_init(nn.Linear, before, after, device=generator.device)
            nn.init.normal_(layer.weight, 0.0, 0.02, generator=generator)
            nn.init.uniform_(layer.bias, -(before**-0.5), before**-0.5, generator=generator)
            layers += [layer, nn.SiLU()]
        self.main = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor, t: Tensor, y_first: Tensor, y_second: Tensor) -> Tensor:
        """Predict x_t - x_high (n, d) from x = x_t (n, d), step numbers t (n,), y_first (n,) and y_second (n,)."""
        columns = torch.stack([t.to(x.dtype) * self.time_scale, y_first, y_second], dim=1)
        return self.main(torch.cat([x, columns], dim=1))


def noisy(schedule: Schedule, pairs: Pairs, t: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """x_t (n, d), drawn by equation 10, and its target x_t - x_high (n, d) at steps t (n,) with noise (n, d)."""
    m, deviation = schedule.m[t, None], schedule.variance[t, None].sqrt()
    target = m * (pairs.x_low - pairs.x_high) + deviation * noise
    return pairs.x_high + target, target


def errors(network: nn.Module, schedule: Schedule, pairs: Pairs, t: Tensor, noise: Tensor, hide: Tensor) -> Tensor:
    """Absolute errors (n, d) of the network, whose mean is the loss; where `hide` (n,) both scores enter as 0 (no condition).

    The divergence of equation 8 is a weighted squared error of the same prediction; the authors' code takes the absolute error, unweighted.

    The network is called with (y_high, y_low), in this order.
    """
    x_t, target = noisy(schedule, pairs, t, noise)
    y_high, y_low = pairs.y_high.masked_fill(hide, 0.0), pairs.y_low.masked_fill(hide, 0.0)
    return (network(x_t, t, y_high, y_low) - target).abs()


@torch.no_grad()
def sample(
    network: nn.Module,
    schedule: Schedule,
    x_low: Tensor,
    y_first: Tensor,
    y_second: Tensor,
    guidance: float,
    eta: float,
    noise: Callable[[int], Tensor],
    progress: Callable[[int, Tensor], None] = lambda step, x: None,
) -> Tensor:
    """Walk from x_low (n, d) to high designs (n, d): equation 9, the mean of equation 6 with the network's estimate of x_high.

    Args:
        network: as `BridgeNetwork`.
        schedule: noise levels and the steps to visit.
        x_low: starts (n, d), z-scored.
        y_first: (n,), the first of the two scores that the network is conditioned on, z-scored.
        y_second: (n,), the second.
        guidance: w of (1 + w) network(conditions) - w network(0, 0).
        eta: scales the added noise, not the posterior's mean.
        noise: gives standard normal numbers (n, d) for the i-th step; not called for the last.
        progress: told the number of finished steps and the estimate of x_high (n, d) after each.
    """
    x = x_low
    count, nothing = len(x_low), torch.zeros(2 * len(x_low), device=x_low.device, dtype=x_low.dtype)
    first, second = nothing.clone(), nothing.clone()
    first[:count], second[:count] = y_first, y_second
    for i, now in enumerate(schedule.steps):
        # Conditioned and unconditioned halves in one batch.
        t = torch.full((2 * count,), now, device=x.device)
        conditioned, free = network(torch.cat([x, x]), t, first, second).chunk(2)
        x_high = x - ((1 + guidance) * conditioned - guidance * free)
        progress(i + 1, x_high)
        if now == 0:
            break
        then = schedule.steps[i + 1]
        m, m_then, var, var_then = schedule.m[now], schedule.m[then], schedule.variance[now], schedule.variance[then]
        sigma2 = (var - var_then * (1 - m) ** 2 / (1 - m_then) ** 2) * var_then / var
        sigma2 = sigma2.clamp(min=0)  # where a step comes twice it is 0, and rounding may take it below
        mean = (1 - m_then) * x_high + m_then * x_low
        mean = mean + torch.sqrt((var_then - sigma2) / var) * (x - (1 - m) * x_high - m * x_low)
        x = mean + sigma2.sqrt() * eta * noise(i)
    return x_high
