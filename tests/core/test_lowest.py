"""`make lowest` tests the very floors that pyproject.toml states."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: Its floor is not tested; constraints-lowest.txt says why.
UNTESTED = {"torch"}


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text().splitlines()
    return {line.partition("==")[0].lower(): line.partition("==")[2] for line in lines if line and not line.startswith("#")}


def test_every_floor_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    floors = dict(re.split(">=", requirement.lower()) for requirement in project["dependencies"])
    pinned = pins("constraints-lowest.txt")
    assert {name: pinned.get(name) for name in floors.keys() - UNTESTED} == {
        name: floor for name, floor in floors.items() if name not in UNTESTED
    }


def test_torch_is_the_tested_one() -> None:
    assert pins("constraints-lowest.txt")["torch"] == pins("constraints.txt")["torch"]
