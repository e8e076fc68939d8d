"""`make lowest` tests the very floors that pyproject.toml states, those of the extras too."""

import re
import tomllib
from pathlib import Path

from bbo import catalogue

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
#: Its floor is not tested; constraints-lowest.txt says why.
UNTESTED = {"torch"}
#: Not for users: programs for development, as constraints.txt pins them.
TOOLS = {"dev", "docs"}


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text().splitlines()
    return {line.partition("==")[0].lower(): line.partition("==")[2] for line in lines if line and not line.startswith("#")}


def floors(requirements: list[str]) -> dict[str, str]:
    """Those of requirements that state one; the simulators are pinned, so they have no range to test."""
    return dict(requirement.lower().split(">=") for requirement in requirements if ">=" in requirement)


def extras() -> dict[str, dict[str, str]]:
    """The extras for users that state a floor."""
    found = {name: floors(listed) for name, listed in PROJECT["optional-dependencies"].items() if name not in TOOLS}
    return {name: stated for name, stated in found.items() if stated}


def test_every_floor_is_pinned() -> None:
    stated = floors(PROJECT["dependencies"])
    assert len(stated) == len(PROJECT["dependencies"])
    for found in extras().values():
        stated |= found
    stated = {name: floor for name, floor in stated.items() if name not in UNTESTED}
    pinned = pins("constraints-lowest.txt")
    assert {name: pinned.get(name) for name in stated} == stated


def test_every_extra_with_a_floor_is_installed_and_imported() -> None:
    recipe = (ROOT / "Makefile").read_text()
    (installed,) = re.findall(r'-c constraints-lowest\.txt \\\n\t +-e "\.\[(.*?)\]"', recipe)
    assert set(installed.split(",")) == extras().keys()
    (imported,) = re.findall(r"\.venv-lowest/bin/python -c 'import (.*?)'", recipe)
    assert set(imported.split(", ")) == {name for found in extras().values() for name in found}


def test_methods_that_need_an_extra_are_tested_for_determinism() -> None:
    (chosen,) = re.findall(
        r"-k (\S+) tests/harness/test_determinism\.py tests/baselines/test_conformance\.py", (ROOT / "Makefile").read_text()
    )
    assert [card.spec.id for card in catalogue.cards() if card.spec.extra] == [chosen]


def test_torch_is_the_tested_one() -> None:
    assert pins("constraints-lowest.txt")["torch"] == pins("constraints.txt")["torch"]
