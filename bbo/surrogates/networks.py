"""Neural surrogates: perceptrons with one output (a mean) or two (mean and log standard deviation), and ensembles of them.

Every network maps designs (n, d) to outputs (n, k): column 0 is the predicted mean, column 1, where there is one, the log
standard deviation. An ensemble of K networks is one batched model: parameters carry a leading axis K (`torch.func`), and one
member is the same thing with K = 1.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional as F

from bbo.device import on_host

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1

#: Parameters of an ensemble by name; every tensor has the leading axis K.
Params = dict[str, Tensor]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "leaky_relu": lambda h: F.leaky_relu(h, 0.3),  # Keras' default slope, as in design-baselines
    "relu": F.relu,
    "softplus": F.softplus,
    "tanh": torch.tanh,
}


class Dense(nn.Module):
    """x W + b with W (inputs, outputs), Glorot uniform, and b zero.

    Not `nn.Linear`, whose transposed weight gets a transposed gradient once it is batched: half as fast in an ensemble, and
    fused Adam reads such a gradient in the wrong order.
    """

    def __init__(self, inputs: int, outputs: int, generator: Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(inputs, outputs, device=generator.device))
        self.bias = nn.Parameter(torch.zeros(outputs, device=generator.device))
        nn.init.xavier_uniform_(self.weight, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """Inputs (n, inputs) to outputs (n, outputs)."""
        return torch.addmm(self.bias, x, self.weight)


class MLP(nn.Module):
    """A multilayer perceptron, initialised as Keras does it: Glorot uniform weights, zero biases.

    With `gaussian` it has two outputs, and the second is the log standard deviation squashed by softplus between two trainable
    bounds that start at log 0.1 and log 0.2 (design-baselines, `gradient_ascent/nets.py`).

    With these arguments it is the surrogate of: Gradient Ascent (2048, 2048; gaussian), COMs, RaM and Tri-mentoring (2048, 2048;
    relu), CbAS, CMA-ES and REINFORCE (256,; gaussian), RoMA (64, 64; softplus, gaussian), MATCH-OPT (512, 128, 32).

    Args:
        dim: d, number of inputs.
        hidden: widths of the hidden layers.
        generator: source of the weights; the network is made on its device.
        activation: a key of `ACTIVATIONS`.
        gaussian: mean and log standard deviation instead of the mean alone.
    """

    def __init__(
        self, dim: int, hidden: Sequence[int], generator: Generator, activation: str = "leaky_relu", gaussian: bool = False
    ) -> None:
        super().__init__()
        widths = [dim, *hidden, 2 if gaussian else 1]
        self.layers = nn.ModuleList(Dense(a, b, generator) for a, b in itertools.pairwise(widths))
        self.activation = ACTIVATIONS[activation]
        if gaussian:
            self.max_log_std = nn.Parameter(torch.full((1,), math.log(0.2), device=generator.device))
            self.min_log_std = nn.Parameter(torch.full((1,), math.log(0.1), device=generator.device))
        self.gaussian = gaussian

    def forward(self, x: Tensor) -> Tensor:
        """Designs (n, d) to outputs (n, 1), or (n, 2) with `gaussian`."""
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
        out = self.layers[-1](x)
        if not self.gaussian:
            return out
        mean, log_std = out.split(1, dim=-1)
        log_std = self.max_log_std - F.softplus(self.max_log_std - log_std)
        log_std = self.min_log_std + F.softplus(log_std - self.min_log_std)
        return torch.cat([mean, log_std], dim=-1)


class Embedded(nn.Module):
    """Sequences (n, L) of letters, int64, to a vector for each letter, side by side, and these to an `MLP`.

    How CbAS and REINFORCE of design-baselines read sequences, with vectors of 256 numbers (its CMA-ES reads logits). Letters have the
    same vector in every position; vectors start uniform in +-0.05, as Keras' `Embedding` does.

    Args:
        letters: number of letters. length: L. width: numbers in a letter's vector.
        Others as for `MLP`.
    """

    def __init__(
        self,
        letters: int,
        length: int,
        width: int,
        hidden: Sequence[int],
        generator: Generator,
        activation: str = "leaky_relu",
        gaussian: bool = False,
    ) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.empty(letters, width, device=generator.device))
        nn.init.uniform_(self.vectors, -0.05, 0.05, generator=generator)
        self.mlp = MLP(length * width, hidden, generator, activation, gaussian)

    def forward(self, x: Tensor) -> Tensor:
        """Letters (n, L) to outputs (n, 1), or (n, 2) with `gaussian`."""
        return self.mlp(self.vectors[x].flatten(1))


@dataclass(frozen=True)
class Ensemble:
    """K networks of one architecture as one batched model.

    Attributes:
        template: a network of the architecture; its own weights are not used.
        params: the K members' weights, stacked.
    """

    template: nn.Module
    params: Params

    @classmethod
    def of(cls, members: Sequence[nn.Module]) -> Ensemble:
        """Stack networks of the same architecture; the members keep their own copies."""
        params, _ = stack_module_state(list(members))
        return cls(members[0], {name: p.detach() for name, p in params.items()})

    @property
    def members(self) -> int:
        """K."""
        return len(next(iter(self.params.values())))

    def __call__(self, x: Tensor, params: Params | None = None) -> Tensor:
        """Outputs (K, n, k) at designs x: (n, d), seen by all members, or (K, n, d), each member its own.

        `params` (default: the ensemble's own) lets a training loop evaluate other weights.
        """

        def one(weights: Params, rows: Tensor) -> Tensor:
            return functional_call(self.template, weights, (rows,))

        return vmap(one, in_dims=(0, 0 if x.ndim == 3 else None))(self.params if params is None else params, x)

    def mean(self, x: Tensor, params: Params | None = None) -> Tensor:
        """Predicted means (K, n) at designs (n, d) or (K, n, d)."""
        return self(x, params)[..., 0]


def spawn(generator: Generator, count: int) -> list[Generator]:
    """Independent generators, one for each member, seeded from `generator`."""
    drawn = torch.randint(2**62, (count,), generator=generator, device=generator.device)
    seeds = on_host(drawn, "seeds of generators, once")
    return [Generator(generator.device).manual_seed(seed) for seed in seeds]
