"""Proxies as ICT and Tri-mentoring train them: squared error, a large falling step of Adam, the epoch that ranks best kept.

GGchen1997/parallel_mentoring @db1a055 (`main.py`, `train_proxy`) and mila-iqia/Importance-aware-Co-teaching @4198064 (`grad.py`)
share this code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from torch import Generator, Tensor

from bbo.settings import setting
from bbo.surrogates import losses
from bbo.surrogates.networks import MLP
from bbo.surrogates.sharpness import Regulariser
from bbo.surrogates.training import Batch, BatchLoss, Fitted, Predict, TrainingSettings, fit, validation_rows

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1


@dataclass(frozen=True)
class ProxySettings(TrainingSettings):
    """Settings of the proxies' training, as published: Adam from 0.1 down a cosine, 200 epochs, a tenth of the rows held out."""

    epochs: int = 200
    learning_rate: float = 0.1
    validation: int = setting(0, "rows held out, at most a tenth of all; 0 for a tenth", low=0)


def anticorrelation(predict: Predict, batch: Batch) -> BatchLoss:
    """Minus Pearson's correlation (K,) of scores and predicted means; 0 where either is constant."""

    def loss(outputs: Tensor, _: Predict) -> Tensor:
        f = outputs[..., 0] - outputs[..., 0].mean(1, keepdim=True)
        y = batch.y - batch.y.mean(1, keepdim=True)
        return -(f * y).sum(1) / ((f.square().sum(1) + 1e-12).sqrt() * (y.square().sum(1) + 1e-12).sqrt())

    return loss


def train_proxies(
    settings: ProxySettings,
    x: Tensor,
    y: Tensor,
    generators: Sequence[Generator],
    regulariser: Regulariser,
    progress: Callable[[int, int], None],
) -> Fitted:
    """One ReLU network for each generator on z-scored x (N, d) and y (N,), all as one batched model.

    Where a table is too small to hold rows out, the last epoch is kept. Warns where the proxies learned nothing.
    """
    rows = settings.validation or len(x) // 10
    plan = replace(settings.plan(keep="best" if validation_rows(len(x), rows) else "last"), validation=rows, cosine=True)
    network = partial(MLP, x.shape[1], settings.widths, activation="relu")
    fitted = fit(network, x, y, plan, losses.mse, generators, regulariser, criterion=anticorrelation, progress=progress)
    fitted.warn_if_useless(x, y)
    return fitted
