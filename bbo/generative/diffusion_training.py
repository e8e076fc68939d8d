"""Trains a score network on the visible table; the settings that DDOM, RGD and DEMO share."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from bbo.device import on_host
from bbo.errors import NumericalError
from bbo.generative.diffusion import VariancePreserving, matching_loss
from bbo.generative.score_weights import distance_temperature, histogram_weights
from bbo.settings import setting

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1


@dataclass(frozen=True)
class DiffusionSettings:
    """Settings of a conditional diffusion and its training, for methods to inherit, with DDOM's values."""

    prior_hidden: int = setting(1024, "width of the diffusion's hidden layers", low=1)
    prior_epochs: int = setting(1000, "passes of the diffusion's training over the rows", low=1)
    prior_batch: int = setting(128, "rows in a batch of the diffusion's training", low=1)
    prior_learning_rate: float = setting(1e-3, "step size of Adam in the diffusion's training", above=0)
    prior_cosine: bool = setting(False, "let that step size fall along a cosine to 0, epoch by epoch")
    prior_updates: int = setting(0, "no more batches than this; 0 for no cap", low=0)
    held_out: float = setting(
        0.0,
        "share of the rows the diffusion is not trained on, as in the authors' code; they count in the weights and in `clip_noisy`'s range",
        low=0,
        high=0.9,
    )
    shuffle: bool = setting(True, "rows in a new order every epoch; false takes them in the table's order and holds out the last")
    clip_noisy: bool = setting(False, "clip noisy designs to the range of the visible ones in training")
    hide: float = setting(0.15, "probability that a row's score enters as 0, which teaches the unconditional score", low=0, high=1)
    weight_quantile: float = setting(
        0.9, "quantile of the scores whose distance to the best is the weights' temperature", low=0, high=1
    )
    beta_min: float = setting(0.01, "rate of the diffusion at time 0", above=0)
    beta_max: float = setting(2.0, "rate of the diffusion at time 1", above=0)
    sampling_steps: int = setting(1000, "steps of the reverse process, from time 1 to 0", low=1)
    guidance: float = setting(2.0, "strength of classifier-free guidance; 0 for the plain conditional score")

    @property
    def schedule(self) -> VariancePreserving:
        """The diffusion's rates."""
        return VariancePreserving(self.beta_min, self.beta_max)

    def train_prior(
        self, network: nn.Module, x: Tensor, y: Tensor, generator: Generator, progress: Callable[[int, int], None]
    ) -> Tensor:
        """Train `network` in place on designs x (N, d) and scores y (N,), z-scored; mean losses (E,) of the epochs.

        `progress` is called with (batches done, batches in all).
        """
        weight = histogram_weights(y, distance_temperature(y, self.weight_quantile))
        keep = max(1, len(x) - int(self.held_out * len(x)))
        rows = torch.arange(keep, device=x.device)
        if self.shuffle:
            rows = torch.randperm(len(x), generator=generator, device=x.device)[:keep]
        bounds = (x.amin(0), x.amax(0)) if self.clip_noisy else None
        schedule = self.schedule

        def loss(chosen: Tensor) -> Tensor:
            shown = y[chosen].masked_fill(torch.rand(len(chosen), generator=generator, device=x.device) <= self.hide, 0.0)
            t = torch.rand(len(chosen), generator=generator, device=x.device)
            noise = torch.randn(len(chosen), x.shape[1], generator=generator, device=x.device)
            return matching_loss(network, schedule, x[chosen], shown, weight[chosen], t, noise, bounds)

        optimiser = torch.optim.Adam(network.parameters(), self.prior_learning_rate, fused=True)
        batches = math.ceil(keep / self.prior_batch)
        total = self.prior_epochs * batches
        total = min(total, self.prior_updates) if self.prior_updates else total
        means, done = [], 0
        for _ in range(math.ceil(total / batches)):
            if self.prior_cosine:
                for group in optimiser.param_groups:
                    group["lr"] = self.prior_learning_rate * 0.5 * (1 + math.cos(math.pi * done / total))
            order = rows[torch.randperm(keep, generator=generator, device=x.device)] if self.shuffle else rows
            losses = []
            for chosen in order.split(self.prior_batch)[: total - done]:
                value = loss(chosen)
                optimiser.zero_grad()
                value.backward()
                optimiser.step()
                losses.append(value.detach())
                done += 1
                progress(done, total)
            means.append(torch.stack(losses).mean())
        return torch.stack(means)


def loss_facts(losses: Tensor) -> list[float]:
    """Mean losses (E,) for the cell's record, rounded, at most a hundred of them and the last among them.

    Raises:
        NumericalError: one is not finite.
    """
    values = on_host(losses, "the losses, for the record")
    if not all(map(math.isfinite, values)):
        raise NumericalError(
            f"training of the generative model diverged: losses {values[:3]} ... {values[-1]}; use a smaller learning rate"
        )
    every = math.ceil(len(values) / 100)
    return [float(f"{value:.6g}") for value in values[::-1][::every][::-1]]
