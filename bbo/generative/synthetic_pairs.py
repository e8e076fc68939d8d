"""Low-value and high-value designs on synthetic functions drawn from a family of Gaussian processes.

ROOT, arXiv 2509.16300, section 3.3, equations 11 to 14; authors' code cuong-dm/ROOT @d23f14f, `runners/utils.py`,
`sampling_data_from_GP`. From the same start points, plain gradient descent on a function's posterior mean gives the low ends and
ascent the high ends.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import torch
from torch import Generator, Tensor

from bbo.device import on_host
from bbo.errors import NumericalError
from bbo.generative import span_walk
from bbo.generative.walk_family import Place, WalkFamily, affordable, interpolate
from bbo.settings import setting
from bbo.surrogates.extrapolation import choose, kernel_gains, splits
from bbo.surrogates.gaussian_process import RBF, Posterior, fit_likelihood, median_distance
from bbo.surrogates.gp_family import Fit, KernelBox, VisibleTable
from bbo.surrogates.grid_gaussian_process import LARGEST_GRID, GridPosterior
from bbo.surrogates.transforms import TRANSFORMS
from bbo.surrogates.two_scale_gaussian_process import TwoScales

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 2  # 2: walks on long designs in the span of the fitted rows; limits of rows and of starts by the designs' length

#: Rows used to find the family's centre: the likelihood's cost is cubic, the distances' quadratic, and only few numbers are fitted.
LIKELIHOOD_ROWS, DISTANCE_ROWS = 512, 1000

#: Validation: most rows that are fitted and ranked; shares of the table, by score, that are fitted, those of `validated-search`; and the
#: lengthscales that are tried, as factors of the median distance, which is kept unless another is better by more than the noise.
VALIDATION_ROWS, VALIDATION_QUANTILES = 1000, (0.7, 0.85, 0.7, 0.85)
FACTORS = tuple(2 ** (k / 2) for k in range(-4, 5))

#: Makes a tensor that depends on the visible table and settings only, or finds what another seed made (`Problem.shared`).
Share = Callable[[str, Mapping[str, Any], Callable[[], Tensor]], Tensor]


class Function(Protocol):
    """A synthetic function on R^d with its gradient."""

    def mean(self, q: Tensor) -> Tensor:
        """Values (n,) at q (n, d)."""
        ...

    def mean_and_gradient(self, q: Tensor) -> tuple[Tensor, Tensor]:
        """Values (n,) and gradients (n, d) at q (n, d)."""
        ...


@dataclass(frozen=True)
class Pairs:
    """n pairs: x_low, x_high (n, d), and the function's values y_low, y_high (n,) at them; all z-scored."""

    x_low: Tensor
    y_low: Tensor
    x_high: Tensor
    y_high: Tensor

    def __len__(self) -> int:
        return len(self.y_low)

    def __getitem__(self, rows: slice | Tensor) -> Pairs:
        return Pairs(self.x_low[rows], self.y_low[rows], self.x_high[rows], self.y_high[rows])

    @classmethod
    def gaining(cls, ends: Tensor, min_gain: float) -> Pairs:
        """The pairs among walks' ends (2, n, d + 1) that gain more than min_gain, in order."""
        low, high = ends[:, ends[1, :, -1] - ends[0, :, -1] > min_gain]
        return cls(low[:, :-1], low[:, -1], high[:, :-1], high[:, -1])

    @classmethod
    def join(cls, parts: list[Pairs]) -> Pairs:
        """All pairs of the parts, in order."""
        return cls(*(torch.cat([getattr(p, name) for p in parts]) for name in ("x_low", "y_low", "x_high", "y_high")))


def walk(function: Function, starts: Tensor, steps: int, step_size: float) -> Tensor:
    """Walk down (equation 12) and up (equation 13) from every start (n, d), both directions in one batch.

    Returns:
        The ends (2, n, d + 1), low first: coordinates and, last, the function's value.
    """
    count = len(starts)
    x = torch.cat([starts, starts])
    signed = torch.full((2 * count, 1), step_size, device=x.device, dtype=x.dtype)
    signed[:count] *= -1
    if isinstance(function, Posterior) and span_walk.pays(function):
        x = span_walk.walk_in_span(function, x, steps, signed)
    else:
        for _ in range(steps):
            _, gradient = function.mean_and_gradient(x)
            x.addcmul_(signed, gradient)
    return torch.cat([x, function.mean(x)[:, None]], dim=1).view(2, count, -1)


