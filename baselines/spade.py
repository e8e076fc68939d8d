"""SPADE: a diffusion over scores, calibrated and held down where data are sparse, searched by evolution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.func import functional_call

from bbo.method import Method, MethodSpec, setting
from bbo.problem import Problem
from bbo.surrogates.diagnostics import Surrogate
from bbo.surrogates.networks import spawn
from bbo.surrogates.scalar_diffusion import Clipped, Neighbourhood, ScalarDiffusion, SpadeLoss, Support
from bbo.surrogates.training import Fitted, TrainingSettings, fit

#: Samples that a part of the designs may have at once: the search's memory is this times the width.
AT_ONCE = 2**14


@dataclass(frozen=True)
class Spade(TrainingSettings, Method):
    """A diffusion over the score given the design, trained to be calibrated and modest where data are sparse; evolution on its lower bound.

    SPADE (arXiv 2605.11246, ICML 2026).

    1. Train a network that tells the noise in a noisy score of a design. Each batch adds two losses on mean and deviation of 4
       samples of the score, through whose 10 steps of DDIM the gradient goes: calibration, (mean - y)^2 and a softplus of each
       wrongly ordered pair; and support, relu(mean - mean score of the 10 nearest rows - 0.02 log r) + relu(0.02 + 0.005 log r -
       deviation), with r the distance to the 10th.
    2. Search: the best visible designs with a little noise; 100 generations of elites, blends of two elites, and elites with noise,
       judged by mean - 0.1 deviation of 256 samples of 50 steps.

    Follows the authors' code (HarryYoung2018/spade @586151b), in which support acts only through training; `search_support` also
    corrects mean and deviation in the search, as their option does.

    Reorganised: the network's inner layers are split so that what depends on the design is computed once for all samples and steps
    (see `bbo.surrogates.scalar_diffusion`; the same sums in another order), neighbours are found once, and a generation's designs
    are one batch.

    Our choices and deviations: which 128 designs the paper scores is not said; we return the last generation, elites first, with
    the best design ever seen in the last place. Samples of a batch, and of a generation, start from the same normal numbers for all
    designs, fresh each time, so that designs are compared by the same luck. Sequences are searched as z-scored logits and decoded
    at the end; the authors leave this open. A population that has come together in the logits decodes to practically one sequence: at
    `fast`, all but a few cells on sequences of results/core.csv have at least 95% duplicates. Weights start as in Keras, and Adam's
    epsilon is 1e-7 (theirs 1e-8). A population is as large as the budget and half of it are elites (64 of 128). `rows` caps the
    table, by a random subset. `layers`, a setting of training, is not used by this method.
    """

    spec = MethodSpec(
        id="spade",
        version=1,
        kind="surrogate",
        title="SPADE, a diffusion over scores",
        paper="arXiv 2605.11246",
        code="HarryYoung2018/spade @586151b",
        year=2026,
        composable=True,
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {},
        # Smaller than the published settings: a thirty-second of the width, at most 4000 rows and 250 batches, an eighth of the
        # samples, a fifth of their steps, 40 generations.
        "fast": {
            "hidden": 64,
            "rows": 4000,
            "max_updates": 250,
            "train_steps": 5,
            "search_samples": 32,
            "search_steps": 10,
            "generations": 40,
        },
        "smoke": {
            "hidden": 16,
            "max_updates": 10,
            "train_samples": 2,
            "train_steps": 3,
            "search_samples": 8,
            "search_steps": 4,
            "generations": 5,
            "spread": 0.5,
        },
    }

    epochs: int = 100
    batch_size: int = 64
    learning_rate: float = 1e-3
    validation: int = 0
    rows: int = setting(0, "most rows that are used, drawn at random; 0 for all", low=0)
    train_samples: int = setting(4, "samples of a score in training", low=2)
    train_steps: int = setting(10, "steps of each in training", low=2)
    calibration: float = setting(1.0, "weight of the calibration loss", low=0)
    pairs: int = setting(32, "pairs of designs in a batch whose order is compared", low=0)
    support: float = setting(1.0, "weight of the support loss", low=0)
    neighbours: int = setting(10, "k, neighbours of a design", low=1)
    clip: float = setting(1.0, "length to which the training's gradient is cut", above=0)
    search_support: bool = setting(False, "correct mean and deviation for sparse data in the search, too")
    search_samples: int = setting(256, "samples of a score in the search", low=2)
    search_steps: int = setting(50, "steps of each in the search", low=2)
    caution: float = setting(0.1, "deviations that are taken off the mean", low=0)
    generations: int = setting(100, "generations of the search", low=1)
    first_spread: float = setting(0.05, "noise on the first generation", unit="deviations of x", low=0)
    spread: float = setting(0.12, "noise on mutated elites at first; it falls by 0.98 a generation", unit="deviations of x", low=0)
    least_spread: float = setting(0.02, "least noise on mutated elites", unit="deviations of x", low=0)
    blends: float = setting(0.3, "share of the children that are blends of two elites", low=0, high=1)

    def propose(self, problem: Problem) -> Tensor:
        """Return `budget` designs: the last generation of the search."""
        data = problem.encoded()
        fitted, network, known = self.train(problem)
        problem.note(**fitted.history.facts())
        generator, box = problem.generator, (data.x.amin(0), data.x.amax(0))
        settings = Support()

        @torch.no_grad()
        def bound(x: Tensor) -> Tensor:
            starts = torch.randn(self.search_samples, generator=generator, device=problem.device)
            mean, std = self.predict(fitted, network, x, starts)
            if self.search_support:
                mean, std = settings.corrected(mean, std, known.of(x)[1])
            return mean - self.caution * std

        x = data.x[problem.starts()]
        x = torch.clamp(x + self.first_spread * torch.randn(x.shape, generator=generator, device=x.device), *box)
        return data.decode(self.evolve(problem, bound, x, box))

    def evolve(self, problem: Problem, bound: Callable[[Tensor], Tensor], x: Tensor, box: tuple[Tensor, Tensor]) -> Tensor:
        """The last generation (n, d) after starts x (n, d), with the best design ever seen in the last place.

        Args:
            bound: designs (n, d) to what is maximised (n,).
            box: lower and upper bounds (d,).
        """
        data, generator, device = problem.encoded(), problem.generator, x.device
        elites = max(1, len(x) // 2)
        blends = int((len(x) - elites) * self.blends)
        mutants = len(x) - elites - blends
        best, record = x[:1], torch.full((), -torch.inf, device=device)
        spread = self.spread
        for generation in range(1, self.generations + 1):
            values, order = bound(x).sort(descending=True)
            best, record = torch.where(values[0] > record, x[order[:1]], best), torch.maximum(values[0], record)
            elite = x[order[:elites]]
            a, b, c = (elite[torch.randint(elites, (n,), generator=generator, device=device)] for n in (blends, blends, mutants))
            share = torch.rand(blends, 1, generator=generator, device=device)
            noise = spread * torch.randn(c.shape, generator=generator, device=device)
            x = torch.cat([elite, share * a + (1 - share) * b, c + noise]).clamp(*box)
            spread = max(0.98 * spread, self.least_spread)
            problem.progress(generation, self.generations, partial(data.decode, x))
        return torch.cat([x[:-1], best])

    def predict(self, fitted: Fitted, network: ScalarDiffusion, x: Tensor, starts: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation (n,) of the scores sampled from `starts` (S,) at x (n, d)."""
        network.starts, network.chain_steps = starts, self.search_steps
        weights = {name: p[0] for name, p in fitted.ensemble.params.items()}
        parts = [functional_call(network, weights, (part,)) for part in x.split(max(1, AT_ONCE // len(starts)))]
        mean, std = torch.cat(parts).unbind(1)
        return mean, std

    def surrogate(self, problem: Problem) -> Surrogate:
        """The trained diffusion, for `bbo diagnose`, with mean and deviation of its samples."""
        fitted, network, _ = self.train(problem)
        starts = torch.randn(self.search_samples, generator=problem.generator, device=problem.device)

        @torch.no_grad()
        def predict(x: Tensor) -> tuple[Tensor, Tensor]:
            return self.predict(fitted, network, x, starts)

        return Surrogate(predict, fitted.history.facts())

    def train(self, problem: Problem) -> tuple[Fitted, ScalarDiffusion, Neighbourhood]:
        """The trained network's weights, the network, and the table's neighbourhoods."""
        data = problem.encoded()
        rows = torch.arange(len(data.y), device=problem.device)
        if 0 < self.rows < len(rows):
            rows = torch.randperm(len(rows), generator=problem.generator, device=problem.device)[: self.rows]
        x, y = data.x[rows], data.y[rows]
        weights, draws = spawn(problem.generator, 2)
        network = ScalarDiffusion(data.dim, self.hidden, weights, self.train_samples, self.train_steps)
        known = Neighbourhood(x, y, self.neighbours)
        loss = SpadeLoss(network, draws, self.calibration, self.support, self.pairs, Support())
        fitted = fit(
            lambda _: network,
            x,
            torch.stack([y, *known.of(x)], dim=1),
            self.plan(),
            loss,
            [weights],
            Clipped(self.regulariser(1, problem.device), self.clip),
            progress=problem.progress,
        )
        return fitted, network, known
