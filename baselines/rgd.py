"""Robust guided diffusion: a proxy sets the strength of a diffusion's guidance, and the diffusion corrects the proxy."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor

from bbo.device import on_host
from bbo.generative.diffusion import Score, guided, log_likelihood
from bbo.generative.diffusion_training import DiffusionSettings, loss_facts
from bbo.generative.score_networks import EmbeddedScore
from bbo.generative.strength import strengthened
from bbo.method import Method, MethodSpec, setting
from bbo.problem import Problem
from bbo.surrogates import losses
from bbo.surrogates.diagnostics import Surrogate
from bbo.surrogates.networks import MLP, Ensemble, Params, spawn
from bbo.surrogates.training import Fitted, TrainingSettings, at_most, fit

#: Bound on |log p_proxy - log p_diffusion| in the refinement: a factor of 100.
RATIO = math.log(100)


class FixedBounds(MLP):
    """A Gaussian-head network whose log standard deviation lies between log 0.1 and log 0.2, bounds that are not trained."""

    def __init__(self, dim: int, hidden: tuple[int, ...], generator: Generator) -> None:
        super().__init__(dim, hidden, generator, activation="relu", gaussian=True)
        low, high = self.min_log_std.detach(), self.max_log_std.detach()
        del self.min_log_std, self.max_log_std
        self.min_log_std, self.max_log_std = low, high  # type: ignore[assignment]  # plain tensors, which no optimiser sees


@dataclass(frozen=True)
class Adversarial:
    """Designs the proxy thinks best, x (n, d), with labels it would give them y (n, k) and the diffusion's log p(y | x) (n, k)."""

    x: Tensor
    y: Tensor
    log_p: Tensor


