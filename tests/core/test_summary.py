"""What a run of many tests says of where its time went."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest

PATH = Path(__file__).parents[1] / "conftest.py"


@pytest.fixture(scope="module")
def conftest():
    spec = importlib.util.spec_from_file_location("conftest_of_all", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def report(path, seconds, when="call", **facts):
    return SimpleNamespace(nodeid=f"{path}::test", duration=seconds, when=when, user_properties=list(facts.items()))


def test_every_file_from_a_second_on_is_listed_the_slowest_first(conftest):
    reports = [report(f"tests/test_{number}.py", number / 10) for number in range(40)]
    title, *lines = conftest.by_file([*reports, report("tests/test_39.py", 1.0)])
    assert title == "79 s in tests, by file"
    assert len(lines) == 30
    assert lines[0].split() == ["4.9", "s", "6.2%", "tests/test_39.py"]
    assert lines[-1].split()[-1] == "tests/test_10.py"
    assert conftest.by_file(reports[:5]) == []


def test_processor_time_of_a_method_is_that_of_all_tests_made_for_it(conftest):
    names = [f"m{number}" for number in range(20)]
    reports = [report("a", 9.0, "teardown", method=name, cpu=1.5) for name in names for _ in range(2)]
    others = [report("b", 9.0, "teardown"), report("a", 9.0, "call", method="m1", cpu=7.0)]
    assert conftest.by_method([*reports, *others]) == ["3.0 CPU seconds a method: 40 tests made for each of 20 methods"]
    assert conftest.by_method(reports[:4]) == []
