"""CMA-ES: 128 runs of pycma, one after the other, with a call of the networks for each candidate; against all runs in lock-step."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from bbo.search.cma import axes, population, search
from bbo.surrogates.gaussian_ensemble import mean_of
from bbo.surrogates.networks import MLP, Ensemble, spawn
from benchmarks._timing import beside

RUNS, DIM, GENERATIONS = 128, 24, 20
#: The authors' side is the time of this many runs, times RUNS over this number.
TIMED = 4


def eigenvectors(covariance: np.ndarray) -> tuple[np.ndarray, ...]:
    """Eigenvalues (d,) and eigenvectors (d, d) of a covariance."""
    return tuple(part.numpy() for part in axes(torch.as_tensor(covariance)))


def measure() -> dict[str, object]:
    """Seconds of both orders of work on the same networks and starts."""
    import cma

    generator = torch.Generator().manual_seed(0)
    ensemble = Ensemble.of([MLP(DIM, (256,), one, gaussian=True) for one in spawn(generator, 5)])
    start = torch.randn(RUNS, DIM, generator=generator)
    objective = partial(mean_of, ensemble)

    drawn = torch.randn(GENERATIONS, RUNS, population(DIM), DIM, generator=generator, dtype=torch.float64)

    def authors() -> torch.Tensor:
        best = []
        for run in range(TIMED):
            stream = iter(drawn[:, run].numpy())
            # Eigenvectors have no sign of their own: both sides take the same.
            options = {"verbose": -9, "randn": lambda *shape, stream=stream: next(stream), "CMA_eigenmethod": eigenvectors}
            es = cma.CMAEvolutionStrategy(start[run].numpy(), 0.5, options)
            for _ in range(GENERATIONS):
                points = es.ask()
                es.tell(points, [-float(objective(torch.as_tensor(point[None].astype(np.float32)))) for point in points])
            best.append(-es.result.fbest)
        return torch.tensor(best)

    def ours() -> torch.Tensor:
        return search(objective, start, 0.5, GENERATIONS, generator, normal=lambda generation: drawn[generation])[1]

    def check(theirs: torch.Tensor, mine: torch.Tensor) -> None:
        torch.testing.assert_close(mine[:TIMED], theirs, rtol=1e-3, atol=0)

    what = f"CMA-ES batched against {RUNS} separate runs of pycma ({TIMED} timed), d = {DIM}, {GENERATIONS} generations"
    return beside(authors, ours, what, RUNS / TIMED, check)
