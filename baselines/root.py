"""ROOT: a Brownian bridge from low-value to high-value designs."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from bbo.device import on_host
from bbo.encoding import Encoded
from bbo.generative import brownian_bridge as bridge
from bbo.generative.bridge_training import BridgeTraining, train
from bbo.generative.synthetic_pairs import FunctionSettings, SyntheticFunctions
from bbo.method import Method, MethodSpec, setting
from bbo.problem import Problem
from bbo.search import polish
from bbo.space import Sequence
from bbo.surrogates.gp_family import VisibleTable

#: A target this many standard deviations above the best visible score gives a warning: few tables have a best score so far from the mean.
FAR = 10.0


@dataclass(frozen=True)
class Root(FunctionSettings, BridgeTraining, Method):
    """Learns a stochastic map from low-value to high-value designs on synthetic functions; applies it to the best visible ones.

    "ROOT: Rethinking Offline Optimization as Distributional Translation via Probabilistic Bridge" (arXiv 2509.16300).

    1. Draw functions from a family of Gaussian processes: posterior means on the visible table under random lengthscales
       and variances (equation 11).
    2. On each, from the same start points, gradient descent gives low ends (equation 12) and ascent high ends (equation 13);
       pairs that gain enough are kept (equation 14).
    3. Train a Brownian bridge from low to high ends (equations 8 and 10), conditioned on both values.
    4. Start it at the best visible designs, with the target `alpha` times the best score of the full data (equation 9).

    Follows the authors' code (cuong-dm/ROOT @d23f14f), including where it differs from the paper: the bridge's variance has a
    factor 2; the two conditions enter as (high, low) in training and as (low, target) in sampling; the guidance weight is
    negative; the step number enters as a raw integer; the target uses the oracle's y_max (privileged knowledge, marked in
    every table); the gradients of two batches are summed; the last epoch's averaged weights are used.

    Deviations from the authors' code:
    - Posterior means and gradients are in closed form, solved in float64 (theirs: autograd, float32); on small sequence spaces by
      conjugate gradients on the Kronecker structure (`bbo.surrogates.grid_gaussian_process`), the same posterior.
    - Seeds are independent. In the authors' code seeds share noise, masks and GP draws; `reference_seeding` does so too.
    - `centre` "likelihood" or "distance" moves the family to the given data: the published TFBind8 family (lengthscale
      6.25 +- 0.25, step 0.05) is scaled by s = lengthscale / 6.25, its width by s and its step by s^2, so that a walk covers
      the same share of a lengthscale. "published" keeps the numbers as they are; they belong to the paper's four tasks.
    - Outside the paper's four tasks `paper` fits at most 10000 rows (`dense_points`, about the size of the published tables) where the
      space is no small grid, evenly spaced by score; on a small grid it fits all rows. `fast` and `smoke` are smaller throughout:
      `fast` takes only grids of up to 2^17 designs for small, and fewer rows and starts where designs have hundreds of coordinates.
    - If no pair survives, this raises an error; the authors' code trains on nothing.
    - Where all functions are fitted on the same rows, walks are made on a few functions of the family and interpolated for the others
      (`bbo.generative.walk_family`), within `walk_tolerance` of a walk's length. This part is the same for every seed and is computed once.
    - Where the budget exceeds the visible rows, starts are repeated.

    Two settings that the paper does not have, off by default: `polish` lets the search of `gp-search` go on from the bridge's designs,
    on the mean of the family's central process; `centre` "validation" takes the family's lengthscale from `validated-search`'s
    validation.
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
    labelled: float = setting(
        1.0,
        "share of the visible rows, drawn at random by seed, that is looked at; 0.01 is the few-shot setting (paper, Table 4)",
        above=0,
        high=1,
    )
    polish: int = setting(
        0,
        "most rounds (sequences) or steps of Adam (boxes) of gp-search's search, from the bridge's designs, on the mean of the Gaussian "
        "process at the family's centre; 0 for none",
        low=0,
    )

    least_rows = 2  # the family's lengthscale is a distance between rows
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {},
        "paper:tfbind8": {"centre": "published", "gp_points": 15000, "dense_points": 0},
        "paper:tfbind10": {"centre": "published", "dense_points": 0},
        "paper:ant": {"centre": "published", "lengthscale": 1.0, "variance": 1.0, "step_size": 0.001, "dense_points": 0},
        "paper:dkitty": {"centre": "published", "lengthscale": 1.0, "variance": 1.0, "step_size": 0.001, "dense_points": 0},
        "fast": {
            "centre": "distance",
            "dense_points": 1024,
            "largest_grid": 2**17,
            "row_products": 2**18,
            "start_numbers": 2**20,
            "walk_tolerance": 0.01,
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

    def __post_init__(self) -> None:
        if self.sampling_steps > self.timesteps:
            raise ValueError(f"sampling_steps must be at most timesteps; got {self.sampling_steps} and {self.timesteps}")

    def propose(self, problem: Problem) -> Tensor:
        """Return `budget` designs.

        Raises:
            NumericalError: no pair gained more than `min_gain`, or a kernel matrix has no Cholesky factor.
        """
        if self.labelled < 1:
            problem = problem.limited_to(self._labelled(problem))
        data, generator = problem.encoded(), problem.generator
        table = VisibleTable.of(data, problem.x, self.largest_grid)
        functions = SyntheticFunctions(self, table, problem.y, problem.shared, generator, self.reference_seeding)
        network = bridge.BridgeNetwork(data.dim, self.hidden, self.time_scale, generator)
        schedule = bridge.Schedule.linear(self.timesteps, self.sampling_steps, self.max_variance, problem.device)
        losses: list[Tensor] = []
        done, total = self.epochs * self.functions, self.epochs * self.functions + self.sampling_steps + self.polish
        pairs = functions.epochs(lambda number: problem.progress(number, total))
        averaged = train(network, schedule, pairs, self, generator, losses.append)
        problem.note(**functions.facts(), epoch_losses=_rounded(torch.stack(losses)))

        rows = problem.starts()
        x_low, y_low = data.x[rows], data.y[rows]
        target = torch.full_like(y_low, self._target(problem, data, functions.high()))
        x_high = bridge.sample(
            averaged,
            schedule,
            x_low,
            *((y_low, target) if self.swap_conditions else (target, y_low)),  # training has (high, low)
            self.guidance,
            self.eta,
            lambda i: torch.randn(x_low.shape, generator=generator, device=problem.device),
            lambda step, x: problem.progress(done + step, total, lambda: data.decode(x)),
        )
        found = data.decode(x_high)
        return self._polished(problem, functions, found) if self.polish else found

    def _polished(self, problem: Problem, functions: SyntheticFunctions, designs: Tensor) -> Tensor:
        """As many designs (n, *shape) as were given, no worse by the mean of the family's central process."""
        data, space, surface = problem.encoded(), problem.space, functions.central()
        done = self.epochs * self.functions + self.sampling_steps

        def report(step: int, designs: Callable[[], Tensor]) -> None:
            problem.progress(done + step, done + self.polish, designs)

        if isinstance(space, Sequence):
            found = polish.polish_sequences(
                designs,
                space.letters,
                lambda x: surface.mean(data.encode(x)),
                self.polish,
                problem.generator,
                lambda step, x: report(step, lambda: x),
            )
        else:
            low, high = data.bounds()
            ends = polish.polish_box(
                data.encode(designs), low, high, surface, self.polish, lambda step, x: report(step, lambda: data.decode(x))
            )
            found = data.decode(ends)
        before, after = (surface.mean(data.encode(x)).median() for x in (designs, found))
        problem.note(
            polished=[round(v, 4) for v in on_host(torch.stack([before, after]), "the gain by polishing, for the record, once")]
        )
        return found

    def _labelled(self, problem: Problem) -> Tensor:
        """Row numbers, in order, of the rows whose scores are known."""
        count = max(round(self.labelled * len(problem.y)), 2)
        return torch.randperm(len(problem.y), generator=problem.generator, device=problem.device)[:count].sort().values

    def _target(self, problem: Problem, data: Encoded, high: Tensor) -> float:
        """The z-scored score that sampling asks for; `high` () is the value of the synthetic pairs' high ends."""
        visible = on_host(data.y.max(), "the best visible score, beside which the target is checked, once")
        if self.target == "y_max":
            best = float(data.standardise(problem.privileged("y_max")))
        elif self.target == "visible":
            best = visible
        else:
            best = on_host(high, "the target, for the record, once")
        target = self.alpha * best
        problem.note(target=target)
        if target - visible > FAR:
            warnings.warn(
                f"the target of sampling is {target - visible:.0f} standard deviations of the visible scores above the best of them, far "
                f"beyond the data, so the designs may collapse to one. target=visible asks for the best visible score; skewed scores are "
                f"better learned on another scale, such as their logarithm",
                stacklevel=2,
            )
        return target


def _rounded(losses: Tensor) -> list[float]:
    return [round(value, 4) for value in on_host(losses, "the losses, for the record, once")]
