"""A diffusion of whole trajectories in discrete noise levels, which can continue a given beginning (GTG, Decision Diffuser).

x_k = sqrt(a_k) x + sqrt(1 - a_k) e for levels k = 0 .. K - 1, with the cosine schedule of Nichol and Dhariwal (arXiv 2102.09672,
equation 17); a network predicts e. dbsxodud-11/GTG @448f206, `diffuser/models/diffusion.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1

#: Trajectories (n, T, d), levels (n,), conditions (n,) and whether these are shown (n,), to noise (n, T, d).
Noise = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]

#: How the noise of a sampling step is scaled: by the posterior's deviation, or by its variance, as GTG's code has it.
SCALES = ("deviation", "variance")
#: Sampling noise is half as large as the posterior's: "low-temperature" sampling.
TEMPERATURE = 0.5


@dataclass(frozen=True)
class CosineSchedule:
    """What a noise level leaves of a trajectory.

    Attributes:
        kept: a_k (K,), the share of the variance that is the trajectory's.
        added: b_k (K,), the noise that the step to level k adds.
    """

    kept: Tensor
    added: Tensor

    @classmethod
    def of(cls, levels: int, device: torch.device) -> CosineSchedule:
        """The schedule with this many levels. Float64: the first levels keep nearly everything."""
        at = torch.arange(levels + 1, dtype=torch.float64, device=device) / levels
        share = torch.cos((at + 0.008) / 1.008 * math.pi / 2).square()
        added = (1 - share[1:] / share[:-1]).clamp(0, 0.999)
        return cls((1 - added).cumprod(0).float(), added.float())

    @property
    def levels(self) -> int:
        """K."""
        return len(self.kept)

    def noisy(self, x: Tensor, level: Tensor, noise: Tensor) -> Tensor:
        """x_k (n, T, d) of trajectories x (n, T, d) at levels (n,) with standard normal noise (n, T, d)."""
        kept = self.kept[level][:, None, None]
        return kept.sqrt() * x + (1 - kept).sqrt() * noise

    def clean(self, x: Tensor, level: int, noise: Tensor) -> Tensor:
        """The trajectories (n, T, d) behind x_k (n, T, d) with this noise, clipped to [-1, 1]."""
        kept = self.kept[level]
        return ((x - (1 - kept).sqrt() * noise) / kept.sqrt()).clamp(-1, 1)

    def before(self, x: Tensor, level: int, clean: Tensor) -> tuple[Tensor, Tensor]:
        """Mean (n, T, d) and variance () of x_{k-1}, given x_k and the clean trajectories (n, T, d)."""
        kept, added = self.kept[level], self.added[level]
        earlier = self.kept[level - 1] if level else torch.ones_like(kept)
        mean = added * earlier.sqrt() * clean + (1 - earlier) * (1 - added).sqrt() * x
        return mean / (1 - kept), added * (1 - earlier) / (1 - kept)


def denoising_loss(
    network: Noise, schedule: CosineSchedule, x: Tensor, condition: Tensor, weight: Tensor, hide: float, generator: Generator
) -> Tensor:
    """Weighted mean squared error () of the predicted noise of trajectories x (n, T, d) at random levels.

    Args:
        condition: (n,); hidden from the network with probability `hide`.
        weight: of the d columns (d,).
    """
    level = torch.randint(schedule.levels, (len(x),), generator=generator, device=x.device)
    shown = torch.rand(len(x), generator=generator, device=x.device) >= hide
    noise = torch.randn(x.shape, generator=generator, device=x.device)
    error = network(schedule.noisy(x, level, noise), level, condition, shown) - noise
    return (weight * error.square()).mean()


@torch.no_grad()
def continued(
    network: Noise,
    schedule: CosineSchedule,
    context: Tensor,
    length: int,
    condition: Tensor,
    guidance: float,
    generator: Generator,
    scale: str = "deviation",
    progress: Callable[[int, Tensor], None] = lambda step, x: None,
) -> Tensor:
    """Trajectories (n, length, d) that begin with `context` (n, c, d); all are one batch, with both halves of the guidance.

    The beginning is reset after every step, clean at all levels. Guidance w: e = e(none) + w (e(condition) - e(none)).

    Args:
        condition: (n,). guidance: w; 0 is unconditional, 1 plainly conditional.
        scale: one of `SCALES`.
        progress: told the number of finished steps and the trajectories as they stand.
    """
    count, given, dim = context.shape
    shown = torch.arange(2 * count, device=context.device) < count
    both = condition.repeat(2)

    def drawn() -> Tensor:
        return TEMPERATURE * torch.randn(count, length, dim, generator=generator, device=context.device)

    x = drawn()
    x[:, :given] = context
    for step, level in enumerate(reversed(range(schedule.levels))):
        levels = torch.full((2 * count,), level, device=x.device)
        told, free = network(torch.cat([x, x]), levels, both, shown).chunk(2)
        mean, variance = schedule.before(x, level, schedule.clean(x, level, free + guidance * (told - free)))
        x = mean + (variance.sqrt() if scale == "deviation" else variance) * drawn() if level else mean
        x[:, :given] = context
        progress(step + 1, x)
    return x
