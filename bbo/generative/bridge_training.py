"""Trains a bridge network on pairs that arrive epoch by epoch.

ROOT's authors' code (cuong-dm/ROOT @d23f14f): `BaseRunner.py`, `train`; `BBDMRunner.py`, `loss_fn`; `EMA.py`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from bbo.generative import brownian_bridge as bridge
from bbo.generative.synthetic_pairs import Pairs

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1


@dataclass(frozen=True)
class BridgeTraining:
    """Settings of the training, with the authors' values as defaults. Steps are counted in batches.

    Args:
        learning_rate: of Adam; halved when the loss of one batch has not fallen for `patience` updates, followed by as long a rest.
        batch: pairs per batch.
        accumulate: batches whose gradients are summed (not averaged) for one update.
        hide: probability that a pair's scores enter as 0.
        ema_decay, ema_every, ema_start: the average of weights that sampling uses; before `ema_start` it is a plain copy.
        passes: times each epoch's pairs are seen, each time in another order with other noise; 1 in the authors' code.
        reseed: draw each batch's noise from a generator seeded with the step number, as the authors do.
    """

    learning_rate: float = 1e-3
    batch: int = 64
    accumulate: int = 2
    hide: float = 0.15
    ema_decay: float = 0.995
    ema_every: int = 16
    ema_start: int = 4000
    patience: int = 200
    min_learning_rate: float = 5e-7
    passes: int = 1
    reseed: bool = False


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
    plateau = ReduceLROnPlateau(
        optimiser, factor=0.5, patience=settings.patience, cooldown=settings.patience, min_lr=settings.min_learning_rate
    )
    average = copy.deepcopy(network).requires_grad_(False)
    averaged: list[Tensor] = list(average.parameters())
    step = 0
    for pairs in epochs:
        orders = [torch.randperm(len(pairs), generator=generator, device=generator.device) for _ in range(settings.passes)]
        losses = []
        for rows in (rows for order in orders for rows in order.split(settings.batch)):
            step += 1
            if settings.reseed:
                generator.manual_seed(step)
            value = _loss(network, schedule, pairs[rows], settings, generator)
            value.backward()
            losses.append(value.detach())
            if step % settings.accumulate == 0:
                optimiser.step()
                optimiser.zero_grad()
                plateau.step(value.item())  # the plateau rule compares on the host; one number per update
            if step % settings.ema_every == 0:
                torch._foreach_lerp_(averaged, [p.detach() for p in parameters], _weight(step, settings))
        on_loss(torch.stack(losses).mean())
    return average


def _weight(step: int, settings: BridgeTraining) -> float:
    """How much of the current weights enters the average."""
    return 1.0 if step < settings.ema_start else 1.0 - settings.ema_decay


def _loss(
    network: nn.Module, schedule: bridge.Schedule, pairs: Pairs, settings: BridgeTraining, generator: torch.Generator
) -> Tensor:
    """Loss of one batch with fresh masks, steps and noise, drawn in the authors' order."""
    count, device = len(pairs), generator.device
    hide = torch.rand(count, generator=generator, device=device) <= settings.hide
    t = torch.randint(0, len(schedule.m), (count,), generator=generator, device=device)
    noise = torch.randn(pairs.x_high.shape, generator=generator, device=device)
    return bridge.loss(network, schedule, pairs, t, noise, hide)
