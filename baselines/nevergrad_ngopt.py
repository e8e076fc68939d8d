"""Nevergrad's NGOpt on an ensemble of networks."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from bbo.device import on_host
from bbo.errors import BBOError
from bbo.method import Method, MethodSpec, setting
from bbo.problem import Problem
from bbo.search.evolution import best_distinct
from bbo.surrogates.diagnostics import Surrogate
from bbo.surrogates.gaussian_ensemble import FAST, SMOKE, GaussianEnsemble, diagnosed, mean_of

#: Candidates after which the best ones are sorted out.
MERGED = 100


@dataclass(frozen=True)
class NevergradNGOpt(GaussianEnsemble, Method):
    """Nevergrad's NGOpt, which picks its own algorithm, on the mean of five Gaussian-head networks, from the best visible design.

    NGOpt ("Black-Box Optimization Revisited", arXiv 2010.04542; facebookresearch/nevergrad) chooses an optimizer by dimension and budget:
    CMA-ES, differential evolution, a quasi-Newton method or a chain of several. Here it maximises the surrogate of
    Design-Bench's searches over z-scored designs (logits for sequences), starting at the best visible one; no paper of this field
    publishes settings for it, so these are ours. Designs are the best different ones, after decoding, of all that it asked for and of
    the best visible ones.

    Candidates are asked for one at a time: some of the algorithms that it picks wait for the score of one before they name the next.
    Its random numbers come from a generator of its own, seeded by the problem's; parts of it draw from the global ones of NumPy
    and Python, which are seeded for the search and then restored. Scores depend on the version of the package, which is not part of
    the method's version.
    `embedding`, a setting of the ensemble, is not used by this method: its networks read letters as logits.
    Version 1.0.12 turns arrays of one number into floats, which NumPy 2.4 and later refuse; the extra brings an older one.
    """

    spec = MethodSpec(
        id="nevergrad-ngopt",
        version=1,
        kind="search",
        title="Nevergrad's NGOpt",
        paper="arXiv 2010.04542",
        code="facebookresearch/nevergrad 1.0.12",
        year=2020,
        requires=("nevergrad",),
        extra="nevergrad",
        composable=True,
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {},
        "fast": {**FAST, "evaluations": 2000},
        "smoke": {**SMOKE, "evaluations": 200},
    }

    evaluations: int = setting(10_000, "candidates that it may ask for", low=1)

    def propose(self, problem: Problem) -> Tensor:
        """Return `budget` designs, the best it found, best first."""
        data, fitted = problem.encoded(), self.train(problem)
        value = partial(mean_of, fitted.ensemble)
        kept = problem.x[problem.best(problem.budget)]
        values = value(data.encode(kept))
        drawn = torch.randint(2**31, (1,), generator=problem.generator, device=problem.device)
        seed = int(on_host(drawn, "the library's seed, once")[0])
        start = np.array(on_host(data.x[problem.best(1)[0]], "the start, for a library that works in NumPy"))
        with globally(seed):
            search = optimizer(start, self.evaluations, seed)
            for first in range(0, self.evaluations, MERGED):
                count = min(MERGED, self.evaluations - first)
                asked = torch.stack([self.asked(problem, search, value) for _ in range(count)])
                designs = data.decode(asked)
                pool, scores = torch.cat([kept, designs]), torch.cat([values, value(data.encode(designs))])
                kept, values = best_distinct(pool, scores, problem.budget)
                problem.progress(first + count, self.evaluations, kept)
        return problem.repeated(kept)

    def asked(self, problem: Problem, search: Any, value: Callable[[Tensor], Tensor]) -> Tensor:
        """One candidate (d,) of the search, which is told its value."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that its choice of algorithm is inefficient, that a step is large
            one = search.ask()
            x = torch.tensor(one.value, dtype=torch.float32, device=problem.device)
            search.tell(one, on_host(-value(x[None])[0], "for a library that works in NumPy", often=True))
        return x

    def surrogate(self, problem: Problem) -> Surrogate:
        """The trained ensemble, for `bbo diagnose`: an equal mixture of its members."""
        return diagnosed(self.train(problem))


def optimizer(start: np.ndarray, evaluations: int, seed: int) -> Any:
    """Nevergrad's NGOpt from a start (d,), with a generator of its own.

    Raises:
        BBOError: the installed NumPy is too new for it.
    """
    import nevergrad

    if not converts():
        raise BBOError(
            f"nevergrad {nevergrad.__version__} does not work with NumPy {np.__version__}, it needs one below 2.4: "
            'pip install "offline-bbo[nevergrad]"'
        )
    space = nevergrad.p.Array(init=start)
    space.random_state = np.random.RandomState(seed)
    return nevergrad.optimizers.NGOpt(space, evaluations)


def converts() -> bool:
    """Whether this NumPy turns an array of one number into a float."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return float(np.ones(1)) == 1  # type: ignore[arg-type]
    except TypeError:
        return False


@contextmanager
def globally(seed: int) -> Iterator[None]:
    """The global generators of NumPy and Python, seeded inside the `with` block and restored after it."""
    before = np.random.get_state(), random.getstate()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before[0])  # noqa: NPY002
        random.setstate(before[1])
