"""Conditional normalised maximum likelihood over binned scores, for NEMO (arXiv 2102.07970).

One model k for every bin k is fitted as if the query had that score: on the data and (x, k). Then p(k | x) is proportional to p_k(k
| x): a query that every model can fit as it likes gets equal chances for all bins, and one that the data decide gets what the data
say.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from bbo.surrogates.networks import Ensemble, Params
from bbo.surrogates.training import Batch, BatchLoss, Predict, adam

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1

#: Stands for an open end of the first and the last bin.
OPEN = 1e6


@dataclass(frozen=True)
class Bins:
    """Discretised logistic: the chance of each bin under a logistic distribution about a predicted mean.

    A mean far from a bin still has a slope towards it, unlike the logits of independent classes.

    Attributes:
        edges: of K bins (K + 1,); the outer ones stand for infinity. values: what each bin counts as (K,).
        scale: of the logistic distribution (), in units of the scores.
    """

    edges: Tensor
    values: Tensor
    scale: Tensor

    @classmethod
    def between(cls, low: Tensor, high: Tensor, count: int, softness: float) -> Bins:
        """`count` bins of equal width from low to high, the outer ones open; the scale is `softness` widths. Values are centres.

        Where all scores are equal, so that low is high, they are one unit wide together.
        """
        high = torch.where(high > low, high, low + 1)
        inner = low + (high - low) * torch.arange(count + 1, device=low.device) / count
        values = (inner[1:] + inner[:-1]) / 2
        edges = torch.cat([inner.new_full((1,), -OPEN), inner[1:-1], inner.new_full((1,), OPEN)])
        return cls(edges, values, softness * (high - low) / count)

    def of(self, y: Tensor) -> Tensor:
        """The bin (...) of scores (...)."""
        return torch.bucketize(y, self.edges[1:-1], right=True)

    def log_chance(self, mean: Tensor, bin: Tensor) -> Tensor:
        """Log chance (...) of bins (...) at predicted means (...).

        With s the sigmoid, a and b a bin's scaled ends, s(a) - s(b) = s(a) s(-b) (1 - exp(b - a)), which keeps its digits in the
        tails.
        """
        low, high = self.edges[bin], self.edges[bin + 1]
        inside = torch.log1p(-torch.exp((low - high) / self.scale))
        return F.logsigmoid((high - mean) / self.scale) + F.logsigmoid((mean - low) / self.scale) + inside


@dataclass(frozen=True)
class BinLoss:
    """Mean negative log chance of each row's bin; sample weights are ignored."""

    bins: Bins

    def __call__(self, predict: Predict, batch: Batch) -> BatchLoss:
        """The loss of one batch: minus the log chance of every row's bin."""
        wanted = self.bins.of(batch.y)
        return lambda outputs, _: -self.bins.log_chance(outputs[..., 0], wanted).mean(1)


def expected(bins: Bins, means: Tensor) -> tuple[Tensor, Tensor]:
    """p(k | x) (n, K) and the expected score (n,) from the models' means (K, n), row k of model k."""
    own = torch.arange(len(bins.values), device=means.device)[:, None].expand_as(means)
    chances = bins.log_chance(means, own).T.softmax(1)
    return chances, chances @ bins.values


class Models:
    """K models that differ by the score they believe the queries to have, and a slow average of each.

    Args:
        ensemble: one trained network, from which all K start. bins: the K bins.
        lr: Adam's step. follow: share by which the averages follow in each step.
        rows: rows of a batch that a query counts as.
    """

    def __init__(self, ensemble: Ensemble, bins: Bins, lr: float, follow: float, rows: float) -> None:
        self.bins, self.follow, self.rows = bins, follow, rows
        count = len(bins.values)
        self.own = torch.arange(count, device=bins.values.device)[:, None]
        self.params: Params = {n: p.expand(count, *p.shape[1:]).clone().requires_grad_() for n, p in ensemble.params.items()}
        self.average: Params = {n: p.detach().clone() for n, p in self.params.items()}
        self.network = Ensemble(ensemble.template, self.average)
        self.optimiser = adam(self.params, lr)

    def step(self, x: Tensor, y: Tensor, queries: Tensor) -> None:
        """One update of all models on rows x (B, d), y (B,) and the queries (n, d), each model with its own bin for them.

        The queries' mean counts as `rows` rows beside the B of the batch, as if every query were fitted by itself.
        """
        means = self.network.mean(torch.cat([x, queries]), self.params)
        data = -self.bins.log_chance(means[:, : len(x)], self.bins.of(y)).mean(1)
        believed = -self.bins.log_chance(means[:, len(x) :], self.own).mean(1)
        loss = (data + believed * self.rows / len(x)).sum()
        for parameter, slope in zip(self.params.values(), torch.autograd.grad(loss, list(self.params.values())), strict=True):
            parameter.grad = slope.contiguous()
        self.optimiser.step()
        for name, parameter in self.params.items():
            self.average[name].lerp_(parameter.detach(), self.follow)

    def expected(self, x: Tensor) -> Tensor:
        """Expected score (n,) at x (n, d), by the averages."""
        return expected(self.bins, self.network.mean(x))[1]
