"""MuJoCo, without its habit of writing a file MUJOCO_LOG.TXT into the current folder when a simulation breaks down."""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def mujoco() -> Any:
    """The package, loaded on first use; its warnings go nowhere, since the tasks look at the states themselves."""
    import mujoco

    mujoco.set_mju_user_warning(lambda text: None)
    return mujoco
