"""GTG: a diffusion of trajectories that climb through the table continues them beyond it."""

from __future__ import annotations

import math
from collections.abc import Sequence as Many
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from bbo.errors import BBOError
from bbo.generative.diffusion_training import loss_facts
from bbo.generative.local_trajectories import climbing
from bbo.generative.score_weights import drawn, rank_weights
from bbo.generative.temporal_unet import COARSEST, GROUPS, TemporalUNet
from bbo.generative.trajectory_diffusion import SCALES, CosineSchedule, continued, denoising_loss
from bbo.method import Method, MethodSpec, setting
from bbo.problem import Problem
from bbo.space import Sequence
from bbo.surrogates import losses
from bbo.surrogates.diagnostics import Surrogate
from bbo.surrogates.networks import MLP, spawn
from bbo.surrogates.training import Fitted, TrainingSettings, fit

#: The authors' settings for sequences.
DISCRETE = {"trajectories": 1000, "neighbours": 50, "width": 32, "updates": 10_000, "rate": 2e-4, "max_updates": 1000}


@dataclass(frozen=True)
class GTG(TrainingSettings, Method):
    """A diffusion learns trajectories that climb through the table, continues them for a high mean score, and a proxy chooses designs.

    "Guided Trajectory Generation with Diffusion Models for Offline Model-based Optimization" (arXiv 2407.01624, NeurIPS 2024);
    dbsxodud-11/GTG @448f206.

    - Trajectories (section 4.1; `bbo.generative.local_trajectories`): from a design above the 20th percentile to one of the k nearest
      that are not yet visited and at most epsilon worse than the best so far; Hamming distance on sequences.
    - Model (section 4.2; `bbo.generative.temporal_unet`): steps are a design and its score, both scaled to [-1, 1]; the score's error
      weighs 10. The condition is the trajectory's mean score, hidden for a quarter of them. A running mean of the weights is used.
    - Designs (section 4.3): the later half of a trajectory is the beginning of a new one, which the diffusion continues, guided by weight
      1.2 towards a mean score of 0.8. Of all new designs, an ensemble of ten networks chooses the best.

    Knowledge of the optimum: the authors scale y by the worst and best score of all data, the hidden part too. By default here only
    visible scores count: 1 is an upper bound, as far above the best visible score (times `headroom`) as that is above the worst; our
    choice, not tuned. `optimum=y_max` is theirs, apart from the worst score.

    What the authors' code does, and what is done here:
    - Visited designs are marked by a distance of 1000 in the one matrix that all trajectories share, so marks leak from each trajectory
      into all later ones, which are pushed away from designs that they never visited. Here every trajectory has its own marks.
    - A trajectory near the top may return to designs it has visited. Here it takes the best of the nearest that are left.
    - The configurations turn the condition off, so the weight of 1.2 and the 0.8 of the paper do nothing. Here they work;
      `conditional=false` is the released behaviour.
    - Sampling noise is scaled by half the posterior's variance, where Decision Diffuser, their source, has half its deviation, which is
      done here; `noise=variance` is the released behaviour.
    - In training, the first design of a trajectory gets no noise, though nothing is built on that. Here it is like the others.
    - Two accumulated batches of 128 are one of 256 here.

    Deviations: trajectories go through at most `pool` rows, evenly spaced by rank and with both ends (theirs at most 50000). On a box,
    distances are those of coordinates scaled to [-1, 1] (theirs are not scaled). Designs are decoded before the proxy sees them. Proxies
    read z-scored x and have this project's initial weights and slope of LeakyReLU.
    """

    spec = MethodSpec(
        id="gtg",
        version=1,
        kind="trajectory",
        title="GTG: guided trajectory generation",
        paper="arXiv 2407.01624",
        code="dbsxodud-11/GTG @448f206",
        year=2024,
        privileged=("y_max",),
        composable=True,
    )
    least_rows = 64  # trajectories visit a design once, so there must be as many as they are long
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {},
        "paper:tfbind8": DISCRETE,
        "paper:tfbind10": DISCRETE,
        "paper:dkitty": {"slack": 0.01},
        # Trajectories of a quarter of the length through 2000 rows, half the width, 200 updates, 50 noise levels; three small proxies.
        "fast": {
            "hidden": 256,
            "members": 3,
            "max_updates": 150,
            "trajectories": 200,
            "pool": 2000,
            "length": 16,
            "context": 8,
            "width": 16,
            "batch": 32,
            "updates": 200,
            "rate": 1e-3,
            "average_from": 80,
            "levels": 50,
            "runs": 32,
        },
        "smoke": {
            "hidden": 16,
            "members": 2,
            "max_updates": 10,
            "trajectories": 20,
            "pool": 100,
            "length": 8,
            "context": 4,
            "width": 8,
            "batch": 8,
            "updates": 5,
            "rate": 1e-3,
            "average_from": 1,
            "levels": 5,
            "runs": 8,
        },
    }

    hidden: int = 1024
    epochs: int = setting(50, "passes over as many rows as the table has, where max_updates is 0", low=1)
    learning_rate: float = 1e-3
    max_updates: int = setting(5000, "batches of the proxies' training; 0 for whole passes", low=0)
    validation: int = 0
    members: int = setting(10, "networks in the ensemble that chooses", low=1)
    rank_share: float = setting(0.01, "share of the rows that is added to the rank in a row's weight in their training", above=0)
    optimum: str = setting("visible", "what a scaled score of 1 stands for; see the docstring", choices=("visible", "y_max"))
    headroom: float = setting(1.0, "the upper bound's distance above the best", unit="ranges of the visible scores", low=0)
    trajectories: int = setting(4000, "trajectories that are trained on", low=1)
    pool: int = setting(50_000, "rows that trajectories go through, at most", low=2)
    length: int = setting(64, "designs in a trajectory; a multiple of 4", low=8)
    neighbours: int = setting(20, "nearest designs of which one is next", low=1)
    slack: float = setting(0.05, "how much worse than the best so far the next design may be", unit="scaled score", low=0)
    start_quantile: float = setting(0.2, "quantile of the scores above which trajectories start", low=0, high=1)
    width: int = setting(128, "channels of the network's finest resolution; a multiple of 8", low=8)
    batch: int = setting(256, "trajectories in a batch", low=1)
    updates: int = setting(50_000, "batches of the diffusion's training", low=1)
    rate: float = setting(1e-4, "step size of Adam in the diffusion's training", above=0)
    average_from: int = setting(2000, "batches after which the running mean of the weights, with 0.995, starts", low=0)
    levels: int = setting(200, "noise levels, each a step of sampling", low=2)
    conditional: bool = setting(True, "condition on the mean score, with guidance; false is the released behaviour")
    hide: float = setting(0.25, "probability that a trajectory's condition is hidden in training", low=0, high=1)
    guidance: float = setting(1.2, "weight of the condition in sampling; 1 for the plain conditional model")
    target: float = setting(0.8, "mean score asked for", unit="scaled score")
    context: int = setting(32, "designs at a new trajectory's beginning, which are visible ones", low=1)
    runs: int = setting(128, "trajectories that are continued", low=1)
    noise: str = setting("deviation", "how sampling noise is scaled; see the docstring", choices=SCALES)

    #: Weight of the score's error in the diffusion's loss.
    SCORE_WEIGHT: ClassVar[float] = 10.0

    def __post_init__(self) -> None:
        if self.length % COARSEST or self.width % GROUPS or self.context >= self.length or self.pool < self.length:
            raise ValueError(
                f"length must be a multiple of {COARSEST}, longer than context and at most pool, and width a multiple of {GROUPS}; "
                f"got length {self.length}, context {self.context}, pool {self.pool}, width {self.width}"
            )

    def propose(self, problem: Problem) -> Tensor:
        """Return `budget` designs of continued trajectories, the best by the proxies."""
        proxies, generator = self.train_proxies(problem), problem.generator
        scale = Scale.of(problem, self.top(problem))
        rows = self.paths(problem, scale)
        network = TemporalUNet(problem.encoded().dim + 1, self.width, generator)
        steps = scale.steps(rows)
        network, trace = self.train(problem, network, steps, scale.y[rows].mean(1))
        problem.note(**proxies.history.facts(), diffusion_loss=loss_facts(trace))
        designs = self.continued(problem, network, steps, scale)
        value = self.value(problem, proxies, designs)
        return designs[value.argsort(descending=True, stable=True)[: problem.budget]]

    def surrogate(self, problem: Problem) -> Surrogate:
        """The ensemble that chooses designs, for `bbo diagnose`, with the deviation of its members."""
        fitted = self.train_proxies(problem)

        def predict(x: Tensor) -> tuple[Tensor, Tensor | None]:
            means = fitted.ensemble.mean(x)
            return means.mean(0), means.std(0) if len(means) > 1 else None

        return Surrogate(predict, fitted.history.facts())

    def train_proxies(self, problem: Problem) -> Fitted:
        """The networks that choose designs, trained on rows drawn by their rank."""
        data = problem.encoded()
        total = self.max_updates or self.epochs * math.ceil(len(data.x) / self.batch_size)
        count = math.ceil(total / min(total, 100))
        return fit(
            partial(MLP, data.dim, self.widths),
            data.x,
            data.y,
            replace(self.plan(), epochs=count, max_updates=0),
            losses.mse,
            spawn(problem.generator, self.members),
            self.regulariser(self.members, problem.device),
            progress=problem.progress,
            order=partial(by_rank, data.y, self.rank_share, self.batch_size, total // count),
        )

    @torch.no_grad()
    def value(self, problem: Problem, proxies: Fitted, designs: Tensor) -> Tensor:
        """The proxies' mean (n,) at designs (n, *shape), z-scored."""
        parts = designs.split(2048)
        return torch.cat([proxies.ensemble.mean(problem.encoded().encode(part)).mean(0) for part in parts])

    def top(self, problem: Problem) -> Tensor:
        """The score () that is scaled to 1."""
        low, high = problem.y.min(), problem.y.max()
        return high.clamp(min=problem.privileged("y_max")) if self.optimum == "y_max" else high + self.headroom * (high - low)

    def paths(self, problem: Problem, scale: Scale) -> Tensor:
        """Row numbers (M, T) of the trajectories that are trained on.

        Raises:
            BBOError: fewer rows than a trajectory is long.
        """
        rows = len(problem.x)
        if rows < self.length:
            raise BBOError(f"gtg needs at least {self.length} visible rows for trajectories of this length; there are {rows}")
        size = min(self.pool, rows)
        pool = problem.best(rows)[torch.arange(size, device=problem.device) * (rows - 1) // max(1, size - 1)]
        x = scale.x[pool]
        if isinstance(problem.space, Sequence):
            # Squared distances of one-hot letters are twice the Hamming distance, exactly.
            x = F.one_hot(problem.x[pool], max(problem.space.letters)).flatten(1).float()
        return pool[
            climbing(
                x,
                scale.y[pool],
                self.trajectories,
                self.length,
                self.neighbours,
                self.slack,
                self.start_quantile,
                problem.generator,
            )
        ]

    def train(self, problem: Problem, network: TemporalUNet, steps: Tensor, mean: Tensor) -> tuple[TemporalUNet, Tensor]:
        """The running mean of the network while it is trained on trajectories (M, T, d + 1) of mean scores (M,); losses (updates,)."""
        schedule, generator = CosineSchedule.of(self.levels, problem.device), problem.generator
        weight = torch.ones(steps.shape[2], device=problem.device)
        weight[-1] = self.SCORE_WEIGHT
        hide = self.hide if self.conditional else 1.0
        optimiser, averaged, trace = torch.optim.Adam(network.parameters(), self.rate, fused=True), deepcopy(network), []
        for update in range(1, self.updates + 1):
            rows = torch.randint(len(steps), (self.batch,), generator=generator, device=problem.device)
            loss = denoising_loss(network, schedule, steps[rows], mean[rows], weight, hide, generator)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            trace.append(loss.detach())
            follow(averaged, network, update, self.average_from)
            problem.progress(update, self.updates)
        return averaged, torch.stack(trace)

    def continued(self, problem: Problem, network: TemporalUNet, steps: Tensor, scale: Scale) -> Tensor:
        """New designs (n, *shape), at least `budget`, of continued trajectories."""
        generator, device = problem.generator, problem.device
        runs = max(self.runs, math.ceil(problem.budget / (self.length - self.context)))
        rows = torch.randint(len(steps), (runs,), generator=generator, device=device)

        def decoded(x: Tensor) -> Tensor:
            return problem.encoded(False).decode(scale.raw(x[:, self.context :, :-1].flatten(0, 1)))

        x = continued(
            network,
            CosineSchedule.of(self.levels, device),
            steps[rows, -self.context :],
            self.length,
            torch.full((runs,), self.target, device=device),
            self.guidance if self.conditional else 0.0,
            generator,
            self.noise,
            lambda step, x: problem.progress(step, self.levels, lambda: decoded(x)[: problem.budget]),
        )
        return decoded(x)


@dataclass(frozen=True)
class Scale:
    """The table, scaled: x (N, d) to [-1, 1] over the visible rows, y (N,) to 0 for the worst visible score and 1 for the top."""

    x: Tensor
    y: Tensor
    low: Tensor
    spread: Tensor

    @classmethod
    def of(cls, problem: Problem, top: Tensor) -> Scale:
        """The scaled table of a problem, with the score () that becomes 1."""
        raw = problem.encoded(False).x
        low, high, worst = raw.amin(0), raw.amax(0), problem.y.min()
        spread = torch.where(high > low, high - low, torch.ones_like(low))
        y = (problem.y - worst) / torch.where(top > worst, top - worst, torch.ones_like(worst))
        return cls(2 * (raw - low) / spread - 1, y, low, spread)

    def steps(self, rows: Tensor) -> Tensor:
        """Trajectories (M, T, d + 1) of rows (M, T): design and score, both in [-1, 1]."""
        return torch.cat([self.x[rows], 2 * self.y[rows][..., None] - 1], 2)

    def raw(self, x: Tensor) -> Tensor:
        """Scaled vectors (n, d) in the design's own units."""
        return (x + 1) / 2 * self.spread + self.low


@torch.no_grad()
def follow(averaged: nn.Module, network: nn.Module, update: int, start: int, decay: float = 0.995, every: int = 10) -> None:
    """Every few updates, move the running mean of the weights towards the present ones; before `start` it is a copy of them."""
    if update % every and update > start:
        return
    for mean, now in zip(averaged.parameters(), network.parameters(), strict=True):
        mean.lerp_(now, 1.0 if update <= start else 1 - decay)


def by_rank(y: Tensor, share: float, size: int, count: int, rows: Tensor, generators: Many[Generator]) -> Many[Tensor]:
    """`count` batches of places (K, size) among the training rows (K, n), drawn by the ranks of their scores, for each member alone."""
    places = [drawn(rank_weights(y[own], share), count * size, g) for own, g in zip(rows, generators, strict=True)]
    return torch.stack(places).split(size, dim=1)
