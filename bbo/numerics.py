"""Which kernels the numerical libraries use, and a fingerprint of what they compute.

Torch, MKL, oneDNN, OpenBLAS and NumPy choose their kernels by the CPU, and other kernels round differently. In the mode `portable` all of
them are held to AVX2, which every x86-64 CPU of the last ten years has, and to one thread. MKL, however, has kernels of its own for CPUs not
made by Intel, whatever it is told, so the bits are those of the maker. In the mode `compatible` MKL uses the one set that it promises to be
the same on all CPUs, at two to three times the time of a matrix product, and `complete` replaces torch's square root, which no variable
governs; the others are held as in `portable`. In the mode `native` all choose freely. The libraries read their variables once, so `choose`
comes before they load.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import Any

MODES = ("portable", "compatible", "native")
#: Those that fix the kernels, and with them one thread.
FIXED = MODES[:2]
#: What the reference machine computed; `tools/reference_numerics.py` writes it.
REFERENCE = "numerics.json"
#: Packages whose version can change a digest.
PACKAGES = ("torch", "numpy", "scipy")


def variables(mode: str = "portable") -> dict[str, str]:
    """The environment variables of a mode that fixes the kernels."""
    # NumPy renamed its groups of instructions in 2.4, and complains about names that it does not know.
    newer = tuple(int(part) for part in version("numpy").split(".")[:2]) >= (2, 4)
    wider = "X86_V4 AVX512_ICL AVX512_SPR" if newer else "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL"
    return {
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_CBWR": "COMPATIBLE" if mode == "compatible" else "AVX2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
        "NPY_DISABLE_CPU_FEATURES": wider,
    }


def choose(mode: str = "portable") -> None:
    """Choose a mode that fixes the kernels for this process, unless the caller has chosen others (as `make numerics` does)."""
    if "ATEN_CPU_CAPABILITY" not in os.environ:
        os.environ.update(variables(mode))


def environment(mode: str, given: Mapping[str, str]) -> dict[str, str]:
    """An environment in which a new process computes in `mode`; kernels that the user chose by other values stay in `native`."""
    if mode in FIXED:
        return {**given, **variables(mode)}
    portable = variables()
    return {name: value for name, value in given.items() if portable.get(name) != value}


def complete() -> None:
    """What the mode `compatible` needs besides its variables, once torch can be imported; nothing in other modes."""
    if all(os.environ.get(name) == value for name, value in variables("compatible").items()):
        from bbo import square_root

        square_root.install()


def missing(threads: bool = True, mode: str = "portable") -> str:
    """Why this process does not compute in a mode that fixes the kernels; empty if it does. Without `threads`, their number does not count."""
    import torch

    if wrong := {name: value for name, value in variables(mode).items() if os.environ.get(name) != value}:
        settings = " ".join(f'{name}="{value}"' for name, value in wrong.items())
        return f"not in the {mode} numerics mode: set {settings}"
    found = torch.backends.cpu.get_cpu_capability()
    if found != "AVX2":
        return f"the {mode} numerics mode needs an x86-64 CPU with AVX2; torch finds {found} here"
    if threads and torch.get_num_threads() != 1:
        return f"the {mode} numerics mode is one thread; torch has {torch.get_num_threads()}: call torch.set_num_threads(1)"
    return ""


def mode() -> str:
    """The mode in which this process computes."""
    return next((name for name in FIXED if not missing(mode=name)), "native")


@cache
def operations(every: bool = False) -> dict[str, str]:
    """Digests of what basic operations compute in this process with one thread: name to eight hex digits. Takes a few milliseconds.

    The operations are those in which the methods spend their time, and those whose kernels depend on the CPU. Those that are not part of
    the fingerprint only if asked for: SciPy's, whose import takes longer than all others together, and torch's square root, which older
    records do not know.
    """
    import numpy as np
    import torch
    from threadpoolctl import threadpool_limits

    # Integers modulo a prime: the same numbers on every machine, whatever its random generators do.
    whole = np.arange(1, 65536, dtype=np.int64)
    uniform = (whole * whole % 65537).astype(np.float64) / 65537.0 - 0.5
    single = torch.from_numpy(uniform.astype(np.float32)[:65280])
    a, b, rows = single.view(255, 256), single.view(256, 255), single.view(-1, 255)
    square = uniform[:22500].reshape(150, 150)
    positive = square @ square.T + np.eye(150)
    double = torch.from_numpy(positive)
    signal, kernel = single[: 16 * 32 * 64].view(16, 32, 64), single[: 32 * 32 * 3].view(32, 32, 3)
    work: dict[str, Callable[[], Any]] = {
        "torch matmul": lambda: a @ b,
        "torch matmul float64": lambda: torch.from_numpy(square) @ torch.from_numpy(square),
        "torch batched matmul": lambda: single.view(16, 60, 68).bmm(single.view(16, 68, 60)),
        "torch exp": lambda: single.exp(),
        "torch log": lambda: (single + 1).log(),
        "torch tanh": lambda: single.tanh(),
        "torch silu": lambda: torch.nn.functional.silu(single),
        "torch softmax": lambda: rows.softmax(1),
        "torch sum": lambda: rows.sum(1),
        "torch convolution": lambda: torch.nn.functional.conv1d(signal, kernel),
        "torch cholesky": lambda: torch.linalg.cholesky(double),
        "torch eigenvalues": lambda: torch.linalg.eigvalsh(double),
        "numpy matmul": lambda: positive @ square,
        "numpy exp": lambda: np.exp(uniform),
        "numpy log float32": lambda: np.log(uniform.astype(np.float32) + 1),
        "numpy sum": lambda: square.sum(axis=1),
    }
    if every:
        from scipy.linalg import cho_factor

        work["scipy cholesky"] = lambda: cho_factor(positive)[0]
        work["torch square root"] = lambda: (single + 1).sqrt()
    threads = torch.get_num_threads()  # torch divides its own loops by this number, which `threadpool_limits` does not change
    torch.set_num_threads(1)
    try:
        with torch.no_grad(), threadpool_limits(1):
            return {name: hashlib.sha256(np.ascontiguousarray(run()).tobytes()).hexdigest()[:8] for name, run in work.items()}
    finally:
        torch.set_num_threads(threads)


def fingerprint() -> str:
    """Twelve hex digits that are equal where all `operations` but SciPy's and torch's square root compute the same bits."""
    return hashlib.sha256(json.dumps(operations(), sort_keys=True).encode()).hexdigest()[:12]


def versions() -> dict[str, str]:
    """Versions of the packages that compute."""
    return {name: version(name) for name in PACKAGES}


def reference() -> dict[str, Any]:
    """What the machine of the reference results computed: `cpu`, `packages`, and `operations` by mode."""
    found: dict[str, Any] = json.loads(files("bbo").joinpath(REFERENCE).read_text())
    return found
