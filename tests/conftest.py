"""What all tests share: one thread, the portable numerics mode, and the examples that hypothesis draws."""

from bbo import numerics

# Before torch and NumPy load. Where the caller has chosen other kernels (make numerics), they stay.
numerics.choose()

import os
from collections import Counter

import hypothesis
import pytest
import torch

from bbo import catalogue

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


def cpu_seconds() -> float:
    """Processor time of this process and of those that it has waited for."""
    return sum(os.times()[:4])


@pytest.fixture(autouse=True)
def cost_of_a_method(request, record_property):
    """Tests that are made once for each method tell which one, and their processor time."""
    given = getattr(request.node, "callspec", None)
    names = [str(value).partition("+")[0] for value in given.params.values() if isinstance(value, str)] if given else []
    method = next((name for name in names if name in catalogue.method_ids()), None)
    before = cpu_seconds()
    yield
    if method:
        record_property("method", method)
        record_property("cpu", cpu_seconds() - before)


#: Seconds from which a file is listed, and the fewest files of a run with a list.
LISTED, MANY = 1.0, 20


def by_file(reports) -> list[str]:
    """The seconds of each test file, the slowest first, with its share; nothing where few files ran."""
    seconds: Counter[str] = Counter()
    for report in reports:
        seconds[getattr(report, "nodeid", "").partition("::")[0]] += getattr(report, "duration", 0.0)
    total = seconds.total()
    if len(seconds) < MANY or not total:
        return []
    lines = [f"{taken:8.1f} s  {taken / total:5.1%}  {path}" for path, taken in seconds.most_common() if taken >= LISTED]
    return [f"{total:.0f} s in tests, by file", *lines]


def by_method(reports) -> list[str]:
    """Processor time that one more method adds, by the tests that are made for each; nothing where few methods were tested."""
    told = [dict(report.user_properties) for report in reports if getattr(report, "when", "") == "teardown"]
    own = [facts for facts in told if "method" in facts]
    methods = {facts["method"] for facts in own}
    if len(methods) < MANY:
        return []
    each = sum(facts["cpu"] for facts in own) / len(methods)
    return [f"{each:.1f} CPU seconds a method: {len(own)} tests made for each of {len(methods)} methods"]


def pytest_terminal_summary(terminalreporter):
    """Where the time of a run of many files went, over all of pytest's workers."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    for title, *lines in filter(None, (by_file(reports), by_method(reports))):
        terminalreporter.section(title)
        for line in lines:
            terminalreporter.write_line(line)
