"""Model inversion networks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from bbo.generative.diffusion_training import loss_facts
from bbo.generative.gan import Conditional, critic_loss
from bbo.generative.letters import LetterTable
from bbo.generative.score_weights import histogram_weights
from bbo.generative.vae import epochs
from bbo.method import Method, MethodSpec, setting
from bbo.problem import Problem


@dataclass(frozen=True)
class MINs(Method):
    """A conditional GAN learns the map from a score back to designs and is asked for the best visible score.

    arXiv 1912.13464; brandontrabucco/design-baselines @785dbcf, `mins`. A Wasserstein GAN with gradient penalty, x = G(z, y), is trained
    on rows weighted towards high y (20 bins, softmax of the right edges at temperature 0.1, at most 5); ten critic steps for one of the
    generator. Then z is drawn from N(0, I) and y is the best visible score: no privileged knowledge. x and y are z-scored on a box;
    sequences are tables of probabilities, 0.99 on the letter, drawn by Gumbel-softmax at a temperature that falls from 5 to 1, and at
    the end drawn outright (theirs: at temperature 0.001).

    The authors' code trains two such GANs, "explore" and "exploit", alike; only the second is used, so one is trained here. It also
    trains a forward model that nothing reads in the offline setting; there is none here, so no regulariser of a surrogate
    (`+ignite`) could change anything.

    Deviations: no rows are held out (theirs sets 200 aside and selects nothing by them). Positions may have different numbers of letters.

    Known weakness: on some tables the training fills with denormal numbers, which are slow on Intel CPUs: on ehrlich-32 with seed 3
    `fast` takes 118 s there, and 11 s where they are flushed to 0.
    """

    spec = MethodSpec(
        id="mins",
        version=2,
        kind="generative",
        title="MINs: model inversion",
        paper="arXiv 1912.13464",
        code="brandontrabucco/design-baselines @785dbcf, mins",
        year=2020,
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {},
        "paper:tfbind10": {"epochs": 100},
        "paper:hopper": {"epochs": 500},
        # An eighth of the width, at most 400 critic steps, two of them for one of the generator, larger steps.
        "fast": {"hidden": 128, "max_updates": 400, "critic_steps": 2, "learning_rate": 1e-3},
        "smoke": {"hidden": 16, "max_updates": 20, "critic_steps": 2, "learning_rate": 1e-3},
    }

    hidden: int = setting(1024, "width of the hidden layers of generator and critic", low=1)
    latent: int = setting(32, "random numbers the generator starts from", low=1)
    epochs: int = setting(200, "passes of the critic over the rows", low=1)
    batch_size: int = setting(128, "rows in a batch", low=1)
    learning_rate: float = setting(2e-4, "step size of Adam (betas 0 and 0.9), for both", above=0)
    max_updates: int = setting(0, "no more batches than this; 0 for no cap", low=0)
    critic_steps: int = setting(10, "steps of the critic for one of the generator", low=1)
    penalty: float = setting(10.0, "weight of the gradient penalty", low=0)
    weight_temperature: float = setting(0.1, "temperature of the rows' weights", unit="z-scored units", above=0)
    keep: float = setting(0.99, "probability left on a sequence's own letters", above=0, high=1)
    start_temperature: float = setting(5.0, "temperature of Gumbel-softmax in the first epoch", above=0)
    final_temperature: float = setting(1.0, "temperature of Gumbel-softmax in the last epoch", above=0)

    def propose(self, problem: Problem) -> Tensor:
        """Return `budget` designs, drawn from the generator at the best visible score."""
        generator, table = self.trained(problem)
        return self.draw(problem, generator, table, problem.encoded().y.max())

    def trained(self, problem: Problem) -> tuple[Conditional, LetterTable | None]:
        """The trained generator, and for sequences the table its outputs fill."""
        table = LetterTable.of_space(problem.space, problem.device)
        width = table.dim if table else problem.encoded().dim
        generator = Conditional(self.latent, self.hidden, width, problem.generator)
        self.train(problem, generator, Conditional(width, self.hidden, 1, problem.generator), table)
        return generator, table

    @torch.no_grad()
    def draw(self, problem: Problem, generator: Conditional, table: LetterTable | None, y: Tensor) -> Tensor:
        """`budget` designs, drawn at the z-scored score y ()."""
        random = problem.generator
        noise = torch.randn(problem.budget, self.latent, generator=random, device=problem.device)
        raw = generator(noise, y.expand(problem.budget))
        return table.drawn(table.log_probabilities(raw), random) if table else problem.encoded().decode(raw)

    def train(self, problem: Problem, generator: Conditional, critic: Conditional, table: LetterTable | None) -> None:
        """Train both networks in place; their losses are noted."""
        data, random = problem.encoded(), problem.generator
        weight = histogram_weights(data.y, self.weight_temperature)
        both = [torch.optim.Adam(n.parameters(), self.learning_rate, (0.0, 0.9), 1e-7, fused=True) for n in (generator, critic)]
        batches = math.ceil(len(data.x) / self.batch_size)
        total = min(self.epochs * batches, self.max_updates or math.inf)

        def real(rows: Tensor, temperature: float) -> Tensor:
            if table is None:
                return data.x[rows]
            return table.relaxed(table.smoothed(problem.x[rows], self.keep), temperature, random)

        def fake(y: Tensor, temperature: float) -> Tensor:
            raw = generator(torch.randn(len(y), self.latent, generator=random, device=problem.device), y)
            return table.relaxed(table.log_probabilities(raw), temperature, random) if table else raw

        traces: tuple[list[Tensor], list[Tensor]] = ([], [])
        for done, rows in enumerate(epochs(len(data.x), self.batch_size, self.epochs, self.max_updates, random)):
            y, w = data.y[rows], weight[rows]
            temperature = self.temperature(done // batches, math.ceil(total / batches))
            with torch.no_grad():
                imagined = fake(y, temperature)
            share = torch.rand(len(rows), generator=random, device=problem.device)
            loss = (w * critic_loss(critic, real(rows, temperature), imagined, y, share, self.penalty)).mean()
            traces[1].append(_step(both[1], critic, loss))
            if done % self.critic_steps == 0:
                loss = (w * -critic(fake(y, temperature), y)[:, 0]).mean()
                traces[0].append(_step(both[0], generator, loss))
            problem.progress(done + 1, int(total))
        problem.note(generator_loss=loss_facts(torch.stack(traces[0])), critic_loss=loss_facts(torch.stack(traces[1])))

    def temperature(self, epoch: int, count: int) -> float:
        """Of Gumbel-softmax in an epoch of `count`: linear from start to final."""
        share = epoch / max(count - 1, 1)
        return (1 - share) * self.start_temperature + share * self.final_temperature


def _step(optimiser: torch.optim.Optimizer, network: Conditional, loss: Tensor) -> Tensor:
    """One update of the network's weights; the loss before it. The other network's weights get no gradient."""
    parameters = list(network.parameters())
    for parameter, slope in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        parameter.grad = slope
    optimiser.step()
    return loss.detach()