@dataclass(frozen=True)
class RGD(DiffusionSettings, TrainingSettings, Method):
    """A y-conditional diffusion whose guidance strength, one for each design, climbs a proxy's prediction while sampling.

    arXiv 2410.00983; GGchen1997/RGD @c8ab225. Three parts: (1) DDOM's diffusion with another network; (2) a Gaussian proxy, refined so
    that on the designs where its own ascent leads, its p(y | x) agrees with the diffusion's, which by Bayes' rule is
    log p(x | y) + log p(y) - log p(x), with p(y) a kernel density of the visible scores and the others likelihoods of the probability
    flow; the refinement's weight alpha is learnt from held-out rows by one look-ahead; (3) the probability flow with the best visible
    score as condition, where before each step the strengths take an Adam step up the proxy's mean at the estimated clean design.

    What the authors' code got wrong, and what is done here:
    - The clean design is estimated with the time that has passed where the time that is left is meant, so the proxy sees raw noise at
      the start and designs divided by 0.6 at the end. Here the time is right; `reversed_time=true` is the released behaviour.
    - The final command of their README leaves the refined proxy out. Here it is used, as in the paper; `refine=false` is the released behaviour.
    - One diffusion serves all their "seeds", which are 50 draws of noise. Here everything is trained for each seed.

    Reorganised with the same result: all designs of a draw are one batch, since strengths and proxy work row by row; log p(x) does
    not depend on the label, so it is computed once for each design instead of 50 times; alpha's look-ahead is one functional Adam step,
    which needs no second derivatives, because the loss is linear in alpha.

    Deviations: the likelihoods are solved by Heun's method in equal steps, all designs in one batch, not by an adaptive solver one
    design at a time; random signs are their probes; the diffusion keeps its last epoch (theirs the best by a one-sample estimate of
    the ELBO), the proxy the epoch with the least validation loss (theirs the best correlation), at a constant step size, as its
    refinement (theirs follow a cosine). `+ignite` and its like regularise the first training of the proxy, not its refinement.
    """

    spec = MethodSpec(
        id="rgd",
        version=2,
        kind="generative",
        title="RGD: robust guided diffusion",
        paper="arXiv 2410.00983",
        code="GGchen1997/RGD @c8ab225",
        year=2024,
        composable=True,
    )
    least_rows = 2  # the scores' density has a width
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {},
        # Narrower networks, few batches, a twentieth of the sampling steps, and a refinement with 4 labels of 32 designs.
        "fast": {
            "hidden": 256,
            "max_updates": 200,
            "prior_hidden": 256,
            "prior_batch": 128,
            "prior_updates": 300,
            "sampling_steps": 50,
            "adversarial": 32,
            "labels": 4,
            "probes": 2,
            "likelihood_steps": 10,
            "ascent_steps": 100,
            "refinement_updates": 50,
        },
        "smoke": {
            "hidden": 32,
            "learning_rate": 3e-3,
            "max_updates": 20,
            "prior_hidden": 32,
            "prior_learning_rate": 1e-2,
            "prior_updates": 150,
            "sampling_steps": 20,
            "strength_rate": 3.0,
            "adversarial": 8,
            "labels": 2,
            "probes": 1,
            "likelihood_steps": 3,
            "ascent_steps": 5,
            "refinement_updates": 5,
        },
    }

    hidden: int = 1024
    epochs: int = 200
    batch_size: int = 256
    learning_rate: float = 1e-3
    validation: int = 1_000_000  # a tenth of all rows, the most that is ever held out
    prior_batch: int = 256
    prior_cosine: bool = True
    held_out: float = 0.1
    clip_noisy: bool = True
    strength_rate: float = setting(0.01, "step size of Adam on the strengths of guidance; 0 keeps them at `guidance`", low=0)
    reversed_time: bool = setting(False, "estimate clean designs with the time that has passed, as the authors' code does")
    refine: bool = setting(True, "correct the proxy by the diffusion before it guides")
    adversarial: int = setting(128, "best visible designs from which the proxy's own ascent starts", low=1)
    ascent_steps: int = setting(300, "Adam steps of that ascent", low=0)
    ascent_rate_box: float = setting(1e-3, "step size of that ascent on a box", unit="z-scored units", above=0)
    ascent_rate_sequence: float = setting(0.1, "step size of that ascent for sequences", unit="z-scored units", above=0)
    labels: int = setting(50, "labels drawn from the proxy for each of these designs", low=1)
    probes: int = setting(20, "random probes of each likelihood, averaged", low=1)
    likelihood_steps: int = setting(100, "steps of each likelihood's solve", low=1)
    refinement_epochs: int = setting(20, "passes of the refinement over the rows", low=1)
    refinement_updates: int = setting(0, "no more batches of the refinement than this; 0 for no cap", low=0)
    alpha: float = setting(0.001, "weight of agreement with the diffusion, at the start; then learnt", low=0)
    alpha_rate: float = setting(0.001, "step size of Adam on it", low=0)
    alpha_max: float = setting(0.01, "largest weight", low=0)

    def propose(self, problem: Problem) -> Tensor:
        """Return `budget` designs, drawn from the guided diffusion."""
        data, generator = problem.encoded(), problem.generator
        fitted = self.train_proxy(problem)
        fitted.warn_if_useless(data.x, data.y)
        network = EmbeddedScore(data.dim, self.prior_hidden, generator)
        prior = self.train_prior(network, data.x, data.y, generator, problem.progress)
        problem.note(**fitted.history.facts(), prior_loss=loss_facts(prior))
        proxy = fitted.ensemble
        if self.refine:
            for parameter in network.parameters():
                parameter.requires_grad_(False)
            proxy, weight = self.refined(problem, fitted, self.adversaries(problem, proxy, network))
            problem.note(alpha=on_host(weight, "the refinement's weight, for the record"))
        noise = torch.randn(problem.budget, data.dim, generator=generator, device=problem.device)
        x, strength = strengthened(
            network,
            self.schedule,
            lambda x: proxy.mean(x)[0],
            noise,
            data.y.max().expand(problem.budget),
            torch.full((problem.budget,), self.guidance, device=problem.device),
            self.sampling_steps,
            self.strength_rate,
            self.reversed_time,
            lambda step, x: problem.progress(step, self.sampling_steps, lambda: data.decode(x)),
        )
        problem.note(strength=on_host(strength.mean(), "the mean strength, for the record"))
        return data.decode(x)

    def surrogate(self, problem: Problem) -> Surrogate:
        """The proxy before its refinement, for `bbo diagnose`."""
        fitted = self.train_proxy(problem)

        def predict(x: Tensor) -> tuple[Tensor, Tensor]:
            mean, log_std = fitted.ensemble(x)[0].unbind(-1)
            return mean, log_std.exp()

        return Surrogate(predict, fitted.history.facts())

    def train_proxy(self, problem: Problem) -> Fitted:
        """The proxy: one Gaussian-head network."""
        data = problem.encoded()
        return fit(
            partial(FixedBounds, data.dim, self.widths),
            data.x,
            data.y,
            self.plan(keep="best" if len(data.x) >= 10 else "last"),
            losses.nll,
            spawn(problem.generator, 1),
            self.regulariser(1, problem.device),
            progress=problem.progress,
            order=partial(at_most, self.max_updates, self.batch_size) if self.max_updates else None,
        )

    def adversaries(self, problem: Problem, proxy: Ensemble, network: EmbeddedScore) -> Adversarial:
        """Designs at the end of the proxy's ascent, with labels and what the diffusion thinks of them."""
        data, generator = problem.encoded(), problem.generator
        x = data.x[problem.best(self.adversarial)].clone().requires_grad_()
        rate = self.ascent_rate_box if problem.space.kind == "continuous" else self.ascent_rate_sequence
        optimiser = torch.optim.Adam([x], lr=rate)
        for _ in range(self.ascent_steps):
            x.grad = -torch.autograd.grad(proxy.mean(x).sum(), x)[0]
            optimiser.step()
        x = x.detach()
        mean, log_std = proxy(x)[0].unbind(-1)
        noise = torch.randn(len(x), self.labels, generator=generator, device=problem.device)
        y = mean[:, None] + log_std.exp()[:, None] * noise
        each = x.repeat_interleave(self.labels, 0)
        with_label = self._likelihood(guided(network, y.flatten(), 0.0), each, generator).view_as(y)
        without = self._likelihood(guided(network, torch.zeros(len(x), device=x.device), 0.0), x, generator)
        return Adversarial(x, y, with_label - without[:, None] + log_density(data.y, y))

    def _likelihood(self, score: Score, x: Tensor, generator: Generator) -> Tensor:
        """Log density (n,) of designs (n, d), the mean of `probes` estimates."""
        total = torch.zeros(len(x), device=x.device)
        for _ in range(self.probes):
            probe = 2.0 * torch.randint(2, x.shape, generator=generator, device=x.device) - 1
            total = total + log_likelihood(self.schedule, score, x, self.likelihood_steps, probe)
        return total / self.probes

    def refined(self, problem: Problem, fitted: Fitted, adversarial: Adversarial) -> tuple[Ensemble, Tensor]:
        """The proxy after its refinement, and alpha (1,) at the end."""
        data, ensemble = problem.encoded(), fitted.ensemble
        params = {name: p.clone().requires_grad_() for name, p in ensemble.params.items()}
        state = AdamState.of(params, self.learning_rate)
        alpha = torch.full((1,), self.alpha, device=problem.device, requires_grad=True)
        alpha_optimiser = torch.optim.Adam([alpha], lr=self.alpha_rate)
        held = fitted.held_out[0]
        training = torch.ones(len(data.x), dtype=torch.bool, device=problem.device).index_fill_(0, held, False)

        def nll(weights: Params, rows: Tensor) -> Tensor:
            return losses.gaussian_nll(ensemble(data.x[rows], weights)[0], data.y[rows]).mean()

        rows = torch.nonzero(training).flatten()
        for chosen in self._batches(rows, problem.generator):
            own = torch.autograd.grad(nll(params, chosen), list(params.values()))
            other = torch.autograd.grad(disagreement(ensemble(adversarial.x, params)[0], adversarial), list(params.values()))

            def gradient(alpha: Tensor, own: tuple[Tensor, ...] = own, other: tuple[Tensor, ...] = other) -> list[Tensor]:
                return [a + alpha * b for a, b in zip(own, other, strict=True)]

            if len(held) and self.alpha_rate:
                ahead, _ = state.step(params, gradient(alpha))
                alpha.grad = torch.autograd.grad(nll(ahead, held), alpha)[0]
                alpha_optimiser.step()
                with torch.no_grad():
                    alpha.clamp_(0.0, self.alpha_max)
            moved, state = state.step(params, gradient(alpha.detach()))
            params = {name: p.detach().requires_grad_() for name, p in moved.items()}
        return Ensemble(ensemble.template, {name: p.detach() for name, p in params.items()}), alpha.detach()

    def _batches(self, rows: Tensor, generator: Generator) -> Iterator[Tensor]:
        """Row numbers of each batch of the refinement, `rows` in a new order every epoch."""
        most = self.refinement_updates or math.inf
        done = 0
        for _ in range(self.refinement_epochs):
            order = rows[torch.randperm(len(rows), generator=generator, device=rows.device)]
            for chosen in order.split(self.batch_size):
                if done >= most:
                    return
                done += 1
                yield chosen


