"""PGS: gradient ascent whose step sizes are a policy learnt from the data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from bbo.device import on_host
from bbo.method import Method, MethodSpec, setting
from bbo.problem import Problem
from bbo.search.ascent import gradient_of
from bbo.search.step_policy import ActorCritic, StepPolicy, Transitions, trajectories
from bbo.surrogates import losses
from bbo.surrogates.diagnostics import Surrogate
from bbo.surrogates.networks import MLP, Ensemble, spawn
from bbo.surrogates.training import Fitted, TrainingSettings, fit


@dataclass(frozen=True)
class PGS(TrainingSettings, Method):
    """Gradient ascent on a surrogate whose step size, for each coordinate and design, is a policy learnt by offline reinforcement learning.

    "Offline Model-Based Optimization via Policy-Guided Gradient Search" (arXiv 2405.05349, AAAI 2024).

    1. Train a ReLU network by squared error.
    2. Draw trajectories of 50 steps between random designs among the best 20%. The action of a step from x to x' is (x' - x) / grad
       f(x) / 10 in each coordinate, 0 where that exceeds 1; its reward is the gain in score. 3. Learn a policy from designs to
       actions by conservative soft actor-critic (`bbo.search.step_policy`). 4. From the best visible designs take 50 steps x <- x +
       scale * policy(x) * grad f(x). 5. Do 4 with the policy as it was after each `checkpoint` updates, and return the designs of
       the one whose best design has the highest mean score among its 10 nearest visible designs. Published are 401 epochs of 1000
       updates, looked at every 50 epochs, eight times; here the policy at the very end is a ninth.

    Follows the authors' code (yassineCh/PGS @5483729), also in that the search scales the actions by 0.05 sqrt(d) on a box and 2
    sqrt(d) for sequences, although they were divided by 10 in the data.

    Reorganised, with the same result: the surrogate's gradient is computed once for each row and not once for each trajectory that
    it is in; transitions are row numbers; the critics' first layer is linear, so that the state's share of it serves the 31 actions
    weighed in a state; both critics are one batched network. All starts climb in one batch.

    Deviations: sequences are z-scored logits, where the authors train a convolutional VAE and search its latent space. The nearest
    designs of step 5 are sought among z-scored designs, where the paper learns an embedding for that; the released script scores
    every checkpoint by the oracle, which no offline method may. A table whose best 20% are fewer than 51 rows has shorter
    trajectories. The surrogate's batches are shuffled; the authors' are not. Its weights start as in Keras and its Adam has an epsilon
    of 1e-7, where theirs has torch's defaults. The released search calls `step` with an argument it does not take.
    """

    spec = MethodSpec(
        id="pgs",
        version=1,
        kind="surrogate",
        title="PGS, learnt step sizes",
        paper="arXiv 2405.05349",
        code="yassineCh/PGS @5483729",
        year=2024,
        composable=True,
    )
    least_rows = 2  # a trajectory has a step
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {},
        # Smaller than the published settings: a sixteenth of the surrogate's width, a quarter of the policy's, 150 updates
        # instead of 401,000 with larger steps of Adam, a tenth of the trajectories.
        "fast": {
            "hidden": 128,
            "learning_rate": 1e-3,
            "max_updates": 400,
            "trajectories": 500,
            "policy_hidden": 64,
            "policy_batch": 64,
            "policy_rate": 1e-3,
            "draws": 4,
            "updates": 150,
            "checkpoint": 50,
        },
        "smoke": {
            "hidden": 32,
            "batch_size": 256,
            "learning_rate": 3e-3,
            "max_updates": 20,
            "trajectories": 20,
            "length": 10,
            "policy_hidden": 16,
            "policy_batch": 32,
            "policy_rate": 1e-2,
            "draws": 2,
            "updates": 20,
            "checkpoint": 10,
            "steps": 20,
        },
    }

    validation: int = setting(1_000_000, "rows held out, at most a tenth of all, which is the default", low=0)
    top: float = setting(0.2, "share of the table that trajectories are drawn from, the best", above=0, high=1)
    trajectories: int = setting(20_000, "trajectories drawn", low=1)
    length: int = setting(50, "steps of a trajectory", low=1)
    policy_hidden: int = setting(256, "width of both hidden layers of policy and critics", low=1)
    policy_batch: int = setting(256, "transitions in an update of the policy", low=1)
    policy_rate: float = setting(3e-4, "step size of Adam for policy and critics", above=0)
    discount: float = setting(0.99, "discount of future gains", low=0, high=1)
    caution: float = setting(5.0, "weight of the critics' conservative term", low=0)
    draws: int = setting(10, "actions that the conservative term weighs, from each of three sources", low=1)
    updates: int = setting(401_000, "updates of policy and critics", low=1)
    checkpoint: int = setting(50_000, "updates between the policies that are compared in the end", low=1)
    neighbours: int = setting(10, "nearest visible designs by which they are compared", low=1)
    steps: int = setting(50, "steps of the search", low=0)
    scale_box: float = setting(0.05, "length factor of a step on a box, times sqrt(d)", above=0)
    scale_sequence: float = setting(2.0, "length factor of a step for sequences, times sqrt(d)", above=0)

    def propose(self, problem: Problem) -> Tensor:
        """Return `budget` designs: the best visible ones, moved by the policy that is judged best."""
        data = problem.encoded()
        fitted = self.train(problem)
        fitted.warn_if_useless(data.x, data.y)
        transitions = self.transitions(problem, fitted.ensemble)
        best, score = data.x[problem.starts()], torch.full((), -math.inf, device=problem.device)
        scores = []

        def compare(update: int, policy: StepPolicy) -> None:
            nonlocal best, score
            problem.progress(update, self.updates)
            if update % self.checkpoint and update < self.updates:
                return
            found = self.search(fitted.ensemble, policy, data.x[problem.starts()], problem.space.kind)
            new = neighbourhood(found, data.x, data.y, self.neighbours).max()
            scores.append(new)
            best, score = torch.where(new > score, found, best), torch.maximum(new, score)

        settings = ActorCritic(
            self.policy_hidden,
            self.policy_batch,
            self.policy_rate,
            self.discount,
            caution=self.caution,
            draws=self.draws,
        )
        trace = torch.stack(settings.train(transitions, self.updates, problem.generator, compare))
        policy_loss, critic_loss, entropy = on_host(trace[:: max(1, len(trace) // 100)].T, "the losses, for the record, once")
        problem.note(**fitted.history.facts(), policy_loss=policy_loss, critic_loss=critic_loss, entropy_weight=entropy)
        problem.note(checkpoint_scores=on_host(torch.stack(scores), "scores of the compared policies, for the record, once"))
        return data.decode(best)

    def search(self, ensemble: Ensemble, policy: StepPolicy, x: Tensor, kind: str) -> Tensor:
        """Designs (n, d) where the policy leads from x (n, d)."""
        scale = (self.scale_box if kind == "continuous" else self.scale_sequence) * math.sqrt(x.shape[1])
        gradient = gradient_of(lambda x: ensemble.mean(x)[0])
        for _ in range(self.steps):
            with torch.no_grad():
                action = policy.best(x)
            x = x + scale * action * gradient(x)
        return x

    def transitions(self, problem: Problem, ensemble: Ensemble) -> Transitions:
        """Trajectories between random designs among the best."""
        data = problem.encoded()
        top = problem.best(max(2, math.ceil(self.top * len(data.y))))
        gradient = gradient_of(lambda x: ensemble.mean(x)[0])
        slope = torch.cat([gradient(part) for part in data.x[top].split(4096)])
        rows = trajectories(len(top), self.trajectories, self.length, problem.generator, problem.device)
        return Transitions(data.x[top], data.y[top], slope, rows)

    def surrogate(self, problem: Problem) -> Surrogate:
        """The trained surrogate, for `bbo diagnose`; it predicts no standard deviation."""
        fitted = self.train(problem)
        return Surrogate(lambda x: (fitted.ensemble.mean(x)[0], None), fitted.history.facts())

    def train(self, problem: Problem) -> Fitted:
        """Train the surrogate on the visible table, z-scored."""
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


def neighbourhood(q: Tensor, x: Tensor, y: Tensor, count: int) -> Tensor:
    """Mean score (n,) of the `count` rows of x (N, d), with scores y (N,), that are nearest to each q (n, d)."""
    nearest = torch.cdist(q, x).topk(min(count, len(x)), largest=False).indices
    return y[nearest].mean(1)
