"""Torch's square root, correctly rounded on every CPU.

Torch computes it in MKL, which starts from the CPU's own approximation of 1 / sqrt(x). Intel and AMD round that approximation differently, and
no variable of MKL changes it: in float32 one root in six is not the nearest number, and which ones depends on the maker.
NumPy takes the CPU's exact instruction.
"""

from __future__ import annotations

import warnings
from functools import cache

import numpy as np
import torch
from torch import Tensor


def square_root(x: Tensor) -> Tensor:
    """The square root of a tensor on the host, of any shape; correctly rounded in float32 and float64."""
    if x.dtype not in (torch.float32, torch.float64):
        return torch.pow(x, 0.5)  # torch's own root, by a way that does not come back here
    with np.errstate(invalid="ignore"):  # a negative number gives NaN in silence, as in torch
        return torch.from_numpy(np.asarray(np.sqrt(x.detach().resolve_neg().numpy())))


def square_root_(x: Tensor) -> Tensor:
    """The same, in place."""
    return x.copy_(square_root(x))


def square_root_out(x: Tensor, *, out: Tensor) -> Tensor:
    """The same, into `out`."""
    return out.resize_(x.shape).copy_(square_root(x))


@cache
def install() -> torch.library.Library:
    """Let all of torch on the host use it in this process, for good: `sqrt`, optimizers, gradients; not powers such as `x ** 0.5`."""
    library = torch.library.Library("aten", "IMPL")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torch says that a kernel is replaced, which is the aim
        library.impl("sqrt", square_root, "CPU")
        library.impl("sqrt_", square_root_, "CPU")
        library.impl("sqrt.out", square_root_out, "CPU")
    return library
