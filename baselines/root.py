"""ROOT: a Brownian bridge from low-value to high-value designs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from bbo.encoding import Encoded
from bbo.errors import BBOError, NumericalError
from bbo.problem import Problem
from bbo.solvers import brownian_bridge as bridge
from bbo.solvers.bridge_training import BridgeTraining, train
from bbo.solvers.synthetic_pairs import Pairs, low_high_pairs
from bbo.surrogates.gaussian_process import RBF, fit_likelihood, median_distance
from bbo.surrogates.gp_family import VisibleTable

#: Rows on which the likelihood fit is done: its cost is cubic, and three numbers do not need more.
LIKELIHOOD_ROWS = 512


@dataclass(frozen=True)
class Root:
    """Learns a stochastic map from low-value to high-value designs on synthetic functions; applies it to the best visible ones.

    "ROOT: Rethinking Offline Optimization as Distributional Translation via Probabilistic Bridge" (arXiv 2509.16300).

    1. Draw functions from a family of Gaussian processes: posterior means on the visible table under random lengthscales
       and variances.
    2. On each, from the same start points, gradient descent gives low ends and ascent high ends; pairs that gain enough
       are kept.
    3. Train a Brownian bridge from low to high ends, conditioned on both values.
    4. Start it at the best visible designs, with the target `alpha` times the best score of the full data.

    Follows the authors' code (cuong-dm/ROOT @d23f14f), including where it differs from the paper: the bridge's variance has a
    factor 2; the two conditions enter as (high, low) in training and as (low, target) in sampling; the guidance weight is
    negative; the step number enters as a raw integer; the target uses the oracle's y_max (privileged knowledge, marked in
    every table); the gradients of two batches are summed; the last epoch's averaged weights are used.

    Deviations from the authors' code:
    - Posterior means and gradients are in closed form, solved in float64 (theirs: autograd, float32); on small sequence spaces by
      conjugate gradients on the Kronecker structure (`bbo.surrogates.grid_gaussian_process`), the same posterior.
    - Seeds are independent. Theirs share noise, masks and GP draws between seeds; `reference_seeding` does that too.
    - `centre` "likelihood" or "distance" moves the family to the data at hand: the published TFBind8 family (lengthscale
      6.25 +- 0.25, step 0.05) is scaled by s = lengthscale / 6.25, its width by s and its step by s^2, so that a walk covers
      the same share of a lengthscale. "published" keeps the numbers as they are; they belong to the paper's four tasks.
    - Outside the paper's four tasks `paper` fits at most 10000 rows an epoch (`dense_points`, about the size of the published tables) where
      the space is no small grid; on a small grid it fits all rows. `fast` and `smoke` are smaller throughout.
    - A run in which no pair survives is an error that says so; theirs trains on nothing.
    - Where the budget exceeds the visible rows, starts are repeated.

    Args:
        centre: where the GP family is centred: "likelihood" (lengthscale fitted on 512 random rows, noise free), "distance" (median
            distance of visible designs), or "published" (as given).
        lengthscale, variance, spread: centre of the family and half width of both uniform draws.
        noise: noise variance of the GP, z-scored units.
        gp_points: visible rows each epoch's functions are fitted on, drawn anew each epoch; 0 for all.
        dense_points: cap on gp_points where the space is no small grid and a fit costs a Cholesky factor; 0 for none.
        functions: synthetic functions an epoch.
        epochs: epochs, each with new functions.
        passes: times an epoch's pairs are seen.
        steps, step_size: plain gradient steps down and up.
        starts: size of the pool of start points.
        points: start points drawn from the pool for each function.
        start_points: which visible designs form the pool: "highest", "lowest" or "random".
        min_gain: pairs with y_high - y_low at or below this are dropped.
        validation: share of each function's pairs set aside, as in the authors' code, which selects nothing by it.
        hidden: width of the network's three layers.
        timesteps, sampling_steps, max_variance: the bridge's schedule.
        guidance, eta, alpha: guidance weight, noise scale and target factor of sampling.
        learning_rate, batch, accumulate, hide, ema_decay, ema_every, ema_start: see `bbo.solvers.bridge_training.BridgeTraining`.
        reference_seeding: share the training's randomness between seeds, as the authors' code does.
    """

    version = "1"
    kind = "bridge"

    centre: str = "likelihood"
    lengthscale: float = 6.25
    variance: float = 6.25
    spread: float = 0.25
    noise: float = 0.01
    gp_points: int = 0
    dense_points: int = 10000
    functions: int = 8
    epochs: int = 100
    passes: int = 1
    steps: int = 100
    step_size: float = 0.05
    starts: int = 1024
    points: int = 1024
    start_points: str = "highest"
    min_gain: float = 0.001
    validation: float = 0.1
    hidden: int = 1024
    timesteps: int = 1000
    sampling_steps: int = 200
    max_variance: float = 1.0
    guidance: float = -1.5
    eta: float = 0.2
    alpha: float = 0.8
    learning_rate: float = 1e-3
    batch: int = 64
    accumulate: int = 2
    hide: float = 0.15
    ema_decay: float = 0.995
    ema_every: int = 16
    ema_start: int = 4000
    reference_seeding: bool = False

    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {},
        "paper:tfbind8": {"centre": "published", "gp_points": 15000, "dense_points": 0},
        "paper:tfbind10": {"centre": "published", "dense_points": 0},
        "paper:ant": {"centre": "published", "lengthscale": 1.0, "variance": 1.0, "step_size": 0.001, "dense_points": 0},
        "paper:dkitty": {"centre": "published", "lengthscale": 1.0, "variance": 1.0, "step_size": 0.001, "dense_points": 0},
        "fast": {
            "centre": "distance",
            "dense_points": 1024,
            "functions": 4,
            "epochs": 8,
            "passes": 4,
            "hidden": 512,
            "sampling_steps": 100,
            "ema_decay": 0.98,
            "ema_start": 500,
        },
        "smoke": {
            "centre": "distance",
            "gp_points": 128,
            "functions": 2,
            "epochs": 2,
            "steps": 10,
            "step_size": 0.5,
            "starts": 128,
            "points": 64,
            "hidden": 64,
            "sampling_steps": 20,
            "ema_start": 0,
        },
    }

    def propose(self, problem: Problem) -> Tensor:
        """Return `budget` designs.

        Raises:
            NumericalError: no pair gained more than `min_gain`, or a kernel matrix has no Cholesky factor.
        """
        data, generator = problem.encoded(), problem.generator
        network = bridge.BridgeNetwork(data.dim, self.hidden, 1.0, generator)
        schedule = bridge.Schedule.linear(self.timesteps, self.sampling_steps, self.max_variance, problem.device)
        losses: list[Tensor] = []
        epochs = self._epochs(problem, data)
        averaged = train(network, schedule, epochs, self._training(), generator, losses.append)
        problem.note(epoch_losses=[round(value, 4) for value in torch.stack(losses).tolist()])

        rows = problem.best(problem.budget)
        rows = rows[torch.arange(problem.budget, device=problem.device) % len(rows)]
        x_low, y_low = data.x[rows], data.y[rows]
        target = torch.full_like(y_low, self.alpha * float(data.standardise(problem.privileged("y_max"))))
        functions = self.epochs * self.functions
        x_high = bridge.sample(
            averaged,
            schedule,
            x_low,
            y_low,  # in training this place held y_high
            target,
            self.guidance,
            self.eta,
            lambda i: torch.randn(x_low.shape, generator=generator, device=problem.device),
            lambda step, x: problem.progress(functions + step, functions + self.sampling_steps, data.decode(x)),
        )
        return data.decode(x_high)

    def _training(self) -> BridgeTraining:
        return BridgeTraining(
            learning_rate=self.learning_rate,
            batch=self.batch,
            accumulate=self.accumulate,
            hide=self.hide,
            ema_decay=self.ema_decay,
            ema_every=self.ema_every,
            ema_start=self.ema_start,
            passes=self.passes,
            reseed=self.reference_seeding,
        )

    def _epochs(self, problem: Problem, data: Encoded) -> Iterator[Pairs]:
        """The training pairs of each epoch; what survived is noted in the record at the end."""
        generator, device = problem.generator, problem.device
        family, scale = self._family(data, generator)
        pool = data.x[self._pool(problem)]
        table = VisibleTable.of(data, problem.x)
        count = len(data.x)
        size = min(self.gp_points or count, (self.dense_points or count) if table.grid is None else count, count)
        whole = size == count
        fit = table.fitter(torch.arange(count, device=device), family) if whole else None
        kept, made, gains = 0, 0, []
        for epoch in range(self.epochs):
            if not whole:
                rows = torch.randperm(count, generator=generator, device=device)[:size]
                fit = table.fitter(rows, family)
            assert fit
            if self.reference_seeding:
                generator.manual_seed(epoch)
            kernels, chosen = [], []
            for _ in range(self.functions):
                lengthscale, variance = (2 * torch.rand(2, generator=generator, device=device) - 1).tolist()
                kernels.append(
                    RBF(
                        family.lengthscale + self.spread * scale * lengthscale, family.variance + self.spread * variance, self.noise
                    )
                )
                chosen.append(torch.randperm(len(pool), generator=generator, device=device)[: self.points])
            parts = []
            for number, (function, starts) in enumerate(zip(fit(kernels), chosen, strict=True)):
                pairs = low_high_pairs(function, pool[starts], self.steps, self.step_size * scale**2, self.min_gain)
                made += len(starts)
                kept += len(pairs)
                gains.append((pairs.y_high - pairs.y_low).sum())
                parts.append(pairs[int(len(pairs) * self.validation) :])
                problem.progress(epoch * self.functions + number + 1, self.epochs * self.functions + self.sampling_steps)
            joined = Pairs.join(parts)
            if not len(joined):
                raise NumericalError(
                    f"no pair of {made} gained more than {self.min_gain:g} (lengthscale {family.lengthscale:g}, step size "
                    f"{self.step_size * scale**2:g}, {self.steps} steps): the GP family does not fit this data; "
                    f"use centre=likelihood or centre=distance, or a larger step_size"
                )
            yield joined
        mean_gain = torch.stack(gains).sum().item() / max(kept, 1)
        problem.note(
            pairs_made=made, pairs_kept=kept, mean_gain=mean_gain, lengthscale=family.lengthscale, variance=family.variance
        )

    def _family(self, data: Encoded, generator: torch.Generator) -> tuple[RBF, float]:
        """Centre of the GP family, and its scale beside the given one."""
        if self.centre == "published":
            return RBF(self.lengthscale, self.variance, self.noise), 1.0
        if self.centre == "distance":
            centre = RBF(median_distance(data.x, generator), self.variance, self.noise)
        elif self.centre == "likelihood":
            rows = torch.randperm(len(data.x), generator=generator, device=data.x.device)[:LIKELIHOOD_ROWS]
            # Only the lengthscale is taken over, found with the noise free: at the family's own low noise the likelihood of noisy
            # labels asks for a lengthscale so short that nothing generalises.
            centre = RBF(fit_likelihood(data.x[rows], data.y[rows]).lengthscale, self.variance, self.noise)
        else:
            raise BBOError(f"root.centre is likelihood, distance or published; got '{self.centre}'")
        return centre, centre.lengthscale / self.lengthscale

    def _pool(self, problem: Problem) -> Tensor:
        """Row numbers of the designs from which walks may start."""
        if self.start_points == "highest":
            return problem.best(self.starts)
        if self.start_points == "lowest":
            return torch.argsort(problem.y, stable=True)[: self.starts]
        if self.start_points == "random":
            return torch.arange(len(problem.y), device=problem.device)
        raise BBOError(f"root.start_points is highest, lowest or random; got '{self.start_points}'")
