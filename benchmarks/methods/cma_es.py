"""CMA-ES: 128 runs of pycma, one after the other, with a call of the networks for each candidate; against all runs in lock-step."""

from __future__ import annotations

import time
from functools import partial

import numpy as np
import torch

from bbo.search import cma as ours
from bbo.surrogates.gaussian_ensemble import mean_of
from bbo.surrogates.networks import MLP, Ensemble, spawn

RUNS, DIM, GENERATIONS = 128, 24, 20
#: The authors' side is the time of so many runs, times RUNS over this.
TIMED = 4


def measure() -> dict[str, object]:
    """Seconds of both orders of work on the same networks and starts."""
    import cma

    generator = torch.Generator().manual_seed(0)
    ensemble = Ensemble.of([MLP(DIM, (256,), one, gaussian=True) for one in spawn(generator, 5)])
    start = torch.randn(RUNS, DIM, generator=generator)
    objective = partial(mean_of, ensemble)

    began = time.perf_counter()
    for run in range(TIMED):
        es = cma.CMAEvolutionStrategy(start[run].numpy(), 0.5, {"verbose": -9, "seed": run + 1})
        for _ in range(GENERATIONS):
            points = es.ask()
            es.tell(points, [-float(objective(torch.as_tensor(point[None].astype(np.float32)))) for point in points])
    authors = (time.perf_counter() - began) * RUNS / TIMED

    began = time.perf_counter()
    ours.search(objective, start, 0.5, GENERATIONS, generator)
    return {
        "authors_seconds": authors,
        "our_seconds": time.perf_counter() - began,
        "what": f"CMA-ES batched against {RUNS} separate runs of pycma ({TIMED} timed), d = {DIM}, {GENERATIONS} generations",
    }
