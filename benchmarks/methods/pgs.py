"""PGS' transitions: the surrogate's gradient for every trajectory and their designs stored, beside once for each row and row numbers."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from bbo.baselines.pgs import PGS
from bbo.search.ascent import gradient_of
from bbo.search.step_policy import Transitions
from bbo.space import Continuous
from bbo.testing.methods import make_problem
from benchmarks._timing import beside

#: Rows and coordinates of Ant, the published surrogate; a hundredth of the published 20,000 trajectories, which is the same for both.
ROWS, DIM, TRAJECTORIES = 10_000, 60, 200


def measure() -> dict[str, Any]:
    """Seconds until all transitions of TRAJECTORIES trajectories are there."""
    problem = make_problem(Continuous.box(DIM, -1.0, 1.0), 128, rows=ROWS * 10 // 9)
    method = PGS(max_updates=1, trajectories=TRAJECTORIES)
    ensemble = method.train(problem).ensemble
    data = problem.encoded()
    top = problem.best(ROWS // 5)
    x, y = data.x[top], data.y[top]
    gradient = gradient_of(lambda x: ensemble.mean(x)[0])

    def authors() -> int:
        stored = []
        for _ in range(TRAJECTORIES):
            rows = torch.randperm(len(x), generator=problem.generator)[: method.length + 1]
            designs = x[rows]
            action = (designs[1:] - designs[:-1]) / gradient(designs[:-1]) / Transitions.REACH
            stored.append((designs[:-1], torch.where(action.abs() > 1, 0.0, action), y[rows].diff(), designs[1:]))
        start, *_ = (torch.cat(part) for part in zip(*stored, strict=True))
        return len(start)

    def ours() -> int:
        return method.transitions(problem, ensemble).rows[:, 1:].numel()

    what = f"transitions of {TRAJECTORIES} trajectories (published: 20,000, where the ratio is larger), d = {DIM}"
    return beside(authors, ours, what, check=partial(torch.testing.assert_close, rtol=0, atol=0))
