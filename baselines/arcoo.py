"""ARCOO: gradient ascent whose steps shrink as an energy model sees designs leave the data."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from bbo.device import on_host
from bbo.method import Method, MethodSpec, setting
from bbo.problem import Problem
from bbo.search.ascent import ascend, gradient_of
from bbo.surrogates.diagnostics import Surrogate
from bbo.surrogates.energy import EnergyLoss, TwoHeads, gate
from bbo.surrogates.networks import spawn
from bbo.surrogates.training import Fitted, TrainingSettings, fit


@dataclass(frozen=True)
class Arcoo(TrainingSettings, Method):
    """Gradient ascent with steps gated by energy: full where designs look like the data, none where free ascent would lead.

    ARCOO, "Degradation-Resistant Offline Optimization via Accumulative Risk Control" (ECAI 2023), as in SOO-Bench
    (zhuyiyi-123/SOO-Bench @db9fba5).

    1. Train a network with two heads (`bbo.surrogates.energy`): a prediction by squared error, and an energy that is low on the
       data and high where 64 ascent steps of the prediction lead. 2. E_min is the mean energy of the best visible designs, E_max
       that of the same after 64 free ascent steps. 3. From the best visible designs take 100 steps x <- x + m clip((E_max - E(x)) /
       (E_max - E_min), 0, 1) grad f(x), m = 0.02 sqrt(d), within the box.

    The released code trains one epoch: `launch(train, validate, 64, True)` fills (logger, epochs), so that the number of epochs is
    True. We train 64; `faithful` trains one.

    Deviations: designs and scores are z-scored; the released code takes them as they are. Both losses are minimised in one step of Adam,
    where theirs take turns, each with an Adam of its own; the prediction and the energies of data and negatives share one draw of
    dropout, where theirs are passes of their own. Negatives are made without dropout. A tenth of the rows is held out instead of a fifth;
    they decide nothing. Where E_max is not above E_min, steps are full. Weights start as in Keras.
    `layers`, a setting of training, is not used by this method: the network is that of `bbo.surrogates.energy`.
    """

    spec = MethodSpec(
        id="arcoo",
        version=2,
        kind="surrogate",
        title="ARCOO, energy-gated ascent",
        paper="Lu et al., ECAI 2023",
        code="zhuyiyi-123/SOO-Bench @db9fba5",
        year=2023,
        composable=True,
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {},
        # Smaller than the published settings: a sixteenth of the width, twice the batch, at most 150 batches, an eighth of
        # the steps to negatives.
        "fast": {"hidden": 128, "batch_size": 256, "max_updates": 150, "negative_steps": 8},
        "smoke": {
            "hidden": 32,
            "batch_size": 256,
            "learning_rate": 3e-3,
            "max_updates": 20,
            "negative_steps": 5,
            "steps": 20,
            "step_size": 0.2,
        },
    }

    epochs: int = 64
    learning_rate: float = 1e-3
    validation: int = setting(1_000_000, "rows held out, at most a tenth of all, which is the default", low=0)
    negative_steps: int = setting(64, "ascent steps to negatives, and to E_max", low=1)
    steps: int = setting(100, "steps of the search", low=0)
    step_size: float = setting(0.02, "length factor of every ascent step, times sqrt(d)", above=0)
    faithful: bool = setting(False, "train one epoch, as the released code does by mistake")

    def propose(self, problem: Problem) -> Tensor:
        """Return `budget` designs: the best visible ones, moved up the prediction by gated steps."""
        data = problem.encoded()
        fitted = self.train(problem)
        fitted.warn_if_useless(data.x, data.y)
        ensemble = fitted.ensemble
        size = self.step_size * math.sqrt(data.dim)
        gradient = gradient_of(lambda x: ensemble.mean(x)[0])

        @torch.no_grad()
        def energy(x: Tensor) -> Tensor:
            return ensemble(x)[0, :, 1]

        start = data.x[problem.starts()]
        low, high = energy(start).mean(), energy(ascend(gradient, start, self.negative_steps, size)).mean()
        box = None
        if problem.space.kind == "continuous":
            box = data.encode(torch.as_tensor(problem.space.corners(2), device=problem.device))
        x, shares = start, []
        for step in range(1, self.steps + 1):
            share = gate(energy(x), low, high)
            x = x + size * share[:, None] * gradient(x)
            x = x if box is None else x.clamp(box[0], box[1])
            shares.append(share.mean())
            problem.progress(step, self.steps, lambda: data.decode(x))  # noqa: B023
        least, most = on_host(torch.stack([low, high]), "the energies between which steps shrink, for the record, once")
        problem.note(**fitted.history.facts(), energy_min=least, energy_max=most)
        if shares:
            problem.note(mean_gate=on_host(torch.stack(shares), "the path of the gate, for the record, once"))
        return data.decode(x)

    def surrogate(self, problem: Problem) -> Surrogate:
        """The prediction head, for `bbo diagnose`; it predicts no standard deviation."""
        fitted = self.train(problem)
        return Surrogate(lambda x: (fitted.ensemble.mean(x)[0], None), fitted.history.facts())

    def train(self, problem: Problem) -> Fitted:
        """Train both heads on the visible table, z-scored."""
        data = problem.encoded()
        weights, draws = spawn(problem.generator, 2)
        network = TwoHeads(data.dim, self.hidden, weights)
        loss = EnergyLoss(network, draws, self.negative_steps, self.step_size * math.sqrt(data.dim))
        plan = self.plan()
        fitted = fit(
            lambda _: network,
            data.x,
            data.y,
            replace(plan, epochs=1) if self.faithful else plan,
            loss,
            [weights],
            self.regulariser(1, problem.device),
            criterion=loss.squared_error,
            progress=problem.progress,
        )
        network.keep_all()
        return fitted
