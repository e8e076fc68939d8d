"""The one way by which numbers leave the device."""

from __future__ import annotations

from typing import Any

from torch import Tensor


def on_host(tensor: Tensor, why: str, often: bool = False) -> Any:
    """A tensor's numbers as plain Python (a number, or lists of them).

    On a GPU this waits for all work queued before it, so it belongs outside inner loops. A test finds methods that move numbers in
    another way, or too often.

    Args:
        tensor: any shape, on any device.
        why: why the numbers must leave the device.
        often: the call is meant to happen more than a few dozen times a run; `why` says why.
    """
    assert why
    return tensor.detach().cpu().tolist()
