"""Simulators are installed from wheels: nobody needs a compiler for them."""

import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from bbo import catalogue

EXTRAS = sorted({catalogue.load_task(name).spec.extra for name in catalogue.task_ids()} - {""})
PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]


def needed(names):
    """All distributions that some requirements bring, directly or not."""
    waiting, found = [Requirement(name) for name in names], {}
    while waiting:
        wanted = waiting.pop()
        if wanted.name in found or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
            continue
        found[wanted.name] = distribution(wanted.name)
        waiting += map(Requirement, found[wanted.name].requires or ())
    return found


def built_here(wheel):
    """Whether the WHEEL file of a distribution tells of a build on this machine: no index takes wheels for `linux_x86_64` as such."""
    return "-linux_" in wheel or not wheel


def test_the_check_can_fail():
    assert built_here("Tag: cp311-cp311-linux_x86_64\n")
    assert not built_here("Tag: cp311-cp311-manylinux_2_28_x86_64\n")


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_of_simulators_is_installed_without_a_compiler(extra):
    assert PROJECT["optional-dependencies"][extra]
    for name, found in needed(PROJECT["optional-dependencies"][extra]).items():
        assert not built_here(found.read_text("WHEEL") or ""), f"{name} was built on this machine: its index has no wheel for it"
