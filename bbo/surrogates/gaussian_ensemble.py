"""The ensemble of five small Gaussian-head networks that design-baselines' searches use: CMA-ES, REINFORCE, BO-qEI."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Generator, Tensor, nn

from bbo.problem import Problem
from bbo.settings import setting
from bbo.space import Sequence
from bbo.surrogates import losses
from bbo.surrogates.diagnostics import Surrogate, mixture
from bbo.surrogates.networks import MLP, Embedded, Ensemble, spawn
from bbo.surrogates.training import Fitted, TrainingSettings, fit

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1

#: Smaller than the published settings: at most 600 batches, a narrower network and larger steps of Adam to make up for it.
FAST = {"hidden": 128, "learning_rate": 3e-3, "max_updates": 600, "embedding": 16}
SMOKE = {"hidden": 16, "batch_size": 256, "learning_rate": 1e-2, "max_updates": 20, "embedding": 4}


@dataclass(frozen=True)
class GaussianEnsemble(TrainingSettings):
    """Settings and training of the ensemble, for methods to inherit; all members train as one batched model.

    One hidden layer of 256 units with LeakyReLU(0.3), a mean and a log standard deviation between two trainable bounds, Adam on the
    negative log likelihood with bootstrap counts as sample weights, last epoch kept (design-baselines @785dbcf, `nets.py`,
    `trainers.py` and `experiments.py` of each method).
    """

    hidden: int = 256
    layers: int = 1
    epochs: int = 100
    batch_size: int = 100
    learning_rate: float = 1e-3
    validation: int = 200
    members: int = setting(5, "networks in the ensemble", low=1)
    embedding: int = setting(256, "numbers in a letter's vector, where the network reads letters", low=1)

    def train(self, problem: Problem, letters: bool = False) -> Fitted:
        """Train on the visible table: z-scored designs, or with `letters` the sequences themselves through an embedding.

        Warns where the members learned nothing.
        """
        data = problem.encoded()
        counts = problem.space.letters if letters and isinstance(problem.space, Sequence) else ()
        x = problem.x if counts else data.x

        def network(generator: Generator) -> nn.Module:
            if counts:
                return Embedded(max(counts), len(counts), self.embedding, self.widths, generator, gaussian=True)
            return MLP(data.dim, self.widths, generator, gaussian=True)

        fitted = fit(
            network,
            x,
            data.y,
            self.plan(bootstrap=True),
            losses.nll,
            spawn(problem.generator, self.members),
            self.regulariser(self.members, problem.device),
            progress=problem.progress,
        )
        fitted.warn_if_useless(x, data.y)
        problem.note(**fitted.history.facts())
        return fitted


def mean_of(ensemble: Ensemble, x: Tensor) -> Tensor:
    """Mean (n,) of the mixture of all members at x (n, d)."""
    return ensemble.mean(x).mean(0)


def diagnosed(fitted: Fitted) -> Surrogate:
    """The ensemble as an equal mixture of its members, for `bbo diagnose`; for networks that read z-scored designs."""
    return Surrogate(lambda x: mixture(fitted.ensemble(x)), fitted.history.facts())
