"""Trains a bridge network on pairs that arrive epoch by epoch.

ROOT's authors' code (cuong-dm/ROOT @d23f14f): `BaseRunner.py`, `train`; `BBDMRunner.py`, `loss_fn`; `EMA.py`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from bbo.device import on_host
from bbo.generative import brownian_bridge as bridge
from bbo.generative.synthetic_pairs import Pairs
from bbo.settings import setting

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 2  # 2: the batches of one update pass the network as one


#: The rule that halves the learning rate: updates without a lower loss, as many updates of cooldown, and the smallest rate.
PATIENCE, MIN_LEARNING_RATE = 200, 5e-7


@dataclass(frozen=True)
class BridgeTraining:
    """Settings of the training, for methods to inherit, with the authors' values as defaults. Steps are counted in batches."""

    learning_rate: float = setting(1e-3, "step size of Adam at the start; halved when the loss of a batch stops falling", above=0)
    batch: int = setting(64, "pairs per batch", low=1)
    accumulate: int = setting(2, "batches whose gradients are summed for one update", low=1)
    passes: int = setting(1, "passes over each epoch's pairs, each in a new order and with new noise", low=1)
    hide: float = setting(0.15, "probability that a pair's scores enter as 0", low=0, high=1)
    ema_decay: float = setting(0.995, "decay of the average of weights that sampling uses", low=0, high=1)
    ema_every: int = setting(16, "batches between two updates of that average", low=1)
    ema_start: int = setting(4000, "batches before which it is a plain copy", low=0)
    reference_seeding: bool = setting(False, "share the training's randomness between seeds, as the authors' code does")


def train(
    network: nn.Module,
    schedule: bridge.Schedule,
    epochs: Iterable[Pairs],
    settings: BridgeTraining,
    generator: torch.Generator,
    on_loss: Callable[[Tensor], None] = lambda loss: None,
) -> nn.Module:
    """Train `network` in place on each epoch's pairs, in random order; return a copy with averaged weights.

    `on_loss` is told the mean loss () of each epoch, on the network's device.
    """
    parameters = list(network.parameters())
    optimiser = torch.optim.Adam(parameters, settings.learning_rate, betas=(0.9, 0.999), fused=True)
    plateau = ReduceLROnPlateau(optimiser, factor=0.5, patience=PATIENCE, cooldown=PATIENCE, min_lr=MIN_LEARNING_RATE)
    average = copy.deepcopy(network).requires_grad_(False)
    averaged: list[Tensor] = list(average.parameters())
    step = 0
    for pairs in epochs:
        orders = [torch.randperm(len(pairs), generator=generator, device=generator.device) for _ in range(settings.passes)]
        batches = [rows for order in orders for rows in order.split(settings.batch)]
        losses = []
        for together in _together(batches, step, settings):
            values = _losses(network, schedule, pairs, together, step, settings, generator)
            values.sum().backward()
            losses.append(values.detach())
            step += len(together)
            if step % settings.accumulate == 0:
                optimiser.step()
                optimiser.zero_grad()
                plateau.step(on_host(values[-1], "the plateau rule compares losses on the host, at every update", often=True))
            if step % settings.ema_every == 0:
                torch._foreach_lerp_(averaged, [p.detach() for p in parameters], _weight(step, settings))
        on_loss(torch.cat(losses).mean())
    return average


def _together(batches: Sequence[Tensor], step: int, settings: BridgeTraining) -> Iterator[Sequence[Tensor]]:
    """The batches that come after step number `step`, in runs that see the same weights: each ends at an update or at an average."""
    start = 0
    for end in range(1, len(batches) + 1):
        if end == len(batches) or (step + end) % settings.accumulate == 0 or (step + end) % settings.ema_every == 0:
            yield batches[start:end]
            start = end


def _weight(step: int, settings: BridgeTraining) -> float:
    """How much of the current weights enters the average."""
    return 1.0 if step < settings.ema_start else 1.0 - settings.ema_decay


def _losses(
    network: nn.Module,
    schedule: bridge.Schedule,
    pairs: Pairs,
    batches: Sequence[Tensor],
    step: int,
    settings: BridgeTraining,
    generator: torch.Generator,
) -> Tensor:
    """The loss of each of the batches, (number of batches,); they pass the network as one, since products of more rows cost less a row."""
    drawn = []
    for number, rows in enumerate(batches, start=step + 1):
        if settings.reference_seeding:
            generator.manual_seed(number)
        drawn.append(_draw(len(rows), pairs.x_high.shape[1], len(schedule.m), settings.hide, generator))
    hide, t, noise = (torch.cat(parts) for parts in zip(*drawn, strict=True))
    errors = bridge.errors(network, schedule, pairs[torch.cat(list(batches))], t, noise, hide)
    return torch.stack([part.mean() for part in errors.split([len(rows) for rows in batches])])


def _draw(count: int, dim: int, steps: int, hide: float, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Masks (count,), step numbers (count,) and noise (count, dim) of one batch, drawn in the authors' order."""
    device = generator.device
    masks = torch.rand(count, generator=generator, device=device) <= hide
    t = torch.randint(0, steps, (count,), generator=generator, device=device)
    return masks, t, torch.randn((count, dim), generator=generator, device=device)
