"""What all tests share: one thread, the portable numerics mode, and no deadline for hypothesis on a busy machine."""

from bbo.testing import portable

# Before torch and NumPy load. Where the caller has chosen other kernels (make numerics), they stay.
portable.choose()

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
