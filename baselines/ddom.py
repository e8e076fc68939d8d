"""Denoising diffusion for offline optimization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from bbo.generative.diffusion import SAMPLERS, guided, sample
from bbo.generative.diffusion_training import DiffusionSettings, loss_facts
from bbo.generative.score_networks import ConcatScore
from bbo.method import Method, MethodSpec, setting
from bbo.problem import Problem


@dataclass(frozen=True)
class DDOM(DiffusionSettings, Method):
    """A diffusion of designs conditioned on their score, asked for the best visible score with classifier-free guidance.

    arXiv 2306.07180; siddarthk97/ddom @fb3d055, `design_baselines/diff`. A network learns the score of p_t(x | y) from rows weighted
    towards high y (paper, section 3; 20 bins, temperature the distance from the 90th percentile to the best, at most 5), with y
    hidden as 0 for 15% of them. Sampling starts from N(0, I) and walks the reverse process with
    (1 + gamma) a(x, t, y) - gamma a(x, t, 0), where y is the best visible score: no privileged knowledge. gamma 0 is the plain
    conditional score, gamma -1 the unconditional one. All designs are one batch, and both halves of the guidance another.

    What the authors' code got wrong, and what is done here:
    - `np.random.shuffle` returns None, so rows are never shuffled and the held-out tenth is the last in file order. Here rows are
      shuffled; `shuffle=false` with `held_out=0.1` is the released behaviour.
    - Their "Heun" sampler computes the second drift, drops it and adds some noise. Here it is used; `sampler=released` is
      the released behaviour.
    - They draw 512 designs; we draw as many as the budget.
    - On sequences of TFBind10 their evaluation standardises with other rows than the training. Here there is one table.
    - Their step size rises from 0 over the first 500 of 1000 epochs; what follows is a cosine over ten million, so it stays at its
      largest. Here it is constant.
    x is z-scored, and batches have 256 rows in `paper`, as in `score_diffusion.cfg`, whose loss this is;
    `simple_conditional_diffusion.cfg` leaves x as it is and has batches of 128. The class of that loss, `DiffusionScore`, takes the
    number of letters for the size of a design, so as released it runs on no sequence task. N(0, I) is not the density at time 1, where
    60% of a design is left; we follow the authors. The last epoch's weights are used, as by their script.
    """

    spec = MethodSpec(
        id="ddom",
        version=1,
        kind="generative",
        title="DDOM: guided diffusion",
        paper="arXiv 2306.07180",
        code="siddarthk97/ddom @fb3d055",
        year=2023,
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"prior_batch": 256},
        # A quarter of the width, at most 1000 batches and a tenth of the sampling steps.
        "fast": {"prior_hidden": 256, "prior_updates": 1000, "sampling_steps": 100},
        "smoke": {"prior_hidden": 32, "prior_updates": 30, "sampling_steps": 10},
    }

    sampler: str = setting("heun", "how the reverse process is stepped; see the docstring", choices=SAMPLERS)

    def propose(self, problem: Problem) -> Tensor:
        """Return `budget` designs, drawn from the diffusion."""
        data, generator = problem.encoded(), problem.generator
        network = ConcatScore(data.dim, self.prior_hidden, generator)
        losses = self.train_prior(network, data.x, data.y, generator, problem.progress)
        problem.note(prior_loss=loss_facts(losses))
        y = data.y.max().expand(problem.budget)

        def noise() -> Tensor:
            return torch.randn(problem.budget, data.dim, generator=generator, device=problem.device)

        return data.decode(
            sample(
                self.schedule,
                guided(network, y, self.guidance),
                noise(),
                self.sampling_steps,
                noise,
                self.sampler,
                progress=lambda step, x: problem.progress(step, self.sampling_steps, lambda: data.decode(x)),
            )
        )
