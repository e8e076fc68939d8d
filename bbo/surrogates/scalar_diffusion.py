"""A conditional diffusion over the score: from a design to samples of its score, for SPADE (arXiv 2605.11246; HarryYoung2018/spade @586151b).

A network eps(y_t, t, x) tells the noise in a noisy score. Scores of a design are samples of the deterministic DDIM chain from
normal numbers.

The first layer after the inputs' own ones is linear in what it gets of design, time and score, so it is split: the design's share
is computed once for all samples and steps, the time's once for each step, and the score's is a number times one vector. What is
left for each sample and step is one square layer; the sums are the same, in another order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from bbo.surrogates.networks import Dense
from bbo.surrogates.sharpness import Objective, Params, Regulariser, norm
from bbo.surrogates.training import Batch, BatchLoss, Predict

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1

#: Steps of the diffusion, and its smallest and largest beta, linear in between.
STEPS, BETA = 100, (1e-4, 0.02)
#: Numbers that a time is written as.
TIME = 128


class ScalarDiffusion(nn.Module):
    """The network, with the chain that samples by it.

    Attributes:
        starts: normal numbers (S,) from which the chains of every design start, the same for all designs.
        chain_steps: steps of each chain.

    Args:
        dim: d. hidden: width of every layer. generator: source of the weights.
    """

    bar: Tensor

    def __init__(self, dim: int, hidden: int, generator: Generator, samples: int, chain_steps: int) -> None:
        super().__init__()
        device = generator.device
        self.dim, self.hidden, self.chain_steps = dim, hidden, chain_steps
        self.starts = torch.randn(samples, generator=generator, device=device)
        self.encoder = nn.ModuleList([Dense(dim, hidden, generator), Dense(hidden, hidden, generator)])
        self.score = Dense(1, hidden, generator)
        self.time = nn.ModuleList([Dense(TIME, TIME, generator), Dense(TIME, TIME, generator)])
        self.fusion = Dense(2 * hidden + TIME, hidden, generator)
        self.middle, self.out = Dense(hidden, hidden, generator), Dense(hidden, 1, generator)
        self.bar = torch.cumprod(1 - torch.linspace(*BETA, STEPS, device=device), 0)

    def forward(self, x: Tensor) -> Tensor:
        """Designs (n, d) to mean and deviation (n, 2) of their samples; rows (n, d + 2) of design, noisy score and step to the noise (n, 1)."""
        if x.shape[1] == self.dim:
            y = self.samples(x)
            return torch.stack([y.mean(1), (y.var(1, correction=0) + 1e-12).sqrt()], dim=1)
        design, y, step = x[:, : self.dim], x[:, self.dim], x[:, -1]
        return self.noise(self.of_design(design), self.of_step(step), y)[:, None]

    def samples(self, x: Tensor) -> Tensor:
        """Samples of the score (n, S) of designs (n, d), differentiable: deterministic DDIM from `starts`."""
        design = self.of_design(x)[:, None]
        steps = torch.linspace(STEPS - 1, 0, self.chain_steps, device=x.device).long()
        moments, bar = self.of_step(steps.to(x.dtype)), self.bar[steps]
        y = self.starts.expand(len(x), -1)
        for place in range(self.chain_steps):
            noise = self.noise(design, moments[place], y)
            clean = (y - (1 - bar[place]).sqrt() * noise) / bar[place].sqrt()
            if place + 1 < self.chain_steps:
                y = bar[place + 1].sqrt() * clean + (1 - bar[place + 1]).sqrt() * noise
        return clean

    def of_design(self, x: Tensor) -> Tensor:
        """The design's share (n, hidden) of the fusion layer."""
        for layer in self.encoder:
            x = F.silu(layer(x))
        return torch.addmm(self.fusion.bias, x, self.fusion.weight[: self.hidden])

    def of_step(self, step: Tensor) -> Tensor:
        """The share (m, hidden) of diffusion steps (m,), with the constant of the score's."""
        rates = torch.exp(torch.linspace(0, math.log(10_000), TIME // 2, device=step.device))
        angles = ((step + 0.5) / STEPS)[:, None] * rates
        first, second = self.time
        embedded = second(F.silu(first(torch.cat([angles.sin(), angles.cos()], dim=1))))
        constant = self.score.bias @ self.fusion.weight[self.hidden : 2 * self.hidden]
        return torch.addmm(constant, embedded, self.fusion.weight[2 * self.hidden :])

    def noise(self, design: Tensor, moment: Tensor, y: Tensor) -> Tensor:
        """The noise (...) in noisy scores (...), from the shares of design and step (..., hidden)."""
        line = (self.score.weight @ self.fusion.weight[self.hidden : 2 * self.hidden])[0]
        hidden = F.silu(design + moment + y[..., None] * line)
        hidden = F.silu(hidden @ self.middle.weight + self.middle.bias)
        return (hidden @ self.out.weight + self.out.bias)[..., 0]


@dataclass(frozen=True)
class Neighbourhood:
    """The table as its designs' neighbours see it.

    Attributes:
        x: designs (N, d). y: scores (N,). count: k, neighbours of a design.
    """

    x: Tensor
    y: Tensor
    count: int

    def of(self, q: Tensor) -> tuple[Tensor, Tensor]:
        """Mean score of the k nearest rows (n,), and the logarithm of the distance to the k-th (n,), at q (n, d).

        A row of the table is its own first neighbour.
        """
        k = min(self.count, len(self.x))
        means, distances = [], []
        for part in q.split(max(1, 2**24 // len(self.x))):
            nearest = torch.cdist(part, self.x).topk(k, largest=False).indices
            means.append(self.y[nearest].mean(1))
            # Once more from the differences: distances from a matrix product lose what is small.
            distances.append(torch.linalg.vector_norm(part - self.x[nearest[:, -1]], dim=1))
        return torch.cat(means), (torch.cat(distances) + 1e-8).log()


@dataclass(frozen=True)
class Support:
    """How far predictions may rise above the neighbourhood, and how certain they may be, by the distance r to the k-th neighbour.

    Args:
        slack: tau = slack log r, by which a mean may exceed its neighbours' scores.
        floor, slope: least deviation, floor + slope log r.
    """

    slack: float = 0.02
    floor: float = 0.02
    slope: float = 0.005

    def penalty(self, mean: Tensor, std: Tensor, near: Tensor, log_r: Tensor) -> Tensor:
        """relu(mean - neighbours' mean - tau) + relu(least deviation - std), elementwise."""
        return F.relu(mean - near - self.slack * log_r) + F.relu(self.floor + self.slope * log_r - std)

    def corrected(self, mean: Tensor, std: Tensor, log_r: Tensor) -> tuple[Tensor, Tensor]:
        """Mean less tau, and the deviation, at least the least; elementwise."""
        return mean - self.slack * log_r, torch.maximum(std, self.floor + self.slope * log_r)


@dataclass
class SpadeLoss:
    """Denoising error, plus calibration of mean and ranking, plus support.

    `batch.y` (K, B, 3) holds score, neighbours' mean and log r. Each batch draws fresh starts for the chains of `network`. Sample
    weights are ignored.

    Args:
        calibration, support_weight: weights of the two added terms. pairs: of designs whose order is compared.
    """

    network: ScalarDiffusion
    generator: Generator
    calibration: float
    support_weight: float
    pairs: int
    support: Support

    def __call__(self, predict: Predict, batch: Batch) -> BatchLoss:
        """The loss (K,) of a batch, with fresh steps, noise and pairs."""
        y, near, log_r = batch.y.unbind(-1)
        g, device = self.generator, y.device
        self.network.starts = torch.randn(self.network.starts.shape, generator=g, device=device)
        step = torch.randint(STEPS, y.shape, generator=g, device=device)
        noise = torch.randn(y.shape, generator=g, device=device)
        bar = self.network.bar[step]
        noisy = bar.sqrt() * y + (1 - bar).sqrt() * noise
        rows = torch.cat([batch.x, noisy[..., None], step.to(y.dtype)[..., None]], dim=2)
        first, second = torch.randint(y.shape[1], (2, self.pairs), generator=g, device=device)
        better = y[:, first] > y[:, second]

        def loss(outputs: Tensor, predict: Predict) -> Tensor:
            mean, std = outputs.unbind(-1)
            denoising = (predict(rows)[..., 0] - noise).square().mean(1)
            order = F.softplus(mean[:, second] - mean[:, first])
            ranking = (order * better).sum(1) / better.sum(1).clamp(min=1)
            calibration = (mean - y).square().mean(1) + ranking
            support = self.support.penalty(mean, std, near, log_r).mean(1)
            return denoising + self.calibration * calibration + self.support_weight * support

        return loss


class Clipped:
    """Another regulariser whose gradient is cut to a length, each member's by itself."""

    def __init__(self, inner: Regulariser, length: float) -> None:
        self.inner, self.length = inner, length

    def gradients(self, objective: Objective, params: Params) -> tuple[Tensor, Params]:
        """As in `Regulariser`."""
        loss, found = self.inner.gradients(objective, params)
        factor = (self.length / (norm(found) + 1e-6)).clamp(max=1)
        return loss, {name: g * factor.view(-1, *[1] * (g.ndim - 1)) for name, g in found.items()}

    def epoch(self) -> dict[str, list[float]]:
        """As in `Regulariser`."""
        return self.inner.epoch()
