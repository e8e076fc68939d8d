"""BDI: designs learnt one after the other by autograd, beside all in one batch with the gradient in closed form."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from bbo.baselines.bdi import BDI, Bidirectional
from bbo.search.adam_ascent import adam_ascend
from bbo.space import Continuous
from bbo.testing.methods import make_problem
from benchmarks._timing import beside

#: Rows and coordinates as in Ant, starts as published; a tenth of the published 200 steps, which is the same for both.
ROWS, DIM, STARTS, STEPS = 10_000, 60, 128, 20
#: Starts that the authors' order is timed on; their times add up.
TIMED = 4


def kernel(a: Tensor, b: Tensor, depth: int) -> Tensor:
    """The tangent kernel (n, m) of a (n, d) and b (m, d), by covariances layer by layer, under autograd."""
    d = a.shape[1]
    products, own_a, own_b = a @ b.T / d, a.square().sum(1, keepdim=True) / d, b.square().sum(1) / d
    tangent = products
    for _ in range(depth):
        norms = (own_a * own_b).sqrt()
        cosine = (products / norms).clamp(-1 + 1e-15, 1 - 1e-15)
        angle = torch.arccos(cosine)
        products = norms * (torch.sin(angle) + (math.pi - angle) * cosine) / (2 * math.pi)
        own_a, own_b = own_a / 2, own_b / 2
        tangent = products + tangent * (math.pi - angle) / (2 * math.pi)
    return tangent


def authors(regression: Bidirectional, x: Tensor, label: float, step_size: float) -> Tensor:
    """One design after the other; each step builds the kernel and goes back through it."""
    found = []
    rows, depth = regression.kernel.x, regression.kernel.depth
    for start in x:
        h = start[None].clone().requires_grad_()
        optimiser = torch.optim.Adam([h], lr=step_size)
        for _ in range(STEPS):
            # As in the released code: the kernel is computed from the table to the design and from the design to the table.
            backward = kernel(rows, h, depth)[:, 0] / kernel(h, h, depth)[0, 0] * label
            forward = kernel(h, rows, depth) @ regression.dual
            loss = 0.5 * (regression.weight * (backward - regression.y) ** 2).sum() + 0.5 * (forward - label).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        found.append(h.detach()[0])
    return torch.stack(found)


def measure() -> dict[str, Any]:
    """Seconds of both for all starts and STEPS steps; the regression of the table, common to both, is not counted."""
    problem = make_problem(Continuous.box(DIM, -1.0, 1.0), STARTS, rows=ROWS * 10 // 9)
    method = BDI(rows=2000)  # only to have a cheap dual; the kernel below has all rows
    small = method.regression(problem)
    data = problem.encoded()
    rows = data.x.double()
    dual = torch.zeros(len(rows), dtype=torch.float64)
    dual[: len(small.dual)] = small.dual
    y = data.y.double()
    regression = Bidirectional(type(small.kernel).of(rows, method.layers), y, dual, torch.full_like(y, 1 / len(y)))
    x = rows[problem.starts()]

    def ours() -> Tensor:
        return adam_ascend(lambda q: -regression.gradient(q, method.label, "both"), x, STEPS, method.step_size_box)

    def check(theirs: Tensor, mine: Tensor) -> None:
        torch.testing.assert_close(mine[:TIMED], theirs, rtol=0, atol=1e-2)

    what = f"tangent kernel (NTK): {STEPS} steps of {STARTS} starts, {len(rows)} rows, d = {DIM} (authors' order timed on {TIMED} starts)"
    return beside(lambda: authors(regression, x[:TIMED], method.label, method.step_size_box), ours, what, STARTS / TIMED, check)
