"""Seeds that depend on what a cell is, never on when or in which order it runs."""

from __future__ import annotations

import hashlib

from bbo.record import CellSpec


def cell_seed(spec: CellSpec) -> int:
    """The generator's seed, a 63-bit integer hashed from task, method and seed number.

    Settings, versions and budget are left out on purpose, and so is the regulariser of a composed name (`coms+ignite`): two
    settings of a method, or the method with and without a regulariser, are compared under the same random numbers.
    """
    method = spec.method.partition("+")[0]
    text = f"{spec.task}|{method}|{spec.seed}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
