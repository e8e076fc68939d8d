"""The numerics mode in which results have the same bits on every x86-64 CPU with AVX2, so that digests can be committed.

Import this and call `choose` before torch and NumPy load: they read these variables once.
"""

from __future__ import annotations

import os

#: Which kernels torch, MKL and OpenBLAS use.
VARIABLES = {"ATEN_CPU_CAPABILITY": "avx2", "MKL_CBWR": "AVX2", "OPENBLAS_CORETYPE": "Haswell"}


def choose() -> None:
    """Set the variables, unless the caller has chosen other kernels (as `make numerics` does)."""
    if "ATEN_CPU_CAPABILITY" not in os.environ:
        os.environ.update(VARIABLES)


def missing() -> str:
    """Why this process does not compute in the portable mode; empty if it does."""
    import torch

    if wrong := {name: value for name, value in VARIABLES.items() if os.environ.get(name) != value}:
        return f"not in the portable numerics mode: set {' '.join(f'{name}={value}' for name, value in wrong.items())}"
    found = torch.backends.cpu.get_cpu_capability()
    if found != "AVX2":
        return f"the portable numerics mode needs an x86-64 CPU with AVX2; torch finds {found} here"
    if torch.get_num_threads() != 1:
        return f"the portable numerics mode is one thread; torch has {torch.get_num_threads()}: call torch.set_num_threads(1)"
    return ""
