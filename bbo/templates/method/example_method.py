"""example-method: what it does, in one line.

Say here what the method computes, step by step. Name its paper, the authors' code with the commit you followed, and everything that
you do differently. `bbo show ./example_method.py:ExampleMethod` prints this text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from bbo.method import Method, MethodSpec, setting
from bbo.problem import Problem


@dataclass(frozen=True)
class ExampleMethod(Method):
    """Recombines the best visible designs: every coordinate is taken from one of them."""

    # Only literals: the spec is read from this text, so that listing methods imports nothing.
    spec = MethodSpec(
        id="example-method",
        version=1,  # raise it whenever a change of the code can change a score
        kind="search",  # floor, surrogate, search, generative or trajectory
        title="Recombination of the best designs",
        paper="",  # such as "arXiv 2509.16300"
        year=0,
        spaces=("continuous", "sequence"),  # the kinds of spaces it works on
    )
    # What differs from the defaults below. `paper` are the published settings (`paper:TASK` where they depend on the task), `fast` takes
    # under a minute a cell on two cores, `smoke` under a second, for tests.
    presets: ClassVar = {"paper": {}, "fast": {}, "smoke": {"parents": 64}}

    # Each setting with its default, a description, and the values it takes: `--set ExampleMethod.parents=50` is checked against these.
    parents: int = setting(256, "best visible designs that are recombined", low=1)

    def propose(self, problem: Problem) -> Tensor:
        """Return `problem.budget` designs. All randomness comes from `problem.generator`, so that the same seed gives the same designs."""
        parents = problem.x[problem.best(self.parents)]
        shape = (problem.budget, *problem.space.shape)
        chosen = torch.randint(len(parents), shape, generator=problem.generator, device=problem.device)
        problem.note(parents=len(parents))  # facts for the cell's record
        # To train a network instead: problem.encoded() gives the table as z-scored vectors, with decode() for the way back, and
        # bbo.surrogates.training.fit trains. The file baselines/gradient_ascent.py of offline-bbo shows both.
        return parents.gather(0, chosen)
