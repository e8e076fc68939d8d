"""What all tests share: one thread, the portable numerics mode, and no deadline for hypothesis on a busy machine."""

import os

# Before torch and NumPy load: the kernels that give the same bits on every x86-64 CPU with AVX2, for the golden digests. Where the
# caller has chosen others (make numerics), they stay.
PORTABLE = {"ATEN_CPU_CAPABILITY": "avx2", "MKL_CBWR": "AVX2", "OPENBLAS_CORETYPE": "Haswell"}
if "ATEN_CPU_CAPABILITY" not in os.environ:
    os.environ.update(PORTABLE)

import hypothesis
import pytest
import torch

hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """The networks of the tests are too small to share between threads; several processes that try wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