@dataclass(frozen=True)
class AdamState:
    """Adam as a function: `step` returns new weights and a new state and is differentiable in the gradients."""

    mean: list[Tensor]
    square: list[Tensor]
    count: int
    rate: float

    @classmethod
    def of(cls, params: Params, rate: float) -> AdamState:
        """Before the first step."""
        return cls([torch.zeros_like(p) for p in params.values()], [torch.zeros_like(p) for p in params.values()], 0, rate)

    def step(self, params: Params, gradients: list[Tensor]) -> tuple[Params, AdamState]:
        """One step with betas 0.9 and 0.999 and epsilon 1e-8."""
        count = self.count + 1
        mean = [0.9 * m + 0.1 * g for m, g in zip(self.mean, gradients, strict=True)]
        square = [0.999 * s + 0.001 * g.square() for s, g in zip(self.square, gradients, strict=True)]
        # A root has no slope at 0; a weight without a gradient does not move in any case.
        moves = [
            (m / (1 - 0.9**count)) / ((s / (1 - 0.999**count)).clamp(min=1e-30).sqrt() + 1e-8)
            for m, s in zip(mean, square, strict=True)
        ]
        moved = {name: p.detach() - self.rate * move for (name, p), move in zip(params.items(), moves, strict=True)}
        return moved, AdamState(mean, square, count, self.rate)


