"""CMA-ES: 128 runs of pycma, one after the other, with a call of the networks for each candidate; against all runs in lock-step."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from bbo.search.cma import search
from bbo.surrogates.gaussian_ensemble import mean_of
from bbo.surrogates.networks import MLP, Ensemble, spawn
from benchmarks._timing import beside

RUNS, DIM, GENERATIONS = 128, 24, 20
#: The authors' side is the time of this many runs, times RUNS over this number.
TIMED = 4


def measure() -> dict[str, object]:
    """Seconds of both orders of work on the same networks and starts."""
    import cma

    generator = torch.Generator().manual_seed(0)
    ensemble = Ensemble.of([MLP(DIM, (256,), one, gaussian=True) for one in spawn(generator, 5)])
    start = torch.randn(RUNS, DIM, generator=generator)
    objective = partial(mean_of, ensemble)

    def authors() -> None:
        for run in range(TIMED):
            es = cma.CMAEvolutionStrategy(start[run].numpy(), 0.5, {"verbose": -9, "seed": run + 1})
            for _ in range(GENERATIONS):
                points = es.ask()
                es.tell(points, [-float(objective(torch.as_tensor(point[None].astype(np.float32)))) for point in points])

    def ours() -> None:
        search(objective, start, 0.5, GENERATIONS, generator)

    what = f"CMA-ES batched against {RUNS} separate runs of pycma ({TIMED} timed), d = {DIM}, {GENERATIONS} generations"
    return beside(authors, ours, what, RUNS / TIMED)
