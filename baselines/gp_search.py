"""The plainest use of a Gaussian process that works: one posterior, one search."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from bbo.codecs import Columns
from bbo.method import Method, MethodSpec, setting
from bbo.problem import Problem
from bbo.search import box_ascent
from bbo.search.evolution import GreedySearch, spread
from bbo.space import Mixed, Sequence
from bbo.surrogates import mismatches
from bbo.surrogates import sequence_gaussian_process as sequences
from bbo.surrogates.mismatches import Letters, SequencePosterior
from bbo.surrogates.transforms import z_scores
from bbo.surrogates.two_scale_gaussian_process import TwoScalePosterior, TwoScales, fit, fit_inducing

#: Changed designs whose means are computed at once.
HELD = 8192
#: A change must raise the mean by this much, in deviations of y: less is rounding.
LEAST = 1e-5


@dataclass(frozen=True)
class GPSearch(Method):
    """One Gaussian process with a fixed kernel on all visible rows, and a search for the top of its posterior mean.

    No paper: it is what a new method must beat. Nothing is fitted but the posterior, and no setting depends on the task. The
    kernel, of variance 1 beside z-scored scores, is a sum of two RBF kernels: a long one for the trend into places without data, a
    short one for details where data are dense.

    Sequences: kernels of the number of mismatches, exp(-mismatches / reach). A space of up to two million designs is searched by
    looking at every one, by Kronecker structure. Elsewhere the search starts from the best visible designs, looks at all single
    mutants of the best so far and at crossovers of them, and returns the best designs it met, all different. It has no more rounds
    than letters by which two visible designs differ (the median): further away the trend is not to be trusted.
    Boxes: kernels of z-scored coordinates, exp(-distance^2 / (2 d reach^2)); Adam climbs from the best visible designs inside the
    box, and the last iterates are returned.
    Mixed spaces: the kernels of boxes on scaled numbers and one-hot options. Each of the best visible designs climbs by itself: Adam
    moves its numbers, then the best change of one option or letter is made, and so on until no such change helps.

    All rows are used: exactly on small spaces and up to `exact_rows` rows (by conjugate gradients on sequences, by Cholesky elsewhere);
    beyond that through random inducing points (`bbo.surrogates.two_scale_gaussian_process`).

    The settings were chosen by hand on tfbind8, rna-a, rna-b, gfp, nas-bench-201-cifar100, hpo-naval and hpo-slice, and
    for boxes on the controls, thin-film and superconductor, so scores there are
    a little flattered.
    """

    spec = MethodSpec(
        id="gp-search",
        version=1,
        kind="surrogate",
        title="Search on a Gaussian process",
        spaces=("continuous", "sequence", "mixed"),
    )

    share: float = setting(0.8, "share of the long kernel in the variance", above=0, high=1)
    long_sequence: float = setting(50.0, "reach of the long kernel on sequences", unit="mismatches", above=0)
    short_sequence: float = setting(2.0, "reach of the short kernel on sequences", unit="mismatches", above=0)
    long_box: float = setting(
        3.0, "reach of the long kernel on a box, its lengthscale over sqrt(d)", unit="z-scored units", above=0
    )
    short_box: float = setting(1.0, "reach of the short kernel on a box", unit="z-scored units", above=0)
    noise: float = setting(0.03, "noise variance", unit="variances of y", above=0)
    exact_rows: int = setting(10_000, "most rows that are factorised; beyond that, inducing points", low=1)
    inducing: int = setting(1000, "inducing points, random visible rows", low=1)
    rounds: int = setting(50, "most rounds of the search on sequences", low=1)
    crossovers: int = setting(1000, "crossovers in a round", low=0)
    steps: int = setting(100, "steps of Adam on a box", low=0)
    rate: float = setting(0.05, "step size of Adam", unit="z-scored units", above=0)

    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {},
        "fast": {},
        "smoke": {"exact_rows": 200, "inducing": 64, "rounds": 5, "crossovers": 100, "steps": 10},
    }

    def propose(self, problem: Problem) -> Tensor:
        """Return `budget` designs, on sequences best first and all different where the search met enough.

        Raises:
            NumericalError: the posterior could not be solved for.
        """
        if isinstance(problem.space, Mixed):
            return self._mixed(problem, problem.space)
        if not isinstance(problem.space, Sequence):
            return self._box(problem)
        found = self._sequences(problem, problem.space)
        problem.note(different=len(found))
        return problem.repeated(found)

    def _sequences(self, problem: Problem, space: Sequence) -> Tensor:
        """The best different designs (m, L) that were found, best first, at most `budget`."""
        y = z_scores(problem.y)  # the table's vectors, which `problem.encoded` would also make, are not needed
        kernel = TwoScales(math.sqrt(self.long_sequence / 2), math.sqrt(self.short_sequence / 2), self.share, self.noise)
        if sequences.small(space):
            means = sequences.table(space, problem.x, y, kernel)
            return sequences.design(space, means.topk(min(problem.budget, len(means))).indices)
        model = self._fit_sequences(problem, Letters.of(space, problem.device), y, kernel)
        rounds = min(self.rounds, spread(problem.x, problem.generator))
        problem.note(rounds=rounds)
        search = GreedySearch(problem.budget, self.crossovers, rounds)
        start = problem.x[problem.starts()]
        return search.run(start, model.mean, model.mutants, problem.generator, partial(self._report, problem))[0]

    def _fit_sequences(self, problem: Problem, letters: Letters, y: Tensor, kernel: TwoScales) -> SequencePosterior:
        """The posterior given all visible designs and their z-scored scores y (N,)."""
        if len(y) <= self.exact_rows:
            return mismatches.fit(letters, problem.x, y, kernel)
        rows = self._rows(problem)
        parts = fit_inducing(letters.encode(problem.x), y, kernel, letters.encode(problem.x[rows])).parts
        return SequencePosterior.of(letters, problem.x[rows], kernel.parts, [part.coef for part in parts])

    def _report(self, problem: Problem, done: int, designs: Tensor) -> None:
        problem.progress(done, self.rounds, designs)

    def _box(self, problem: Problem) -> Tensor:
        data = problem.encoded()
        root = math.sqrt(data.dim)
        posterior = self._fit(problem, data.x, TwoScales(self.long_box * root, self.short_box * root, self.share, self.noise))
        low, high = data.bounds()
        found = box_ascent.ascend(
            posterior.gradient,
            data.x[problem.starts()],
            low,
            high,
            self.steps,
            self.rate,
            lambda step, x: problem.progress(step, self.steps, partial(data.decode, x)),
        )
        return data.decode(found)

    def _mixed(self, problem: Problem, space: Mixed) -> Tensor:
        # Scaled as the codec scales: z-scores would blow up options that are rare in the table.
        data = problem.encoded(standardise=False)
        root = math.sqrt(len(space.counts))
        kernel = TwoScales(self.long_box * root, self.short_box * root, self.share, self.noise)
        posterior = self._fit(problem, data.x, kernel)
        codec = data.codec
        assert isinstance(codec, Columns)
        low, high = data.encode(torch.as_tensor(space.corners(2), device=problem.device))
        still = torch.ones_like(low, dtype=torch.bool).index_fill(0, codec.number_columns, False)
        designs = problem.x[problem.starts()].double()
        for done in range(1, self.rounds + 1):
            start = data.encode(designs)
            lowest, highest = torch.where(still, start, low), torch.where(still, start, high)
            designs = data.decode(box_ascent.ascend(posterior.gradient, start, lowest, highest, self.steps, self.rate))
            problem.progress(done, self.rounds, designs)
            changed = best_change(codec, designs, posterior.mean)
            if torch.equal(changed, designs):
                break
            designs = changed
        return designs

    def _fit(self, problem: Problem, x: Tensor, kernel: TwoScales) -> TwoScalePosterior:
        """The posterior given all visible rows, as features (N, d)."""
        y = problem.encoded().y
        if len(x) <= self.exact_rows:
            return fit(x, y, kernel)
        return fit_inducing(x, y, kernel, x[self._rows(problem)])

    def _rows(self, problem: Problem) -> Tensor:
        """Random visible rows, for inducing points."""
        return torch.randperm(len(problem.x), generator=problem.generator, device=problem.device)[: self.inducing]


def best_change(codec: Columns, designs: Tensor, mean: Callable[[Tensor], Tensor]) -> Tensor:
    """Each of designs (n, D) with its best change of one option or letter, or as it was where none raises the mean.

    Args:
        codec: the codec of their space.
        designs: rows of a mixed space.
        mean: encoded designs (n, d) to values (n,).
    """
    if not len(codec.place):
        return designs
    rows = max(1, HELD // len(codec.place))
    return torch.cat([_best_change(codec, some, mean) for some in designs.split(rows)])


def _best_change(codec: Columns, designs: Tensor, mean: Callable[[Tensor], Tensor]) -> Tensor:
    each = designs[:, None].repeat(1, len(codec.place), 1)
    each[:, torch.arange(len(codec.place), device=designs.device), codec.place] = codec.option.to(designs.dtype)
    values = mean(codec.encode(each.flatten(0, 1))).view(len(designs), -1)
    best, place = values.max(1)
    better = best > mean(codec.encode(designs)) + LEAST
    return torch.where(better[:, None], each[torch.arange(len(designs), device=designs.device), place], designs)
