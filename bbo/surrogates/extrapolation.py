"""Which model of a table finds designs better than those it has seen? Asked of the table alone.

Each model is fitted to rows from the lower part of the scores, and ranks rows of the upper part among others that it has not seen. What
counts is what an optimizer needs: how good the rows are that the model puts first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from scipy.special import stdtrit
from torch import Generator, Tensor

from bbo.surrogates.two_scale_gaussian_process import TwoScales, half_squares

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1

#: At most this many rows are taken as the ones a model puts first, and at most a tenth of those it ranks.
FIRST = 128


@dataclass(frozen=True)
class Split:
    """Row numbers to fit on, and to rank."""

    train: Tensor
    test: Tensor


def splits(y: Tensor, quantiles: Sequence[float], rows: int, generator: Generator) -> list[Split]:
    """One split for each quantile of scores y (N,).

    Fitted on: at most `rows` random rows, at most four fifths, of those below the quantile. Ranked: at most `rows` of the
    others below it, and at most `rows` above it. Rows with equal scores are parted at random, so that neither
    side is ever empty, from two rows on.
    """
    order = torch.randperm(len(y), generator=generator, device=y.device)
    order = order[torch.argsort(y[order], stable=True)]
    found = []
    for quantile in quantiles:
        cut = min(max(2, round(quantile * len(y))), len(y) - 1)
        lower, upper = (part[torch.randperm(len(part), generator=generator, device=y.device)] for part in order.tensor_split([cut]))
        count = min(rows, max(1, len(lower) * 4 // 5))
        found.append(Split(lower[:count], torch.cat([lower[count : count + rows], upper[:rows]])))
    return found


def gain(prediction: Tensor, y: Tensor) -> Tensor:
    """How good the rows are that predictions (n, ...) put first: 0 like the mean of the scores y (n,), 1 like the best ones; (...)."""
    first = max(1, min(FIRST, len(y) // 10))
    mean, best = y.mean(), y.topk(first).values.mean()
    chosen = y[prediction.topk(first, dim=0).indices].mean(0)
    return torch.where(best > mean, (chosen - mean) / (best - mean), torch.zeros_like(chosen))


def kernel_gains(
    x: Tensor,
    y: Tensor,
    kernels: Sequence[TwoScales],
    transforms: Sequence[Callable[[Tensor], Tensor]],
    parts: Sequence[Split],
    criterion: Callable[[Tensor, Tensor], Tensor] = gain,
) -> Tensor:
    """Gains (splits, kernels, transforms), float64, of exact Gaussian processes on x (N, d), y (N,).

    One factorisation serves all transforms. A kernel that cannot be factorised, or whose gain is not finite, has gain -1.

    Args:
        x, y: vectors of the designs and their scores.
        kernels: with their noise.
        transforms: of the scores (n,) of the fitted rows, to what is fitted (n,), float64.
        parts: which rows are fitted, and which ranked.
        criterion: predictions (n, transforms) and scores (n,) of the ranked rows to what counts (transforms,); larger is better.
    """
    rows = []
    for part in parts:
        train, test, scores = x[part.train], x[part.test], y[part.test].double()
        targets = torch.stack([transform(y[part.train]) for transform in transforms], 1)
        own, other = half_squares(train, train), half_squares(test, train)
        for kernel in kernels:
            matrix = kernel.matrix(train, train, own)
            matrix.diagonal().add_(kernel.noise)
            factor, info = torch.linalg.cholesky_ex(matrix)
            found = criterion(kernel.matrix(test, train, other) @ torch.cholesky_solve(targets, factor), scores)
            rows.append(torch.where((info == 0) & found.isfinite(), found, -torch.ones_like(found)))
    return torch.stack(rows).view(len(parts), len(kernels), len(transforms))


def choose(gains: Tensor, members: int, plain: int = 0, level: float | None = None) -> Tensor:
    """The numbers of the models to average, best first, given their gains (splits, models).

    They are the best `members` of those that beat the model number `plain`; if there is none, `plain` alone. Models are ordered by their
    rank in a split, averaged over the splits.

    A model beats `plain` if it is ahead by more than one standard error of the difference or, with a `level`, by Student's paired test
    over the splits, one-sided, at this level divided by the number of models tried, since each of them has its chance; one split says
    nothing then. (Splits of one table overlap, so that the true level is somewhat higher.)
    """
    ahead, count = gains - gains[:, plain : plain + 1], len(gains)
    error = ahead.std(0, correction=1) / count**0.5 if count > 1 else torch.zeros_like(ahead[0])
    if level is not None:
        error = error * stdtrit(count - 1, 1 - level / max(1, gains.shape[1] - 1)) if count > 1 else error + torch.inf
    # A model's rank in a split: the number of models that are better, those equal counting half.
    difference = gains[:, None, :] - gains[:, :, None]
    order = torch.argsort(((difference > 0).double() + 0.5 * (difference == 0).double()).sum(2).mean(0), stable=True)
    chosen = order[(ahead.mean(0) > error)[order]][:members]
    return chosen if len(chosen) else order.new_tensor([plain])
