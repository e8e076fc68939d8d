"""One round of Bayesian optimization with batches, by botorch: fit a GP, maximise expected improvement, return a batch."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import torch
from botorch.acquisition import AcquisitionFunction
from botorch.acquisition.logei import qLogExpectedImprovement
from botorch.acquisition.monte_carlo import qExpectedImprovement
from botorch.exceptions import BadInitialCandidatesWarning, InputDataWarning, OptimizationWarning
from botorch.exceptions.errors import ModelFittingError
from botorch.exceptions.warnings import NumericsWarning
from botorch.fit import fit_gpytorch_mll
from botorch.generation import gen_candidates_scipy
from botorch.models import SingleTaskGP
from botorch.models.model import Model
from botorch.optim import optimize_acqf
from botorch.sampling.normal import SobolQMCNormalSampler
from gpytorch.mlls import ExactMarginalLogLikelihood
from linear_operator.utils.errors import NanError, NotPSDError
from torch import Tensor

from bbo.errors import NumericalError

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1


@dataclass(frozen=True)
class Round:
    """How a batch is found.

    Args:
        acquisition: "qlogei", the logarithm of the expected improvement, whose gradient does not vanish, or "qei".
        batch: designs of a round. samples: Sobol samples of the expectation.
        restarts: starts of the maximisation, `together` of them at a time. raw: random points from which they are chosen.
        iterations: most L-BFGS iterations of the maximisation.
    """

    acquisition: str
    batch: int
    samples: int
    restarts: int
    raw: int
    together: int
    iterations: int


def fitted(x: Tensor, y: Tensor, noise: float, iterations: int, state: dict[str, Tensor] | None = None) -> SingleTaskGP:
    """A GP with botorch's kernel and priors and a known noise variance, given x (n, d) and y (n,); float64.

    Args:
        iterations: most L-BFGS iterations of the likelihood.
        state: hyper-parameters to start from, of an earlier fit.

    Raises:
        NumericalError: the fit failed.
    """
    targets = y.double()[:, None]
    with warnings.catch_warnings():
        # The scale is the methods' own: all visible designs z-scored, of which these are the best.
        warnings.simplefilter("ignore", InputDataWarning)
        model = SingleTaskGP(x.double(), targets, torch.full_like(targets, noise), outcome_transform=None)
    if state is not None:
        model.load_state_dict(state, strict=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OptimizationWarning)
        try:
            fit_gpytorch_mll(
                ExactMarginalLogLikelihood(model.likelihood, model),
                optimizer_kwargs={"options": {"maxiter": iterations}},
                max_attempts=1,
                warning_handler=lambda warning: True,
            )
        except (ModelFittingError, NotPSDError, NanError) as error:
            raise NumericalError(f"the likelihood fit on {len(x)} designs of {x.shape[1]} coordinates failed: {error}") from error
    return model


def hyperparameters(model: SingleTaskGP) -> dict[str, Tensor]:
    """What a later fit can start from: the kernel's and the mean's parameters."""
    return {name: value for name, value in model.state_dict().items() if name.startswith(("covar_module", "mean_module"))}


def acquisition(model: Model, best: Tensor, kind: str, samples: int, seed: int) -> AcquisitionFunction:
    """(Log) expected improvement over `best` of a batch, as a function of designs (..., q, d)."""
    sampler = SobolQMCNormalSampler(sample_shape=torch.Size([samples]), seed=seed)
    made = {"qei": qExpectedImprovement, "qlogei": qLogExpectedImprovement}[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumericsWarning)  # of the published one, kept for what it is
        return made(model=model, best_f=best, sampler=sampler)


def propose(model: SingleTaskGP, best: Tensor, bounds: Tensor, plan: Round, seed: int) -> Tensor:
    """A batch (q, d) that maximises the acquisition function inside bounds (2, d); float64.

    botorch draws from torch's global generator too, so that is seeded here and put back.
    """
    function = acquisition(model, best, plan.acquisition, plan.samples, seed)
    devices = [bounds.device] if bounds.is_cuda else []
    with torch.random.fork_rng(devices), warnings.catch_warnings():
        for kind in (BadInitialCandidatesWarning, InputDataWarning, OptimizationWarning, RuntimeWarning):
            warnings.simplefilter("ignore", kind)
        torch.manual_seed(seed)
        found, _ = optimize_acqf(
            function,
            bounds=bounds.double(),
            q=plan.batch,
            num_restarts=plan.restarts,
            raw_samples=plan.raw,
            gen_candidates=candidates,
            options={"batch_limit": plan.together, "maxiter": plan.iterations, "seed": seed},
        )
    return found


def candidates(
    start: Tensor, acquisition: AcquisitionFunction, fixed_features: Any = None, **options: Any
) -> tuple[Tensor, Tensor]:
    """botorch's L-BFGS, for `optimize_acqf`, which hands over an empty mapping where no coordinate is fixed.

    Then botorch would copy the designs coordinate by coordinate at each step, in time that grows with d squared.
    """
    found: tuple[Tensor, Tensor] = gen_candidates_scipy(start, acquisition, fixed_features=fixed_features or None, **options)
    return found
