"""Batched CMA-ES against pycma, run alone for one start with the same random numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bbo.search import cma as ours

pytestmark = pytest.mark.numerics

GENERATIONS = 40


def ellipsoid(x):
    scale = torch.logspace(0, 2, x.shape[1], dtype=x.dtype)
    return -(scale * (x - 0.7).square()).sum(1) - 0.5 * torch.sin(3 * x).sum(1)


def numbers(dim, run):
    generator = torch.Generator().manual_seed(run)
    return torch.randn(GENERATIONS, ours.population(dim), dim, generator=generator, dtype=torch.float64)


def eigenvectors(covariance):
    return tuple(part.numpy() for part in ours.axes(torch.as_tensor(covariance)))


@pytest.mark.parametrize("dim", [3, 8, 24])
def test_cma_es_equals_pycma_run_alone_for_one_start(dim):
    pycma = pytest.importorskip("cma")
    start = torch.randn(4, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    drawn = torch.stack([numbers(dim, run) for run in range(4)])
    found, value = ours.search(
        ellipsoid, start, 0.5, GENERATIONS, torch.Generator(), normal=lambda generation: drawn[:, generation]
    )
    for run in range(4):
        stream = iter(drawn[run].numpy())
        # Eigenvectors have no sign of their own: both sides take the same.
        options = {"verbose": -9, "randn": lambda *shape, stream=stream: next(stream), "CMA_eigenmethod": eigenvectors}
        es = pycma.CMAEvolutionStrategy(start[run].numpy(), 0.5, options)
        for _ in range(GENERATIONS):
            points = es.ask()
            es.tell(points, (-ellipsoid(torch.as_tensor(np.array(points)))).tolist())
        np.testing.assert_allclose(found[run], es.result.xbest, rtol=1e-6, atol=1e-7)
        assert value[run].item() == pytest.approx(-es.result.fbest, rel=1e-7)


def test_diagonal_covariances_find_the_top_of_a_stretched_bowl():
    start = torch.zeros(3, 20, dtype=torch.float64)
    scale = torch.logspace(0, 3, 20, dtype=torch.float64)
    found, _ = ours.search(
        lambda x: -(scale * (x - 1).square()).sum(1), start, 0.5, 600, torch.Generator().manual_seed(0), diagonal=True
    )
    torch.testing.assert_close(found, torch.ones_like(found), rtol=0, atol=1e-3)


def test_runs_do_not_depend_on_each_other():
    start = torch.randn(5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    drawn = torch.stack([numbers(6, run) for run in range(5)])
    everyone, _ = ours.search(ellipsoid, start, 0.5, 20, torch.Generator(), normal=lambda g: drawn[:, g])
    one, _ = ours.search(ellipsoid, start[2:3], 0.5, 20, torch.Generator(), normal=lambda g: drawn[2:3, g])
    torch.testing.assert_close(everyone[2:3], one)


def test_points_without_a_value_count_as_the_worst():
    start = torch.zeros(2, 4, dtype=torch.float64)

    def partial(missing):
        return lambda x: torch.where(x[:, 0] < 0, missing, -(x - 1).square().sum(1))

    search = [
        ours.search(partial(missing), start, 0.3, 60, torch.Generator().manual_seed(0)) for missing in (torch.nan, -torch.inf)
    ]
    assert all(torch.equal(a, b) for a, b in zip(*search, strict=True))
    torch.testing.assert_close(search[0][0], torch.ones_like(start), rtol=0, atol=1e-2)