@dataclass(frozen=True)
class FunctionSettings:
    """Settings of the synthetic functions and of the walks on them, for methods to inherit."""

    centre: str = setting(
        "likelihood",
        "where the GP family is centred: by the likelihood (lengthscale and noise fitted on 512 rows), the median distance of 1000 rows, "
        "evenly spaced by score as those 512 are, by how well a process fitted to low scores ranks higher ones (nine lengthscales about that "
        "distance, 1000 rows, random splits), or as published (the three numbers below)",
        choices=("likelihood", "distance", "validation", "published"),
    )
    lengthscale: float = setting(6.25, "centre of the family's lengthscales", unit="z-scored units", above=0)
    variance: float = setting(6.25, "centre of the family's variances", above=0)
    spread: float = setting(0.25, "half width of both uniform draws", low=0)
    noise: float = setting(0.01, "noise variance of the GP", unit="z-scored units", above=0)
    gp_points: int = setting(
        0, "visible rows each epoch's functions are fitted on, drawn again for each epoch; 0 for the same rows in all epochs", low=0
    )
    dense_points: int = setting(
        10000,
        "how many rows, evenly spaced by score, `gp_points` 0 means where the space is no small grid and a fit costs a Cholesky factor; "
        "0 for all",
        low=0,
    )
    largest_grid: int = setting(
        LARGEST_GRID,
        "a sequence space of at most this many designs counts as a small grid, which is fitted through its Kronecker structure",
        low=0,
        high=LARGEST_GRID,
    )
    row_products: int = setting(
        0,
        "where the space is no small grid and designs have many coordinates, fewer rows are fitted, so that rows times coordinates, or rows "
        "squared where that is less, are at most this; 0 for no limit",
        low=0,
    )
    start_numbers: int = setting(
        0,
        "where designs have many coordinates, fewer `starts` and `points`, so that either times coordinates is at most this; 0 for no limit",
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
    steps: int = setting(100, "plain gradient steps down and up", low=1)
    step_size: float = setting(0.05, "length factor of these steps", above=0)
    starts: int = setting(1024, "size of the pool of start points, where these are the highest or lowest designs", low=1)
    points: int = setting(1024, "start points drawn from the pool for each function", low=1)
    start_points: str = setting(
        "highest",
        "which visible designs form the pool: the highest or lowest `starts`, or, for random points, all of them",
        choices=("highest", "lowest", "random"),
    )
    min_gain: float = setting(0.001, "pairs with y_high - y_low at or below this are dropped")
    validation: float = setting(
        0.1, "share of each function's pairs set aside, as in the authors' code, which selects nothing by it", low=0, high=0.9
    )

    def box(self, table: VisibleTable, scores: Tensor, share: Share, generator: Generator) -> KernelBox:
        """The GP family for a visible table with raw scores (N,); `generator` draws the splits of the validation, if that is asked for."""
        centre = RBF(self.lengthscale, self.variance, self.noise)
        if self.centre == "distance":
            centre = replace(centre, lengthscale=median_distance(table.x[evenly_by_score(scores, DISTANCE_ROWS)]))
        elif self.centre == "likelihood":
            centre = replace(centre, lengthscale=_by_likelihood(table, scores, share))
        elif self.centre == "validation":
            centre = replace(centre, lengthscale=_by_validation(table, scores, centre, generator))
        return KernelBox(centre, self.spread * self.scale(centre), self.spread)

    def scale(self, centre: RBF) -> float:
        """Size of the family beside the published one; a walk's step grows with its square, so that it covers the same share."""
        return 1.0 if self.centre == "published" else centre.lengthscale / self.lengthscale

    def pool(self, scores: Tensor, dim: int) -> Tensor:
        """Row numbers of the designs of `dim` coordinates from which walks may start, by scores (N,)."""
        if self.start_points == "random":
            return torch.arange(len(scores), device=scores.device)
        return torch.argsort(scores, descending=self.start_points == "highest", stable=True)[: self.limited(self.starts, dim)]

    def limited(self, starts: int, dim: int) -> int:
        """At most `starts`, and fewer if with `dim` coordinates each they are more than `start_numbers` numbers."""
        return min(starts, max(self.start_numbers // dim, 1)) if self.start_numbers else starts

    def rows(self, table: VisibleTable, scores: Tensor) -> Tensor:
        """Row numbers that every function is fitted on."""
        count = len(scores)
        if table.grid is None:  # a fit costs a Cholesky factor, and a step of a walk its size
            count = min(count, self.dense_points or count)
            if self.row_products:
                count = min(count, max(self.row_products // table.x.shape[1], math.isqrt(self.row_products), 1))
        return evenly_by_score(scores, count)


class SyntheticFunctions:
    """One run's synthetic functions, drawn epoch by epoch, and the pairs of walks on them.

    Args:
        settings: how many, from which family, and how walks go.
        table: the visible table, z-scored.
        scores: its raw scores (N,), whose order chooses rows and starts.
        share: see `Share`.
        generator: source of all draws.
        reseed: seed the generator with each epoch's number, as the authors' code does.
    """

    def __init__(
        self,
        settings: FunctionSettings,
        table: VisibleTable,
        scores: Tensor,
        share: Share,
        generator: Generator,
        reseed: bool = False,
    ) -> None:
        self.settings, self.table, self.scores, self.share, self.generator, self.reseed = (
            settings, table, scores, share, generator, reseed,
        )  # fmt: skip
        self.box = settings.box(table, scores, share, generator)
        self.step_size = settings.step_size * settings.scale(self.box.centre) ** 2
        self.pool = table.x[settings.pool(scores, table.x.shape[1])]
        self.made, self.kept, self.gains, self.highs = 0, 0, list[Tensor](), list[Tensor]()

    def epochs(self, on_function: Callable[[int], None] = lambda number: None) -> Iterator[Pairs]:
        """The training pairs of each epoch; `on_function` is told how many functions are done.

        Raises:
            NumericalError: no pair of an epoch gained more than `min_gain`, or a kernel matrix has no Cholesky factor.
        """
        walks = self._walks()
        for epoch in range(self.settings.epochs):
            parts = []
            for number in range(self.settings.functions):
                ends = next(walks)
                pairs = Pairs.gaining(ends, self.settings.min_gain)
                self.made += ends.shape[1]
                self.kept += len(pairs)
                self.gains.append((pairs.y_high - pairs.y_low).sum())
                parts.append(pairs[int(len(pairs) * self.settings.validation) :])
                on_function(epoch * self.settings.functions + number + 1)
            joined = Pairs.join(parts)
            if not len(joined):
                others = [f"centre={name}" for name in ("likelihood", "distance", "validation") if name != self.settings.centre]
                raise NumericalError(
                    f"no pair of {self.made} gained more than {self.settings.min_gain:g} (lengthscale {self.box.centre.lengthscale:g}, "
                    f"step size {self.step_size:g}, {self.settings.steps} steps): the GP family does not fit this data; "
                    f"use {' or '.join(others)}, or a larger step_size; where all visible scores are equal, nothing helps"
                )
            self.highs.append(joined.y_high.median())
            yield joined

    def facts(self) -> dict[str, Any]:
        """What survived, and the family's centre, for the record; after the last epoch."""
        gain = on_host(torch.stack(self.gains).sum(), "the mean gain, for the record, once")
        return {
            "pairs_made": self.made,
            "pairs_kept": self.kept,
            "mean_gain": gain / max(self.kept, 1),
            "lengthscale": self.box.centre.lengthscale,
            "variance": self.box.centre.variance,
        }

    def central(self) -> Posterior | GridPosterior:
        """The process at the family's centre, on the rows that all functions are fitted on where `gp_points` is 0."""
        (found,) = self.table.fitter(self.settings.rows(self.table, self.scores), self.box.centre)([self.box.centre])
        return found

    def high(self) -> Tensor:
        """Median () over the epochs of the median value of their high ends."""
        return torch.stack(self.highs).median()

    def _walks(self) -> Iterator[Tensor]:
        """Ends (2, points, d + 1) of walks on one random function after another."""
        settings, generator, device = self.settings, self.generator, self.pool.device
        points = settings.limited(settings.points, self.pool.shape[1])
        rows = None if settings.gp_points else settings.rows(self.table, self.scores)
        family = None if rows is None else self._family(rows)
        fit = None if rows is None or family else self.table.fitter(rows, self.box.centre)
        for epoch in range(settings.epochs):
            if rows is None:
                drawn = torch.randperm(len(self.scores), generator=generator, device=device)[: settings.gp_points]
                fit = self.table.fitter(drawn, self.box.centre)
            if self.reseed:
                generator.manual_seed(epoch)
            places: list[Place] = []
            chosen = []
            for _ in range(settings.functions):
                numbers = 2 * torch.rand(2, generator=generator, device=device) - 1
                lengthscale, variance = on_host(
                    numbers, "lengthscale and variance of a function, which name its kernel", often=True
                )
                places.append((lengthscale, variance))
                chosen.append(torch.randperm(len(self.pool), generator=generator, device=device)[:points])
            if family:
                yield from (family.at(place)[:, starts] for place, starts in zip(places, chosen, strict=True))
            elif fit:
                functions = fit([self.box.kernel(place) for place in places])
                yield from (self._walk(f, self.pool[starts]) for f, starts in zip(functions, chosen, strict=True))

    def _family(self, rows: Tensor) -> WalkFamily | None:
        """Walks from the whole pool, to be interpolated; None where that takes more of them or is not within the tolerance."""
        settings, pool = self.settings, self.pool
        points = settings.limited(settings.points, pool.shape[1])
        orders = affordable(settings.epochs * settings.functions * points // len(pool))
        if not settings.walk_tolerance or not orders:
            return None

        def make() -> Tensor:
            fit = self.table.fitter(rows, self.box.centre)
            family = interpolate(lambda places: self._walks_at(places, fit), orders, settings.walk_tolerance)
            return family.nodes if family else torch.empty(0, device=pool.device)

        # All that the walks depend on, apart from the table: with another pool or another solver they are others.
        key = asdict(self.box) | {"rows": len(rows), "orders": orders, "step_size": self.step_size}
        key |= {"pool": len(pool), "grid": self.table.grid is not None}
        key |= {name: getattr(settings, name) for name in ("start_points", "steps", "functions", "walk_tolerance")}
        nodes = self.share("root-walks-2", key, make)
        return WalkFamily(nodes) if len(nodes) else None

    def _walks_at(self, places: list[Place], fit: Fit) -> Tensor:
        """Ends (k, 2, n, d + 1) of walks from the whole pool on the functions at k places."""
        # Side by side as many as in an epoch: the fits' memory grows with them.
        parts = [places[i : i + self.settings.functions] for i in range(0, len(places), self.settings.functions)]
        functions = (f for part in parts for f in fit([self.box.kernel(place) for place in part]))
        return torch.stack([self._walk(f, self.pool) for f in functions])

    def _walk(self, function: Function, starts: Tensor) -> Tensor:
        return walk(function, starts, self.settings.steps, self.step_size)


def evenly_by_score(scores: Tensor, size: int) -> Tensor:
    """Row numbers (min(size, N),), in order, of rows evenly spaced among scores (N,) in their order."""
    order = torch.argsort(scores, stable=True)
    size = min(size, len(scores))
    return order[torch.arange(size, device=scores.device) * len(scores) // size].sort().values


def _by_likelihood(table: VisibleTable, scores: Tensor, share: Share) -> float:
    """The lengthscale of largest likelihood.

    The noise is fitted too, and only the lengthscale is taken over: at the family's own low noise the likelihood of noisy labels asks for
    a lengthscale so short that nothing generalises.
    """
    rows = evenly_by_score(scores, LIKELIHOOD_ROWS)

    def make() -> Tensor:
        found = fit_likelihood(table.x[rows], table.y[rows]).lengthscale
        return torch.tensor(found, dtype=torch.float64, device=table.x.device)

    return float(on_host(share("root-likelihood-1", {"rows": LIKELIHOOD_ROWS}, make), "the family's lengthscale, once"))


def _by_validation(table: VisibleTable, scores: Tensor, kernel: RBF, generator: Generator) -> float:
    """The lengthscale with which a process fitted to low scores best ranks higher ones; see `bbo.surrogates.extrapolation`.

    Variance and noise are those of `kernel`, the family's own. The likelihood asks which process explains the table, this which one finds
    better designs than those it was fitted on.
    """
    middle = median_distance(table.x[evenly_by_score(scores, DISTANCE_ROWS)])
    tried = [middle * factor for factor in FACTORS]
    kernels = [TwoScales(lengthscale, lengthscale, 1.0, kernel.noise / kernel.variance) for lengthscale in tried]
    parts = splits(scores, VALIDATION_QUANTILES, VALIDATION_ROWS, generator)
    gains = kernel_gains(table.x, scores, kernels, [TRANSFORMS["none"]], parts).flatten(1)
    chosen = choose(gains, members=1, plain=FACTORS.index(1.0))[0]
    return tried[int(on_host(chosen, "the family's lengthscale, once"))]
