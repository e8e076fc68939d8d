"""RGD's draws: the authors sample 128 designs, draw after draw; strengths work row by row, so several draws are one batch."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from bbo.generative.diffusion import VariancePreserving
from bbo.generative.score_networks import EmbeddedScore
from bbo.generative.strength import strengthened
from bbo.surrogates.networks import MLP
from benchmarks._timing import beside


def measure(draws: int = 8, designs: int = 16, steps: int = 10, hidden: int = 256, dim: int = 24) -> dict[str, Any]:
    """Seconds of `draws` guided samplings of `designs` designs, one after another and as one batch, with equal results."""
    generator = torch.Generator().manual_seed(0)
    network = EmbeddedScore(dim, hidden, generator)
    proxy = MLP(dim, (hidden, hidden), generator, activation="relu")
    x = torch.randn(draws * designs, dim, generator=generator)

    def walk(x: Tensor) -> Tensor:
        y, strength = torch.ones(len(x)), torch.full((len(x),), 2.0)
        return strengthened(network, VariancePreserving(), lambda x: proxy(x)[:, 0], x, y, strength, steps, 0.01)[0]

    what = f"RGD: {draws} draws of {designs} designs, {steps} steps, one after another against one batch"
    check = partial(torch.testing.assert_close, rtol=1e-2, atol=1e-2)
    return beside(lambda: torch.cat([walk(part) for part in x.split(designs)]), lambda: walk(x), what, check=check)
