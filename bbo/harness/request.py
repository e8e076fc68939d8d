"""What a user asks for, before names are looked up: from the command line, a TOML file or a shipped suite."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from bbo import bounded, protocol
from bbo.bounded import Unreadable
from bbo.errors import BBOError, unknown
from bbo.settings import as_text
from bbo.text import line

#: Bytes of the largest plan file.
LARGEST = 2**24
#: More seeds than this are surely a typing error, and would fill the memory with cells.
MOST_SEEDS = 100_000
#: More designs in a cell than this are surely a typing error, too.
MOST_DESIGNS = 100_000
#: Seeds are below this: records and plans with larger ones could not be read.
SEED_LIMIT = 2**63


@dataclass(frozen=True)
class Request:
    """What is to be run.

    Args:
        tasks, methods: ids, patterns such as `rna-*`, "all", or `FILE.py:Class`.
        seeds: whole numbers from 0 to 2^63 - 1.
        preset: name of the preset for every method.
        overrides: `METHOD.KEY` to the value's text. A method's settings also apply to its composed forms (`coms.steps` to
            `coms+ignite`), except those of the regulariser (`coms.sharpness_rho`); those of a composed form (`coms+ignite.steps`)
            apply to it alone, and take precedence.
        budget: designs per cell.
        skip_missing: leave out tasks and methods whose data or packages are not here, instead of refusing the plan.
    """

    tasks: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    seeds: tuple[int, ...] = tuple(range(8))
    preset: str = "fast"
    overrides: Mapping[str, str] = field(default_factory=dict)
    budget: int = protocol.BUDGET
    skip_missing: bool = False


def suites() -> list[str]:
    """Names of the suites that ship with the package."""
    return sorted(p.name.removesuffix(".toml") for p in files("bbo").joinpath("suites").iterdir() if p.name.endswith(".toml"))


def suite_summary(name: str) -> str:
    """What a suite is for: the comment at its top, on one line."""
    lines = _suite_text(name).splitlines()
    return " ".join(line.lstrip("# ") for line in lines[: next(i for i, line in enumerate(lines) if not line.startswith("#"))])


def read_suite(name: str) -> dict[str, Any]:
    """The settings of a shipped suite, as `read_plan` gives them.

    Raises:
        UnknownName: no such suite.
    """
    return parse(_suite_text(name), f"suite {name}")


def _suite_text(name: str) -> str:
    if name not in suites():
        raise unknown("suite", name, suites(), "see: bbo list suites")
    return files("bbo").joinpath("suites", f"{name}.toml").read_text(encoding="utf-8")


def read_plan(path: Path) -> dict[str, Any]:
    """The settings of a plan file: any of tasks, methods, seeds, preset, budget, skip_missing, and `overrides` from its table `set`.

    Raises:
        BBOError: it cannot be read, or holds something else.
    """
    try:
        text = bounded.text(path, LARGEST)
    except Unreadable as error:
        hint = "" if path.suffix == ".toml" else "; a plan is a TOML file, tasks are given with -t and methods with -b"
        raise BBOError(f"plan {error}{hint}") from None
    return parse(text, str(path))


def parse(text: str, name: str) -> dict[str, Any]:
    """Settings of a request from TOML text; `name` is for messages.

    Raises:
        BBOError: not TOML, an unknown key, or a value of the wrong type.
    """
    plan = bounded.parsed_toml(name, text)
    if "baselines" in plan:  # what this key was called in older plan files
        if "methods" in plan:
            raise BBOError(
                f"{name} has both methods and baselines, which is the older word for the same; put all names into methods"
            )
        plan["methods"] = plan.pop("baselines")
    for key in plan:
        if key not in READERS:
            raise unknown(f"key in {name}", key, READERS)
    found = {}
    for key, value in plan.items():
        try:
            found["overrides" if key == "set" else key] = READERS[key](value)
        except BBOError as error:
            raise BBOError(f"{key} in {name}: {error}") from None
        except (TypeError, ValueError) as error:
            raise BBOError(f"{key} in {name} {error}; got {line(repr(value))}") from None
    return found


def _names(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise TypeError("is a list of names")
    return tuple(value)


def _seeds(value: Any) -> tuple[int, ...]:
    if isinstance(value, str):
        return parse_seeds(value)
    seeds = value if isinstance(value, list) else [value]
    if not all(type(seed) is int and seed >= 0 for seed in seeds):
        raise TypeError('is a whole number from 0, a list of them, or text like "0-7"')
    return tuple(dict.fromkeys(seeds))


def _word(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("is a word")
    return value


def _count(value: Any) -> int:
    if type(value) is not int:
        raise TypeError("is a whole number")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("is true or false")
    return value


def _overrides(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise TypeError('is a table with lines like "coms.steps" = 10')
    found: dict[str, str] = {}
    for key, one in value.items():
        # `coms.steps = 10` without quotes is a table in TOML.
        inner = {f"{key}.{name}": v for name, v in one.items()} if isinstance(one, dict) else {key: one}
        found |= {name: as_text(v) for name, v in inner.items()}
    return found


READERS: dict[str, Any] = {
    "tasks": _names,
    "methods": _names,
    "seeds": _seeds,
    "preset": _word,
    "budget": _count,
    "skip_missing": _flag,
    "set": _overrides,
}


#: A seed or a range of seeds; none below 2^63 has more digits.
RANGE = re.compile(r"([0-9]{1,19})(?:-([0-9]{1,19}))?")


def parse_seeds(text: str) -> tuple[int, ...]:
    """`0-7`, `3`, or `0,2,5-6`, each seed once, in the order given.

    Raises:
        BBOError: written otherwise, or more than `MOST_SEEDS`.
    """
    seeds: dict[int, None] = {}
    for part in text.split(","):
        written = RANGE.fullmatch(part.strip())
        first, last = (int(written[1]), int(written[2] or written[1])) if written else (1, 0)
        if last < first:
            raise BBOError(f"seeds are written like 0-7, 3, or 0,2,5-6, and are below 2^63; got '{text}'")
        if last - first >= MOST_SEEDS:
            raise BBOError(f"a plan takes at most {MOST_SEEDS} seeds; got '{text}'")
        seeds |= dict.fromkeys(range(first, last + 1))
    return tuple(seeds)


def parse_overrides(words: tuple[str, ...]) -> dict[str, str]:
    """`METHOD.KEY=VALUE` of the command line, as `Request.overrides` has them.

    Raises:
        BBOError: not written so, or one setting given twice.
    """
    found: dict[str, str] = {}
    for text in words:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not key.rpartition(".")[0] or not key.rpartition(".")[2]:
            raise BBOError(f"--set takes METHOD.KEY=VALUE; got '{text}'")
        if found.setdefault(key, value) != value:
            raise BBOError(f"--set gives {key} twice: {found[key]} and {value}")
    return found
