"""A U-Net over the steps of a trajectory: convolutions along time, halved twice and doubled twice.

As Diffuser and Decision Diffuser have it (dbsxodud-11/GTG @448f206, `diffuser/models/temporal.py`): channels width, 4 width and 8 width,
kernels of 5 steps, group norm with 8 groups and Mish; noise level and condition enter every block as a shift of each channel. The first of
the three skip connections is not used there, and not here.
"""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from bbo.generative.score_networks import linear, waves

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1

#: Channels of the three resolutions, as multiples of the width.
MULTIPLES = (1, 4, 8)
#: A trajectory's length must be a multiple of this.
COARSEST = 2 ** (len(MULTIPLES) - 1)
KERNEL, GROUPS = 5, 8


def convolution(inputs: int, outputs: int, kernel: int, generator: Generator, stride: int = 1, up: bool = False) -> nn.Module:
    """A convolution along time, or with `up` a transposed one, with torch's usual start, drawn from `generator`."""
    kind: type[nn.Module] = nn.ConvTranspose1d if up else nn.Conv1d
    layer: Any = nn.utils.skip_init(kind, inputs, outputs, kernel, stride, (kernel - 1) // 2, device=generator.device)
    bound = (layer.weight.shape[1] * kernel) ** -0.5
    for parameter in (layer.weight, layer.bias):
        nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return layer


class Convolved(nn.Module):
    """Convolution, group norm and Mish."""

    def __init__(self, inputs: int, outputs: int, generator: Generator) -> None:
        super().__init__()
        self.convolution = convolution(inputs, outputs, KERNEL, generator)
        self.norm = nn.GroupNorm(GROUPS, outputs, device=generator.device)

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, T) to (n, outputs, T)."""
        return F.mish(self.norm(self.convolution(x)))


class Shifted(nn.Module):
    """Two of these, with a shift of the channels by the embedding between them, added to the input."""

    def __init__(self, inputs: int, outputs: int, embedded: int, generator: Generator) -> None:
        super().__init__()
        self.first, self.second = Convolved(inputs, outputs, generator), Convolved(outputs, outputs, generator)
        self.shift = linear(embedded, outputs, generator)
        self.shortcut = nn.Identity() if inputs == outputs else convolution(inputs, outputs, 1, generator)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """(n, inputs, T) and (n, embedded) to (n, outputs, T)."""
        return self.second(self.first(x) + self.shift(F.mish(embedding))[..., None]) + self.shortcut(x)


class Pair(nn.Module):
    """Two `Shifted` blocks."""

    def __init__(self, inputs: int, outputs: int, embedded: int, generator: Generator) -> None:
        super().__init__()
        self.first = Shifted(inputs, outputs, embedded, generator)
        self.second = Shifted(outputs, outputs, embedded, generator)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """(n, inputs, T) and (n, embedded) to (n, outputs, T)."""
        return self.second(self.first(x, embedding), embedding)


class TemporalUNet(nn.Module):
    """Noisy trajectories to their noise, given the noise level and a condition.

    Args:
        dim: numbers in a step of the trajectory.
        width: channels of the finest resolution; a multiple of 8.
        generator: source of the weights; the network is made on its device.
    """

    def __init__(self, dim: int, width: int, generator: Generator) -> None:
        super().__init__()
        self.width, g = width, generator
        self.level = nn.Sequential(linear(width, 4 * width, g), nn.Mish(), linear(4 * width, width, g))
        self.condition = nn.Sequential(
            linear(1, width, g), nn.Mish(), linear(width, 4 * width, g), nn.Mish(), linear(4 * width, width, g)
        )
        channels = [width * m for m in MULTIPLES]
        self.down = nn.ModuleList(Pair(a, b, 2 * width, g) for a, b in itertools.pairwise([dim, *channels]))
        self.coarser = nn.ModuleList(convolution(c, c, 3, g, stride=2) for c in channels[:-1])
        self.middle = Pair(channels[-1], channels[-1], 2 * width, g)
        self.up = nn.ModuleList(Pair(2 * b, a, 2 * width, g) for a, b in reversed(list(itertools.pairwise(channels))))
        self.finer = nn.ModuleList(convolution(c, c, 4, g, stride=2, up=True) for c in channels[-2::-1])
        self.last = nn.Sequential(Convolved(width, width, g), convolution(width, dim, 1, g))

    def forward(self, x: Tensor, level: Tensor, condition: Tensor, shown: Tensor) -> Tensor:
        """Noise (n, T, dim) of trajectories x (n, T, dim), T a multiple of `COARSEST`.

        Args:
            level: numbers of the noise levels (n,).
            condition: (n,).
            shown: (n,) true where the condition is seen; elsewhere its embedding is 0.
        """
        seen = self.condition(condition[:, None]) * shown[:, None]
        embedding = torch.cat([self.level(waves(level.to(x.dtype), self.width)), seen], 1)
        x, skipped = x.transpose(1, 2), []
        for number, block in enumerate(self.down):
            x = block(x, embedding)
            skipped.append(x)
            if number < len(self.coarser):
                x = self.coarser[number](x)
        x = self.middle(x, embedding)
        for block, finer in zip(self.up, self.finer, strict=True):
            x = finer(block(torch.cat([x, skipped.pop()], 1), embedding))
        return self.last(x).transpose(1, 2)
