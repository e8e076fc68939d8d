"""What all tests share: one thread, the portable numerics mode, and the examples that hypothesis draws."""

from bbo import numerics

# Before torch and NumPy load. Where the caller has chosen other kernels (make numerics), they stay.
numerics.choose()

import os
from collections import Counter

import hypothesis
import pytest
import torch

# The same examples each time, so that a commit passes or fails whenever it is tested. `HYPOTHESIS_PROFILE=explore` draws new ones.
hypothesis.settings.register_profile("repeatable", max_examples=50, deadline=None, derandomize=True, database=None)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=2000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """The networks of the tests are too small to share between threads; several processes that try wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def same_numbers():
    """Tests that draw from torch's global generator draw the same numbers each time; a test that fails once in a hundred tells nobody."""
    torch.manual_seed(0)


#: Files shown in the list of where the time of a run of many files went.
SLOWEST = 20


def pytest_terminal_summary(terminalreporter):
    """The share of each test file in the seconds of all tests, over all of pytest's workers, where many files ran."""
    seconds: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            seconds[getattr(report, "nodeid", "").partition("::")[0]] += getattr(report, "duration", 0.0)
    total = seconds.total()
    if len(seconds) < SLOWEST or not total:
        return
    terminalreporter.section(f"{total:.0f} s in tests, by file")
    for path, taken in seconds.most_common(SLOWEST):
        terminalreporter.write_line(f"{taken:8.1f} s  {taken / total:5.1%}  {path}")
