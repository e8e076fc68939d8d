"""The Gaussian process that judges proposals: predicted score, its uncertainty, and leave-one-out predictions of the table's own rows."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from botorch.exceptions import InputDataWarning, OptimizationWarning
from botorch.exceptions.errors import ModelFittingError
from botorch.fit import fit_gpytorch_mll
from botorch.models import SingleTaskGP
from gpytorch.mlls import ExactMarginalLogLikelihood
from linear_operator.utils.errors import NanError, NotPSDError
from torch import Tensor

from bbo.codecs import Codec
from bbo.errors import NumericalError
from bbo.space import Mixed

#: Most rows that the model is fitted to: half of them the best, the others random.
MOST_ROWS = 1000
#: L-BFGS iterations of the likelihood.
ITERATIONS = 150
#: Designs that are predicted at once.
BLOCK = 2048
#: Share of the rows, the best ones, that is hidden to see how far the model can be trusted beyond what it knows; and the fewest such.
HIDDEN = 0.2
FEWEST_HIDDEN = 5
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Model:
    """A fitted Gaussian process: RBF kernel, one lengthscale for each encoded number, with botorch's priors; float64.

    Attributes:
        codec: from designs to vectors. x: vectors (M, d) of the rows it knows. rows: their places in the table (M,).
        weights, factor: (K + noise)^-1 (y - mean), and the Cholesky factor of K + noise.
        mean, scale: of the scores. noise: variance of a measurement, in squares of `scale`.
    """

    gp: SingleTaskGP
    codec: Codec
    x: Tensor
    rows: np.ndarray
    y: np.ndarray
    weights: Tensor
    factor: Tensor
    prior: float
    mean: float
    scale: float
    noise: float

    @torch.no_grad()
    def predict(self, designs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Predicted scores (n,) of designs (n, D), and the standard deviations (n,) of one measurement of each."""
        means, deviations = [np.empty(0)], [np.empty(0)]
        for some in torch.as_tensor(designs).split(BLOCK):
            cross = self._kernel(self.codec.encode(some).double())
            solved = torch.linalg.solve_triangular(self.factor, cross.T, upper=False)
            variance = (self._variance - solved.square().sum(0)).clamp(min=0) + self.noise
            means.append(self.mean + self.scale * (self.prior + cross @ self.weights).numpy())
            deviations.append(self.scale * variance.sqrt().numpy())
        return np.concatenate(means), np.concatenate(deviations)

    @torch.no_grad()
    def value(self, designs: np.ndarray) -> np.ndarray:
        """Predicted scores (n,) of designs (n, D)."""
        means = [np.empty(0)]
        for some in torch.as_tensor(designs).split(BLOCK):
            cross = self._kernel(self.codec.encode(some).double())
            means.append(self.mean + self.scale * (self.prior + cross @ self.weights).numpy())
        return np.concatenate(means)

    @torch.no_grad()
    def left_out(self) -> tuple[np.ndarray, np.ndarray]:
        """Predictions (M,) of the model's own rows from all others, and their deviations (M,).

        Rasmussen and Williams, "Gaussian Processes for Machine Learning" (2006), equations 5.10 to 5.12; the kernel stays as it is.
        """
        inverse = torch.cholesky_inverse(self.factor).diagonal().numpy()
        return self.y - self.scale * self.weights.numpy() / inverse, self.scale / np.sqrt(inverse)

    def with_designs(self, designs: np.ndarray) -> Model:
        """The model that also knows some designs (n, D), at the scores that it predicts for them: only its uncertainty changes."""
        if not len(designs):
            return self
        scores = self.value(designs)
        x = torch.cat([self.x, self.codec.encode(torch.as_tensor(designs)).double()])
        return _conditioned(
            self.gp, self.codec, x, np.concatenate([self.rows, np.full(len(designs), -1)]), np.concatenate([self.y, scores]), self
        )

    @property
    def _variance(self) -> float:
        return float(getattr(self.gp.covar_module, "outputscale", torch.ones(())))

    def _kernel(self, x: Tensor) -> Tensor:
        return self.gp.covar_module(x, self.x).to_dense()


def moments(y: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of scores (N,), 1 where they are equal; also where squares would leave what float64 holds."""
    largest = float(np.abs(y).max()) or 1.0
    return float((y / largest).mean()) * largest, float((y / largest).std()) * largest or 1.0


def fit(space: Mixed, x: np.ndarray, y: np.ndarray, generator: np.random.Generator) -> Model:
    """The model of designs x (N, D) with scores y (N,), fitted by marginal likelihood with botorch.

    Raises:
        NumericalError: the fit failed.
    """
    rows = np.arange(len(x))
    if len(x) > MOST_ROWS:
        order = np.argsort(-y, kind="stable")
        half = MOST_ROWS // 2
        rows = np.sort(np.concatenate([order[:half], generator.choice(order[half:], MOST_ROWS - half, replace=False)]))
    x, y = x[rows], y[rows]
    codec = space.codec(CPU)
    inputs = codec.encode(torch.as_tensor(x)).double()
    mean, scale = moments(y)
    targets = torch.as_tensor((y - mean) / scale)[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputDataWarning)
        warnings.simplefilter("ignore", OptimizationWarning)
        gp = SingleTaskGP(inputs, targets, outcome_transform=None)
        try:
            fit_gpytorch_mll(
                ExactMarginalLogLikelihood(gp.likelihood, gp),
                optimizer_kwargs={"options": {"maxiter": ITERATIONS}},
                max_attempts=1,
                warning_handler=lambda warning: True,
            )
        except (ModelFittingError, NotPSDError, NanError) as error:
            raise NumericalError(f"the model could not be fitted to {len(x)} rows of {space.describe()}: {error}") from None
    gp.eval()
    return _conditioned(gp, codec, inputs, rows, y, None, mean, scale)


def widening(space: Mixed, x: np.ndarray, y: np.ndarray, generator: np.random.Generator) -> float:
    """How much too small the model's deviations are for designs better than all that it knows; at least 1.

    The best rows are hidden and a model is fitted to the others: the root mean square error of its predictions of the hidden rows, in its
    own standard deviations. 1 for tables too small to hide any.
    """
    hidden = round(HIDDEN * len(y))
    if hidden < FEWEST_HIDDEN:
        return 1.0
    order = np.argsort(y, kind="stable")
    rest, best = np.sort(order[:-hidden]), np.sort(order[-hidden:])
    mean, deviation = fit(space, x[rest], y[rest], generator).predict(x[best])
    return max(1.0, float(np.sqrt(np.mean(((y[best] - mean) / deviation) ** 2))))


@torch.no_grad()
def _conditioned(
    gp: SingleTaskGP,
    codec: Codec,
    x: Tensor,
    rows: np.ndarray,
    y: np.ndarray,
    old: Model | None,
    mean: float = 0.0,
    scale: float = 1.0,
) -> Model:
    mean, scale = (old.mean, old.scale) if old else (mean, scale)
    noise, prior = float(gp.likelihood.noise.mean()), float(gp.mean_module.constant)
    matrix = gp.covar_module(x, x).to_dense()
    matrix.diagonal().add_(noise)
    factor, info = torch.linalg.cholesky_ex(matrix)
    if int(info):
        raise NumericalError(f"the kernel matrix of {len(x)} rows has no Cholesky factor (noise {noise:.3g})")
    residual = torch.as_tensor((y - mean) / scale - prior)
    weights = torch.cholesky_solve(residual[:, None], factor)[:, 0]
    return Model(gp, codec, x, rows, y, weights, factor, prior, mean, scale, noise)
