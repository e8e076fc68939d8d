"""Seeds that depend on what a cell is, never on when or in which order it runs."""

from __future__ import annotations

import hashlib

from bbo.record import CellSpec


def cell_seed(spec: CellSpec) -> int:
    """The generator's seed, a 63-bit integer hashed from task, method and seed number.

    Settings, versions and budget are left out on purpose: two settings of one method are compared under the same random numbers.
    """
    text = f"{spec.task}|{spec.baseline}|{spec.seed}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
