"""Tri-mentoring: three surrogates that correct each other by majority vote."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor
from torch.func import functional_call, grad, jvp, vmap

from bbo.device import on_host
from bbo.method import Method, MethodSpec, setting
from bbo.problem import Problem
from bbo.search.adam_ascent import adam_from
from bbo.surrogates.diagnostics import Surrogate
from bbo.surrogates.networks import Ensemble, Params, spawn
from bbo.surrogates.proxies import ProxySettings, train_proxies
from bbo.surrogates.training import Fitted

#: Inside logarithms, as in the authors' code.
TINY = 1e-9
#: Numbers that the weights of one block of starts may take in the look-ahead, and numbers in a layer's activations there.
BLOCK, ROWS = 2**26, 2**24


def majority(first: Tensor) -> Tensor:
    """Whether most of three proxies put the first design of a pair first: (..., 3, P) of booleans to (..., 1, P)."""
    return first.sum(-2, keepdim=True) >= 2


def _value(template: torch.nn.Module, params: Params, x: Tensor) -> Tensor:
    outputs: Tensor = functional_call(template, params, (x,))
    return outputs[:, 0]


@dataclass
class Mentoring:
    """The gradient of the search: at each call every start's three proxies mentor each other near the design, then are asked.

    Attributes:
        ensemble: the three trained proxies.
        x, y: designs (N, d) and scores (N,) that the look-ahead is judged on.
        neighbours: K, designs drawn around each.
        noise: deviation of the draw, in z-scored units.
        rate: step of the stochastic gradient descent on the proxies.
        label_rate: step of the labels; 0 keeps the votes as they are.
        vote: whether the majority decides, or the mean of the proxies.
        generator: source of the neighbours.
        disagreements: share of pairs that a proxy was corrected on, one number a call.
    """

    ensemble: Ensemble
    x: Tensor
    y: Tensor
    neighbours: int
    noise: float
    rate: float
    label_rate: float
    vote: bool
    generator: Generator
    disagreements: list[Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.params: Params | None = None
        self.i, self.j = torch.triu_indices(self.neighbours, self.neighbours, 1, device=self.x.device)

    def __call__(self, x: Tensor) -> Tensor:
        """The gradient (n, d) of the mean of a start's three proxies, mentored at x (n, d)."""
        if self.params is None:
            self.params = {name: p.expand(len(x), *p.shape).clone() for name, p in self.ensemble.params.items()}
        noise = torch.randn(len(x), self.neighbours, x.shape[1], generator=self.generator, device=x.device)
        near = x[:, None] + self.noise * noise
        labels, corrected = self.votes(near)
        self.disagreements.append(corrected.float().mean())
        self.mentor(near, labels, corrected)

        def mean(params: Params, at: Tensor) -> Tensor:
            return self._values(params, at[None]).mean()

        found: Tensor = vmap(grad(mean, argnums=1))(self.params, x)
        return found

    def votes(self, near: Tensor) -> tuple[Tensor, Tensor]:
        """Voted labels (n, 1, P) of all pairs of neighbours (n, K, d), and which (n, 3, P) of the proxies' own differ from them.

        A label is 1 where the first of a pair is better.
        """
        assert self.params is not None
        values = vmap(self._values)(self.params, near)
        first = values[..., self.i] > values[..., self.j]
        total = values.sum(1, keepdim=True)
        labels = majority(first) if self.vote else total[..., self.i] > total[..., self.j]
        return labels.float(), first != labels

    def mentor(self, near: Tensor, labels: Tensor, corrected: Tensor) -> None:
        """One step of every proxy on the pairs it was outvoted on, after one step of their labels."""
        assert self.params is not None
        size = sum(p[0].numel() for p in self.params.values())
        block = max(1, BLOCK // size)
        for start in range(0, len(near), block):
            part = slice(start, start + block)
            own = {name: p[part] for name, p in self.params.items()}
            step = vmap(self._mentor_three)(own, near[part], labels[part], corrected[part])
            for name, p in own.items():
                p -= self.rate * step[name]  # a view: this moves self.params

    def _mentor_three(self, params: Params, near: Tensor, labels: Tensor, corrected: Tensor) -> Params:
        one = vmap(self._direction, in_dims=(0, None, None, 0))
        found: Params = one(params, near, labels[0], corrected)
        return found

    def _direction(self, params: Params, near: Tensor, labels: Tensor, corrected: Tensor) -> Params:
        """The gradient that one proxy descends: Bradley-Terry cross entropy on its corrected pairs (P,), with soft labels."""
        if self.label_rate:
            labels = (labels - self.label_rate * self.label_slope(params, near, labels, corrected)).clamp(0, 1)
        found: Params = grad(self.cross_entropy)(params, near, labels, corrected)
        return found

    def cross_entropy(self, params: Params, near: Tensor, labels: Tensor, corrected: Tensor) -> Tensor:
        """Mean over corrected pairs of -l log p - (1 - l) log(1 - p), with p = sigmoid(f_i - f_j); 0 without any."""
        p = torch.sigmoid(self._lead(params, near))
        entropy = -(labels * torch.log(p + TINY) + (1 - labels) * torch.log(1 - p + TINY))
        return (entropy * corrected).sum() / corrected.sum().clamp(min=1)

    def label_slope(self, params: Params, near: Tensor, labels: Tensor, corrected: Tensor) -> Tensor:
        """d/d labels (P,) of the squared error on the table, after one look-ahead step on the cross entropy.

        The cross entropy is linear in the labels, so by the chain rule this is rate/n times the derivative of log p - log(1 - p)
        along the gradient of the squared error at the weights looked ahead to: one gradient and one forward-mode product, with no
        graph kept through the table.
        """
        step = grad(self.cross_entropy)(params, near, labels, corrected)
        ahead = {name: p - self.rate * step[name] for name, p in params.items()}
        slope = self._error_slope(ahead)

        def odds(weights: Params) -> Tensor:
            p = torch.sigmoid(self._lead(weights, near))
            return torch.log(p + TINY) - torch.log(1 - p + TINY)

        along = jvp(odds, (params,), (slope,))[1]
        return self.rate * along * corrected / corrected.sum().clamp(min=1)

    def _error_slope(self, params: Params) -> Params:
        """Gradient of the mean squared error on the table; summed over parts of the table, which bounds the memory."""
        widest = max(p.shape[-1] for p in params.values())
        total: Params = {}
        for x, y in zip(self.x.split(max(1, ROWS // widest)), self.y.split(max(1, ROWS // widest)), strict=True):

            def error(weights: Params, x: Tensor = x, y: Tensor = y) -> Tensor:
                return (_value(self.ensemble.template, weights, x) - y).square().sum() / len(self.x)

            part = grad(error)(params)
            total = {name: g + total[name] for name, g in part.items()} if total else part
        return total

    def _lead(self, params: Params, near: Tensor) -> Tensor:
        """f_i - f_j (P,) of all pairs of neighbours (K, d)."""
        f = _value(self.ensemble.template, params, near)
        return f[self.i] - f[self.j]

    def _values(self, params: Params, x: Tensor) -> Tensor:
        """Values (3, n) that one start's proxies give designs (n, d)."""
        return self.ensemble.mean(x, params)


@dataclass(frozen=True)
class TriMentoring(ProxySettings, Method):
    """Three surrogates that vote on pairs of designs near the candidate; who is outvoted is corrected, at every step of the search.

    "Parallel-mentoring for Offline Model-based Optimization" (arXiv 2309.11592, NeurIPS 2023), the case of three.

    1. Three proxies, see `bbo.surrogates.proxies`.
    2. From each of the best visible designs, with proxies of its own: at every step draw K neighbours; for each pair, the majority of
       the three rankings is the label (Section 3.1); a proxy takes one step of 1e-3 on the Bradley-Terry cross entropy of the pairs
       where it was outvoted, after its labels took one step of 0.1 down the squared error on the whole table that the look-ahead
       weights have, clamped to [0, 1] (Section 3.2). Then one step of Adam up the mean of the three. Last iterate returned.

    After GGchen1997/parallel_mentoring @db1a055, with `--method triteach`: its default is `simple`, one proxy without mentoring, and
    the README's commands do not change it. x (logits for sequences) and y are z-scored.

    What was reorganised, with the same result: all starts advance in one batch, each with its own copies of the proxies, as the
    authors reload the proxies for each start; pairs are compared in index tensors, not in Python loops; the look-ahead is one
    gradient and one forward-mode product (see `Mentoring.label_slope`) where `higher` differentiates through the step. What remains
    is the gradient on the whole table for each proxy of each start at each step, which no reordering saves: at paper size a GPU's
    work. `lookahead_rows` judges on a random part of the table instead, which is an approximation.

    `+ignite` and its like regularise the proxies' training, not their mentoring.

    Deviations: ties between neighbours' values count as second first, where the authors' sort breaks them; weights start as in Keras,
    and Adam's epsilon in the proxies' training is 1e-7; an empty last batch is not trained on.
    """

    spec = MethodSpec(
        id="tri-mentoring",
        version=1,
        kind="surrogate",
        title="Tri-mentoring",
        paper="arXiv 2309.11592",
        code="GGchen1997/parallel_mentoring @db1a055",
        year=2023,
        composable=True,
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {},
        "paper:tfbind10": {"batch_size": 1024},
        # Smaller than the published settings: narrow proxies, at most 400 batches from a tenth of the step, which narrow networks
        # need, 64 rows in the look-ahead, and a seventh of the steps, longer on a box.
        "fast": {
            "hidden": 32,
            "learning_rate": 1e-2,
            "max_updates": 400,
            "validation": 1000,
            "lookahead_rows": 64,
            "steps_box": 30,
            "step_size_box": 7e-3,
            "steps_sequence": 15,
        },
        "smoke": {
            "hidden": 8,
            "batch_size": 256,
            "learning_rate": 1e-2,
            "max_updates": 20,
            "lookahead_rows": 32,
            "steps_box": 4,
            "steps_sequence": 4,
            "step_size_sequence": 0.5,
        },
    }

    neighbours: int = setting(10, "K, designs drawn around a candidate at each step", low=2)
    noise: float = setting(0.1, "deviation of the draw", unit="z-scored units", above=0)
    mentor_rate: float = setting(1e-3, "step of a proxy on the pairs it was outvoted on", low=0)
    label_rate: float = setting(0.1, "step of the labels in the look-ahead; 0 leaves the votes as they are", low=0)
    vote: bool = setting(True, "label pairs by majority, or else by the mean of the three")
    lookahead_rows: int = setting(0, "rows of the table that the look-ahead is judged on, drawn once; 0 for all", low=0)
    steps_box: int = setting(200, "steps of the search on a box", low=0)
    steps_sequence: int = setting(100, "steps of the search for sequences", low=0)
    step_size_box: float = setting(1e-3, "Adam's step in the search on a box", above=0)
    step_size_sequence: float = setting(0.1, "Adam's step in the search for sequences", above=0)

    def propose(self, problem: Problem) -> Tensor:
        """Return `budget` designs: the best visible ones, moved up proxies that mentor each other on the way."""
        data = problem.encoded()
        fitted = self.train(problem)
        rows = torch.arange(len(data.x), device=problem.device)
        if 0 < self.lookahead_rows < len(rows):
            rows = torch.randperm(len(rows), generator=problem.generator, device=problem.device)[: self.lookahead_rows]
        mentoring = Mentoring(
            fitted.ensemble,
            data.x[rows],
            data.y[rows],
            self.neighbours,
            self.noise,
            self.mentor_rate,
            self.label_rate,
            self.vote,
            problem.generator,
        )
        box = problem.space.kind == "continuous"
        found = adam_from(
            problem,
            mentoring,
            data.x[problem.starts()],
            self.steps_box if box else self.steps_sequence,
            self.step_size_box if box else self.step_size_sequence,
        )
        shares = torch.stack(mentoring.disagreements) if mentoring.disagreements else rows[:0]
        problem.note(**fitted.history.facts(), disagreements=on_host(shares, "shares of pairs corrected, for the record, once"))
        return found

    def surrogate(self, problem: Problem) -> Surrogate:
        """The mean of the three proxies before any mentoring, for `bbo diagnose`; it predicts no standard deviation."""
        fitted = self.train(problem)
        return Surrogate(lambda x: (fitted.ensemble.mean(x).mean(0), None), fitted.history.facts())

    def train(self, problem: Problem) -> Fitted:
        """Train the three proxies on the visible table, z-scored."""
        data = problem.encoded()
        regulariser = self.regulariser(3, problem.device)
        return train_proxies(self, data.x, data.y, spawn(problem.generator, 3), regulariser, problem.progress)