def disagreement(outputs: Tensor, adversarial: Adversarial) -> Tensor:
    """The refinement's term (): mean of w log p_proxy(y | x), w = 1 + log p_proxy - log p_diffusion, without a gradient, clipped.

    Its gradient is that of the divergence from proxy to diffusion, estimated with labels drawn from the proxy.
    """
    log_p = -losses.gaussian_nll(outputs[:, None].expand(*adversarial.y.shape, 2), adversarial.y)
    weight = 1 + (log_p.detach() - adversarial.log_p).clamp(-RATIO, RATIO)
    return (weight * log_p).mean()


def log_density(sample: Tensor, y: Tensor, most: int = 4096) -> Tensor:
    """Log of a Gaussian kernel density of `sample` (N,) at y (...), plus 1e-9 inside the logarithm; Scott's bandwidth.

    A larger sample is represented by `most` of its order statistics.
    """
    width = sample.std() * len(sample) ** -0.2
    kept = min(most, len(sample))
    points = sample.sort().values[torch.arange(kept, device=sample.device) * len(sample) // kept]
    distance = (y[..., None] - points) / width.clamp(min=1e-6)
    density = torch.exp(-0.5 * distance.square()).mean(-1) / (width.clamp(min=1e-6) * math.sqrt(2 * math.pi))
    return torch.log(density + 1e-9)
