"""Seeds that depend on what a cell is, never on when or in which order it runs."""

from __future__ import annotations

import hashlib

from bbo.record import CellSpec


def cell_seed(spec: CellSpec) -> int:
    """The generator's seed of a cell."""
    return seed_of(spec.task, spec.method, spec.seed)


def seed_of(task: str, method: str, seed: int) -> int:
    """The generator's seed, a 63-bit integer hashed from the ids of task and method and the seed number.

    Settings, versions and budget are left out on purpose, and so is the regulariser of a composed name (`coms+ignite`): two
    settings of a method, or the method with and without a regulariser, are compared under the same random numbers.
    """
    text = f"{task}|{method.partition('+')[0]}|{seed}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
