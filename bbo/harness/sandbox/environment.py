"""The environment variables of a method's process: an allow-list, so that no secret, job or path of the user reaches a method."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from bbo import numerics

#: Variables that libraries read when they are loaded, by how their names begin.
LIBRARIES = (
    "OMP_", "KMP_", "GOMP_", "MKL_", "OPENBLAS_", "BLIS_", "NVPL_", "VECLIB_", "NUMEXPR_", "NUMBA_", "ATEN_", "ONEDNN_", "DNNL_",
    "NPY_", "TORCH_", "PYTORCH_", "TRITON_", "CUDA", "CUBLAS_", "CUDNN_", "NVIDIA_", "HIP_", "ROCR_", "HSA_", "MIOPEN_", "LD_",
    "MALLOC_", "PYTHON",
)  # fmt: skip
#: Further variables by how their names begin, and whole names.
OTHERS = ("LC_", "LOKY_", "JOBLIB_")
NAMES = frozenset({"PATH", "LANG", "LANGUAGE", "TZ", "TERM", "USER", "LOGNAME", "VIRTUAL_ENV", "CONDA_PREFIX"})
#: A variable whose name has one of these words is left out whatever else its name says, such as NVIDIA_API_KEY.
SECRETS = ("KEY", "TOKEN", "SECRET", "PASSW", "CREDENTIAL", "AUTH")


def passes(name: str) -> bool:
    """Whether a variable of the user reaches a method."""
    return (name in NAMES or name.startswith((*LIBRARIES, *OTHERS))) and not any(word in name.upper() for word in SECRETS)


def of_method(given: Mapping[str, str], threads: int, work: Path, mode: str) -> dict[str, str]:
    """The environment of a method's process.

    Args:
        given: the host's environment.
        threads: of BLAS and torch.
        work: the private folder, its home.
        mode: of the numerical libraries (`bbo.numerics`).
    """
    passed = {name: value for name, value in given.items() if passes(name)}
    # BLAS reads its thread count when it is loaded, cuBLAS its workspace when CUDA starts; DYNAMIC lets a busy machine
    # change the number of threads, and the hash seed the order of sets: both can change the last bits of a result.
    counts = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    fixed = {"MKL_DYNAMIC": "FALSE", "OMP_DYNAMIC": "FALSE", "PYTHONHASHSEED": "0", "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
    own = dict.fromkeys(("TMPDIR", "HOME", "PWD"), os.fspath(work))
    return {**numerics.environment(mode, passed), **counts, **fixed, **own}
