"""The one way by which numbers leave the device."""

from __future__ import annotations

from typing import Any

from torch import Tensor


def on_host(tensor: Tensor, why: str, often: bool = False) -> Any:
    """A tensor's numbers as plain Python (a number, or lists of them).

    On a GPU this waits for everything before it, so it belongs outside inner loops. A test watches over methods for transfers that
    do not go through here, and for those that come often.

    Args:
        why: why the numbers must leave the device.
        often: it is meant to be called more than a few dozen times a run, and `why` says why it must.
    """
    assert why
    return tensor.detach().cpu().tolist()
