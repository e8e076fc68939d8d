"""SPADE's sampling: the whole network for every sample and step, in parts of 16 samples, beside shares computed once."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from bbo.surrogates.scalar_diffusion import STEPS, ScalarDiffusion
from benchmarks._timing import beside

#: The published width and coordinates of Ant; fewer designs, samples and steps than the published 128, 256 and 50, of which both need as many.
WIDTH, DIM, DESIGNS, SAMPLES, CHAIN = 2048, 60, 32, 16, 4


@torch.no_grad()
def authors(network: ScalarDiffusion, x: torch.Tensor) -> torch.Tensor:
    """Samples (n, S): every design repeated for every sample, all three inputs concatenated in every step."""
    repeated = x.repeat(SAMPLES, 1)
    y = network.starts.repeat_interleave(len(x))
    steps = torch.linspace(STEPS - 1, 0, CHAIN).long()
    for place, step in enumerate(steps):
        h = repeated
        for layer in network.encoder:
            h = torch.nn.functional.silu(layer(h))
        angles = ((step + 0.5) / STEPS) * torch.exp(torch.linspace(0, 9.210340371976184, 64))
        angles = angles.expand(len(h), -1)
        first, second = network.time
        e = second(torch.nn.functional.silu(first(torch.cat([angles.sin(), angles.cos()], dim=1))))
        h = torch.nn.functional.silu(network.fusion(torch.cat([h, network.score(y[:, None]), e], dim=1)))
        noise = network.out(torch.nn.functional.silu(network.middle(h)))[:, 0]
        bar = network.bar[step]
        clean = (y - (1 - bar).sqrt() * noise) / bar.sqrt()
        if place + 1 < CHAIN:
            bar = network.bar[steps[place + 1]]
            y = bar.sqrt() * clean + (1 - bar).sqrt() * noise
    return clean.view(SAMPLES, -1).T


def measure() -> dict[str, Any]:
    """Seconds for the samples of one generation's part."""
    generator = torch.Generator().manual_seed(0)
    network = ScalarDiffusion(DIM, WIDTH, generator, SAMPLES, CHAIN)
    x = torch.randn(DESIGNS, DIM, generator=generator)

    @torch.no_grad()
    def ours() -> torch.Tensor:
        return network.samples(x)

    what = f"{SAMPLES} samples of {CHAIN} steps for {DESIGNS} designs, width {WIDTH}"
    return beside(lambda: authors(network, x), ours, what, check=partial(torch.testing.assert_close, rtol=1e-5, atol=1e-3))
