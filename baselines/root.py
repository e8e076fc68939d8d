"""ROOT: a Brownian bridge from low-value to high-value designs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from bbo.encoding import Encoded
from bbo.errors import NumericalError
from bbo.generative import brownian_bridge as bridge
from bbo.generative.bridge_training import BridgeTraining, train
from bbo.generative.synthetic_pairs import Pairs, walk
from bbo.generative.walk_family import Place, WalkFamily, affordable, interpolate
from bbo.method import Method, MethodSpec, setting
from bbo.problem import Problem
from bbo.surrogates.gaussian_process import RBF, fit_likelihood, median_distance
from bbo.surrogates.gp_family import KernelBox, VisibleTable

#: Rows that the centre of the family is found on: the likelihood's cost is cubic, the distances' quadratic, and few numbers are sought.
LIKELIHOOD_ROWS, DISTANCE_ROWS = 512, 1000


@dataclass(frozen=True)
class Root(Method):
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
    - Outside the paper's four tasks `paper` fits at most 10000 rows (`dense_points`, about the size of the published tables) where the
      space is no small grid, evenly spaced by score; on a small grid it fits all rows. `fast` and `smoke` are smaller throughout.
    - A run in which no pair survives is an error that says so; theirs trains on nothing.
    - Where all functions are fitted on the same rows, walks are made on a few functions of the family and interpolated for the others
      (`bbo.generative.walk_family`), within `walk_tolerance` of a walk's length. That part is the same for every seed and shared by them.
    - Where the budget exceeds the visible rows, starts are repeated.
    """

    spec = MethodSpec(
        id="root",
        version=2,
        kind="generative",
        title="ROOT",
        paper="arXiv 2509.16300",
        code="cuong-dm/ROOT @d23f14f",
        year=2025,
        privileged=("y_max",),
    )

    centre: str = setting(
        "likelihood",
        "where the GP family is centred: by the likelihood (lengthscale fitted on 512 rows, noise free), the median distance of 1000 rows, "
        "evenly spaced by score as those 512 are, or as published (the three numbers below)",
        choices=("likelihood", "distance", "published"),
    )
    lengthscale: float = setting(6.25, "centre of the family's lengthscales", unit="z-scored units", above=0)
    variance: float = setting(6.25, "centre of the family's variances", above=0)
    spread: float = setting(0.25, "half width of both uniform draws", low=0)
    noise: float = setting(0.01, "noise variance of the GP", unit="z-scored units", above=0)
    gp_points: int = setting(
        0, "visible rows each epoch's functions are fitted on, drawn anew each epoch; 0 for the same rows always", low=0
    )
    dense_points: int = setting(
        10000,
        "how many rows, evenly spaced by score, `gp_points` 0 means where the space is no small grid and a fit costs a Cholesky factor; "
        "0 for all",
        low=0,
    )
    walk_tolerance: float = setting(
        1e-3,
        "error, as a share of a walk's length, within which walks are interpolated between a few functions of the family; "
        "0 to walk on each function",
        low=0,
    )
    functions: int = setting(8, "synthetic functions an epoch", low=1)
    epochs: int = setting(100, "epochs, each with new functions", low=1)
    passes: int = setting(1, "times an epoch's pairs are seen", low=1)
    steps: int = setting(100, "plain gradient steps down and up", low=1)
    step_size: float = setting(0.05, "length factor of these steps", above=0)
    starts: int = setting(1024, "size of the pool of start points", low=1)
    points: int = setting(1024, "start points drawn from the pool for each function", low=1)
    start_points: str = setting("highest", "which visible designs form the pool", choices=("highest", "lowest", "random"))
    min_gain: float = setting(0.001, "pairs with y_high - y_low at or below this are dropped")
    validation: float = setting(
        0.1, "share of each function's pairs set aside, as in the authors' code, which selects nothing by it", low=0, high=0.9
    )
    hidden: int = setting(1024, "width of the network's three layers", low=1)
    timesteps: int = setting(1000, "noise levels of the bridge", low=3)
    sampling_steps: int = setting(200, "steps of the reverse process", low=3)
    max_variance: float = setting(1.0, "scale of the bridge's variance", above=0)
    guidance: float = setting(-1.5, "guidance weight of sampling")
    eta: float = setting(0.2, "noise scale of sampling", low=0)
    target: str = setting(
        "y_max",
        "the score that sampling asks for: `alpha` times the best score of the full data (y_max, privileged knowledge), `alpha` times the "
        "best visible score, or the median value of the synthetic pairs' high ends",
        choices=("y_max", "visible", "synthetic"),
    )
    alpha: float = setting(0.8, "factor of the z-scored target")
    swap_conditions: bool = setting(True, "hand the network (low, target) in sampling where training had (high, low)")
    time_scale: float = setting(1.0, "factor of the step number as the network sees it")
    learning_rate: float = setting(1e-3, "step size of Adam; see `bbo.generative.bridge_training`, as for the next six", above=0)
    batch: int = setting(64, "pairs per batch", low=1)
    accumulate: int = setting(2, "batches whose gradients are summed for one update", low=1)
    hide: float = setting(0.15, "probability that a pair's scores enter as 0", low=0, high=1)
    ema_decay: float = setting(0.995, "decay of the average of weights that sampling uses", low=0, high=1)
    ema_every: int = setting(16, "batches between two updates of that average", low=1)
    ema_start: int = setting(4000, "batches before which it is a plain copy", low=0)
    reference_seeding: bool = setting(False, "share the training's randomness between seeds, as the authors' code does")
    labelled: float = setting(
        1.0,
        "share of the visible rows, drawn at random by seed, that is looked at; 0.01 is the few-shot setting (paper, Table 4)",
        above=0,
        high=1,
    )

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
            "passes": 30,
            "steps": 10,
            "step_size": 2.0,
            "starts": 128,
            "points": 64,
            "hidden": 64,
            "sampling_steps": 20,
            "learning_rate": 0.01,
            "accumulate": 1,
            "ema_decay": 0.9,
            "ema_every": 4,
            "ema_start": 0,
            "eta": 1.0,  # much noise, so that letters change even on a made-up table
        },
    }

    def propose(self, problem: Problem) -> Tensor:
        """Return `budget` designs.

        Raises:
            NumericalError: no pair gained more than `min_gain`, or a kernel matrix has no Cholesky factor.
        """
        if self.labelled < 1:
            problem = problem.limited_to(self._labelled(problem))
        data, generator = problem.encoded(), problem.generator
        network = bridge.BridgeNetwork(data.dim, self.hidden, self.time_scale, generator)
        schedule = bridge.Schedule.linear(self.timesteps, self.sampling_steps, self.max_variance, problem.device)
        losses: list[Tensor] = []
        highs: list[Tensor] = []

        def epochs() -> Iterator[Pairs]:
            for pairs in self._epochs(problem, data):
                highs.append(pairs.y_high.median())
                yield pairs

        averaged = train(network, schedule, epochs(), self._training(), generator, losses.append)
        problem.note(epoch_losses=[round(value, 4) for value in torch.stack(losses).tolist()])

        rows = problem.starts()
        x_low, y_low = data.x[rows], data.y[rows]
        target = torch.full_like(y_low, self._target(problem, data, torch.stack(highs)))
        functions = self.epochs * self.functions
        x_high = bridge.sample(
            averaged,
            schedule,
            x_low,
            *((y_low, target) if self.swap_conditions else (target, y_low)),  # training has (high, low)
            self.guidance,
            self.eta,
            lambda i: torch.randn(x_low.shape, generator=generator, device=problem.device),
            lambda step, x: problem.progress(functions + step, functions + self.sampling_steps, lambda: data.decode(x)),
        )
        return data.decode(x_high)

    def _labelled(self, problem: Problem) -> Tensor:
        """Row numbers, in order, of the rows whose scores are known."""
        count = max(round(self.labelled * len(problem.y)), 2)
        return torch.randperm(len(problem.y), generator=problem.generator, device=problem.device)[:count].sort().values

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

    def _target(self, problem: Problem, data: Encoded, highs: Tensor) -> float:
        """The z-scored score that sampling asks for; `highs` are the median values of each epoch's high ends."""
        if self.target == "y_max":
            best = float(data.standardise(problem.privileged("y_max")))
        elif self.target == "visible":
            best = data.y.max().item()
        else:
            best = highs.median().item()
        problem.note(target=self.alpha * best)
        return self.alpha * best

    def _epochs(self, problem: Problem, data: Encoded) -> Iterator[Pairs]:
        """The training pairs of each epoch; what survived is noted in the record at the end."""
        box = self._box(problem, data)
        pool = data.x[self._pool(problem)]
        kept, made, gains = 0, 0, []
        walks = self._walks(problem, data, box, pool)
        for epoch in range(self.epochs):
            parts = []
            for number in range(self.functions):
                ends = next(walks)
                pairs = Pairs.gaining(ends, self.min_gain)
                made += ends.shape[1]
                kept += len(pairs)
                gains.append((pairs.y_high - pairs.y_low).sum())
                parts.append(pairs[int(len(pairs) * self.validation) :])
                problem.progress(epoch * self.functions + number + 1, self.epochs * self.functions + self.sampling_steps)
            joined = Pairs.join(parts)
            if not len(joined):
                raise NumericalError(
                    f"no pair of {made} gained more than {self.min_gain:g} (lengthscale {box.centre.lengthscale:g}, step size "
                    f"{self._step_size(box):g}, {self.steps} steps): the GP family does not fit this data; "
                    f"use centre=likelihood or centre=distance, or a larger step_size"
                )
            yield joined
        problem.note(
            pairs_made=made,
            pairs_kept=kept,
            mean_gain=torch.stack(gains).sum().item() / max(kept, 1),
            lengthscale=box.centre.lengthscale,
            variance=box.centre.variance,
        )

    def _walks(self, problem: Problem, data: Encoded, box: KernelBox, pool: Tensor) -> Iterator[Tensor]:
        """Ends (2, points, d + 1) of walks on one random function after another."""
        generator, device = problem.generator, problem.device
        table = VisibleTable.of(data, problem.x)
        rows = None if self.gp_points else self._rows(problem, table.grid is None)
        family = None if rows is None else self._walk_family(problem, table, rows, box, pool)
        fit = None if rows is None or family else table.fitter(rows, box.centre)
        for epoch in range(self.epochs):
            if rows is None:
                drawn = torch.randperm(len(data.x), generator=generator, device=device)[: self.gp_points]
                fit = table.fitter(drawn, box.centre)
            if self.reference_seeding:
                generator.manual_seed(epoch)
            places: list[Place] = []
            chosen = []
            for _ in range(self.functions):
                lengthscale, variance = (2 * torch.rand(2, generator=generator, device=device) - 1).tolist()
                places.append((lengthscale, variance))
                chosen.append(torch.randperm(len(pool), generator=generator, device=device)[: self.points])
            if family:
                yield from (family.at(place)[:, starts] for place, starts in zip(places, chosen, strict=True))
            elif fit:
                functions = fit([box.kernel(place) for place in places])
                yield from (
                    walk(f, pool[starts], self.steps, self._step_size(box)) for f, starts in zip(functions, chosen, strict=True)
                )

    def _walk_family(self, problem: Problem, table: VisibleTable, rows: Tensor, box: KernelBox, pool: Tensor) -> WalkFamily | None:
        """Walks from the whole pool, to be interpolated; None where that takes more of them or is not within the tolerance."""
        orders = affordable(self.epochs * self.functions * self.points // len(pool))
        if not self.walk_tolerance or not orders:
            return None

        def make() -> Tensor:
            fit = table.fitter(rows, box.centre)

            def walks(places: list[Place]) -> Tensor:
                # Side by side as many as in an epoch: the fits' memory grows with them.
                parts = [places[i : i + self.functions] for i in range(0, len(places), self.functions)]
                functions = (f for part in parts for f in fit([box.kernel(place) for place in part]))
                return torch.stack([walk(f, pool, self.steps, self._step_size(box)) for f in functions])

            family = interpolate(walks, orders, self.walk_tolerance)
            return family.nodes if family else torch.empty(0, device=problem.device)

        settings = asdict(box) | {"rows": len(rows), "orders": orders, "step_size": self._step_size(box)}
        settings |= {name: getattr(self, name) for name in ("start_points", "starts", "steps", "functions", "walk_tolerance")}
        nodes = problem.shared("root-walks-1", settings, make)
        return WalkFamily(nodes) if len(nodes) else None

    def _rows(self, problem: Problem, dense: bool) -> Tensor:
        """Row numbers that every function is fitted on."""
        size = self.dense_points if dense and self.dense_points else len(problem.y)
        return evenly_by_score(problem.y, size)

    def _step_size(self, box: KernelBox) -> float:
        return self.step_size * self._scale(box.centre) ** 2

    def _scale(self, centre: RBF) -> float:
        """Size of the family beside the given one."""
        return 1.0 if self.centre == "published" else centre.lengthscale / self.lengthscale

    def _box(self, problem: Problem, data: Encoded) -> KernelBox:
        """The GP family."""
        centre = RBF(self.lengthscale, self.variance, self.noise)
        if self.centre == "distance":
            rows = evenly_by_score(problem.y, DISTANCE_ROWS)
            centre = replace(centre, lengthscale=median_distance(data.x[rows]))
        elif self.centre == "likelihood":
            rows = evenly_by_score(problem.y, LIKELIHOOD_ROWS)
            # Only the lengthscale is taken over, found with the noise free: at the family's own low noise the likelihood of noisy
            # labels asks for a lengthscale so short that nothing generalises.
            found = problem.shared(
                "root-likelihood-1",
                {"rows": LIKELIHOOD_ROWS},
                lambda: torch.tensor(
                    fit_likelihood(data.x[rows], data.y[rows]).lengthscale, dtype=torch.float64, device=data.x.device
                ),
            )
            centre = replace(centre, lengthscale=found.item())
        return KernelBox(centre, self.spread * self._scale(centre), self.spread)

    def _pool(self, problem: Problem) -> Tensor:
        """Row numbers of the designs from which walks may start."""
        if self.start_points == "highest":
            return problem.best(self.starts)
        if self.start_points == "lowest":
            return torch.argsort(problem.y, stable=True)[: self.starts]
        return torch.arange(len(problem.y), device=problem.device)


def evenly_by_score(y: Tensor, size: int) -> Tensor:
    """Row numbers (min(size, N),), in order, of rows evenly spaced among y (N,) in the order of scores."""
    order = torch.argsort(y, stable=True)
    size = min(size, len(y))
    return order[torch.arange(size, device=y.device) * len(y) // size].sort().values
