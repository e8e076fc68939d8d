"""The one way by which numbers leave the device, with the reason why they must.

On a GPU a transfer waits for all work queued before it, so it belongs outside inner loops. A test finds methods that move numbers in
another way, or too often.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor


def on_host(tensor: Tensor, why: str, often: bool = False) -> Any:
    """A tensor's numbers as plain Python (a number, or lists of them).

    Args:
        tensor: any shape, on any device.
        why: why the numbers must leave the device.
        often: the call is meant to happen more than a few dozen times a run; `why` says why.
    """
    return array_on_host(tensor, why, often).tolist()


def array_on_host(tensor: Tensor, why: str, often: bool = False) -> np.ndarray:
    """A tensor as an array of the same type; arguments as for `on_host`."""
    assert why
    return tensor.detach().cpu().numpy()
