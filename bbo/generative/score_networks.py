"""Networks that say, for a noisy design, its time and a score, where it came from. Every weight is drawn from the generator given."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1


def linear(inputs: int, outputs: int, generator: Generator) -> nn.Linear:
    """A linear layer with torch's usual start, uniform in +-inputs^-1/2, drawn from `generator`."""
    layer = nn.utils.skip_init(nn.Linear, inputs, outputs, device=generator.device)
    for parameter in (layer.weight, layer.bias):
        nn.init.uniform_(parameter, -(inputs**-0.5), inputs**-0.5, generator=generator)
    return layer


def waves(values: Tensor, width: int) -> Tensor:
    """Sines and cosines (n, width) of values (n,), with frequencies falling from 1 to 1/10000."""
    half = width // 2
    rates = torch.exp(-math.log(10_000) / (half - 1) * torch.arange(half, device=values.device, dtype=values.dtype))
    angles = values[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class ConcatScore(nn.Module):
    """DDOM's network: [x_t, t, y] through three hidden layers with Swish (siddarthk97/ddom @fb3d055, `nets.py`)."""

    def __init__(self, dim: int, hidden: int, generator: Generator) -> None:
        super().__init__()
        sizes = [dim + 2, hidden, hidden, hidden, dim]
        self.layers = nn.ModuleList(linear(a, b, generator) for a, b in itertools.pairwise(sizes))

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        """x (n, d), times t (n,) and conditions y (n,) to scores (n, d)."""
        h = torch.cat([x, t[:, None], y[:, None]], dim=1)
        for layer in self.layers[:-1]:
            h = F.silu(layer(h))
        return self.layers[-1](h)


class EmbeddedScore(nn.Module):
    """RGD's network: h = e(y) * x W + e(t), then Swish and two hidden layers, with e an embedding by waves.

    GGchen1997/RGD @c8ab225, `nets.py`.
    """

    WAVES = 256

    def __init__(self, dim: int, hidden: int, generator: Generator) -> None:
        super().__init__()

        def embedding() -> nn.Sequential:
            return nn.Sequential(linear(self.WAVES, hidden, generator), nn.SiLU(), linear(hidden, hidden, generator))

        self.x, self.y, self.t = linear(dim, hidden, generator), embedding(), embedding()
        self.main = nn.Sequential(
            nn.SiLU(),
            linear(hidden, hidden, generator),
            nn.SiLU(),
            linear(hidden, hidden, generator),
            nn.SiLU(),
            linear(hidden, dim, generator),
        )

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        """x (n, d), times t (n,) and conditions y (n,) to scores (n, d)."""
        return self.main(self.y(waves(y, self.WAVES)) * self.x(x) + self.t(waves(t, self.WAVES)))
