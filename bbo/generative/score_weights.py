"""Weights of training rows by their score, so that a generative model learns the better designs without forgetting the rest.

Model inversion networks (arXiv 1912.13464) and DDOM (arXiv 2306.07180): scores are cut into bins; each bin gets a target mass that
grows with its score, and a row the ratio of target mass to the mass its bin has.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1

#: Keeps ratios finite, as in the authors' code (brandontrabucco/design-baselines, `mins/utils.py`).
TINY = 1e-7


def histogram_weights(y: Tensor, temperature: float | Tensor, bins: int = 20, rarity: float = 1e-3, limit: float = 5.0) -> Tensor:
    """Weights (N,), float32, of rows with scores y (N,): `target mass / mass` of a row's bin, clipped to [0, `limit`].

    A bin's target mass is softmax(right edge / temperature) * h / (h + rarity), scaled to sum to 1, with h the share of rows in it.

    Args:
        temperature: in units of y, above 0; the smaller it is, the more weight the best rows get.
        bins: of equal width between the least and the largest score.
        rarity: share of rows below which a bin is played down.
        limit: largest weight.
    """
    edges, place, share = _histogram(y, bins)
    wanted = torch.softmax(edges[1:] / temperature, 0) * share / (share + rarity)
    wanted = wanted / (wanted.sum() + TINY)
    return (wanted / (share + TINY)).clamp(0.0, limit)[place].float()


def edge_weights(y: Tensor, bins: int = 20, least: float = 0.1) -> Tensor:
    """Weights (N,), float32, linear in the score: `least` plus the right edge of a row's bin, scaled to [0, 1] over the bins.

    ManGO's weights (arXiv 2506.05680).
    """
    edges, place, _ = _histogram(y, bins)
    right = edges[1:]
    spread = right[-1] - right[0]
    return (least + (right - right[0]) / torch.where(spread > 0, spread, torch.ones_like(spread)))[place].float()


def distance_temperature(y: Tensor, quantile: float) -> Tensor:
    """The distance () from the best score to a quantile of y (N,), at least 0.001: the temperature of DDOM's weights."""
    y = y.double()
    # Not torch.quantile, which refuses more than 16 million rows.
    ordered = y.sort().values
    position = quantile * (len(y) - 1)
    low = int(position)
    high = min(low + 1, len(y) - 1)
    at = ordered[low] + (position - low) * (ordered[high] - ordered[low])
    return (ordered[-1] - at).clamp(min=1e-3)


def _histogram(y: Tensor, bins: int) -> tuple[Tensor, Tensor, Tensor]:
    """Edges (bins + 1,), each row's bin (N,), and each bin's share of the rows (bins,). Float64: edges decide about bins."""
    y = y.double()
    low, high = y.min(), y.max()
    steps = torch.arange(bins + 1, dtype=torch.float64, device=y.device) / bins
    edges = low + (high - low) * steps
    place = torch.bucketize(y, edges[1:], right=True).clamp(max=bins - 1)
    share = torch.zeros(bins, dtype=torch.float64, device=y.device).index_add_(0, place, torch.ones_like(y)) / len(y)
    return edges, place, share


def rank_weights(y: Tensor, share: float) -> Tensor:
    """Weights (N,) 1 / (share N + rank) of rows with scores y (N,), with rank 0 for the best; ties in row order.

    Tripp et al. (arXiv 2006.09191); BootGen and GTG draw their rows by these.
    """
    order = y.argsort(descending=True, stable=True)
    rank = torch.empty_like(order).scatter_(0, order, torch.arange(len(y), device=y.device))
    return 1 / (share * len(y) + rank)


def drawn(weight: Tensor, count: int, generator: Generator) -> Tensor:
    """Row numbers (count,), drawn with replacement by weights (N,), none negative; where all are 0, as if all were equal."""
    weight = torch.where((weight > 0).any(), weight, torch.ones_like(weight))
    # Float64: the last of 10^5 sums of float32 weights would be off.
    edges = weight.double().cumsum(0)
    points = torch.rand(count, generator=generator, device=weight.device, dtype=torch.float64) * edges[-1]
    return torch.searchsorted(edges, points, right=True).clamp(max=len(weight) - 1)
