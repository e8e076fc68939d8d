"""Design editing: over-optimized designs, brought back by a diffusion of the visible ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from bbo.generative.diffusion import SAMPLERS, edit, guided
from bbo.generative.diffusion_training import DiffusionSettings, loss_facts
from bbo.generative.score_networks import ConcatScore
from bbo.method import Method, MethodSpec, setting
from bbo.problem import Problem
from bbo.surrogates import losses
from bbo.surrogates.diagnostics import Surrogate
from bbo.surrogates.networks import MLP, Ensemble, spawn
from bbo.surrogates.training import Fitted, TrainingSettings, fit


@dataclass(frozen=True)
class DEMO(DiffusionSettings, TrainingSettings, Method):
    """Gradient ascent makes designs that a proxy overrates; a diffusion learnt from the visible designs edits them.

    arXiv 2405.13964, version 4; mila-iqia/Design-Editing-for-Offline-MBO @3f02bec. (1) A network of squared error; (2) Adam ascent
    on it from the best visible designs; (3) DDOM's diffusion; (4) each ascended design is noised to time t = 0.4 and denoised by the
    last 40% of the reverse process, guided towards a score of 1.5 deviations above the mean (SDEdit). Versions 1 and 2 of the paper
    did the reverse: a diffusion of ascended designs edited visible ones.

    What the authors' code does, and what is done here:
    - It edits 256 designs and takes the best; here as many as the budget, the best visible ones.
    - It ascends from every visible design, one by one, and uses the first 256. Here only those that are used ascend, as one batch:
      Adam works element by element, so the result is the same and the work N / 256 of theirs.
    - One proxy and one diffusion serve all its seeds, which redraw the editing noise. Here everything is trained for each seed.
    - Its "Heun" step drops the second drift; `sampler=released` is the released behaviour.
    - A wrong task name trains TFBind10's proxy on all rows, including hidden ones. Ours sees the visible rows only.

    Deviations: the proxy keeps its last epoch at a constant step size (theirs the epoch with the best training correlation, along a
    cosine); steps and step sizes of the ascent are those its comments recommend for boxes and sequences. The diffusion's step size
    falls along a cosine, but is constant in `paper`; theirs rises from 0 over the first 500 of 1000 epochs and then stays at 1e-3.
    """

    spec = MethodSpec(
        id="demo",
        version=1,
        kind="generative",
        title="DEMO: design editing",
        paper="arXiv 2405.13964",
        code="mila-iqia/Design-Editing-for-Offline-MBO @3f02bec",
        year=2024,
        composable=True,
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"prior_cosine": False},
        # Narrower networks, few batches with larger steps, a tenth of the sampling steps.
        "fast": {
            "hidden": 256,
            "learning_rate": 1e-3,
            "max_updates": 400,
            "batch_size": 256,
            "prior_hidden": 256,
            "prior_batch": 128,
            "prior_updates": 800,
            "sampling_steps": 100,
        },
        "smoke": {
            "hidden": 32,
            "learning_rate": 1e-3,
            "max_updates": 20,
            "prior_hidden": 32,
            "prior_updates": 20,
            "sampling_steps": 10,
            "steps_box": 10,
            "steps_sequence": 10,
        },
    }

    hidden: int = 1024
    epochs: int = 2000
    learning_rate: float = 5e-5
    validation: int = 0
    prior_batch: int = 256
    prior_cosine: bool = True
    steps_box: int = setting(200, "Adam steps of the ascent on a box", low=0)
    steps_sequence: int = setting(100, "Adam steps of the ascent for sequences", low=0)
    rate_box: float = setting(1e-3, "step size of the ascent on a box", unit="z-scored units", above=0)
    rate_sequence: float = setting(0.1, "step size of the ascent for sequences", unit="z-scored units", above=0)
    time: float = setting(0.4, "time to which designs are noised; 0 leaves them as they are", low=0, high=1)
    condition: float = setting(1.5, "score that the editing asks for", unit="z-scored units")
    sampler: str = setting("heun", "how the reverse process is stepped; see the docstring", choices=SAMPLERS)

    def propose(self, problem: Problem) -> Tensor:
        """Return `budget` designs: the best visible ones, ascended, then edited."""
        data, generator = problem.encoded(), problem.generator
        fitted = self.train_proxy(problem)
        network = ConcatScore(data.dim, self.prior_hidden, generator)
        prior = self.train_prior(network, data.x, data.y, generator, problem.progress)
        problem.note(**fitted.history.facts(), prior_loss=loss_facts(prior))

        def noise() -> Tensor:
            return torch.randn(problem.budget, data.dim, generator=generator, device=problem.device)

        y = torch.full((problem.budget,), self.condition, device=problem.device)
        return data.decode(
            edit(
                self.schedule,
                guided(network, y, self.guidance),
                self.ascended(problem, fitted.ensemble),
                self.time,
                self.sampling_steps,
                noise,
                self.sampler,
                lambda step, x: problem.progress(step, self.sampling_steps, lambda: data.decode(x)),
            )
        )

    def surrogate(self, problem: Problem) -> Surrogate:
        """The proxy, for `bbo diagnose`; it predicts no standard deviation."""
        fitted = self.train_proxy(problem)
        return Surrogate(lambda x: (fitted.ensemble.mean(x)[0], None), fitted.history.facts())

    def train_proxy(self, problem: Problem) -> Fitted:
        """The network that is ascended."""
        data = problem.encoded()
        return fit(
            partial(MLP, data.dim, self.widths, activation="relu"),
            data.x,
            data.y,
            self.plan(),
            losses.mse,
            spawn(problem.generator, 1),
            self.regulariser(1, problem.device),
            progress=problem.progress,
        )

    def ascended(self, problem: Problem, proxy: Ensemble) -> Tensor:
        """Encoded designs (budget, d): the best visible ones after the ascent."""
        box = problem.space.kind == "continuous"
        x = problem.encoded().x[problem.starts()].clone().requires_grad_()
        optimiser = torch.optim.Adam([x], lr=self.rate_box if box else self.rate_sequence)
        for _ in range(self.steps_box if box else self.steps_sequence):
            x.grad = -torch.autograd.grad(proxy.mean(x).sum(), x)[0]
            optimiser.step()
        return x.detach()
