"""Presets and overrides."""

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from bbo.errors import BBOError
from bbo.settings import declared, presets_of, resolve, setting


@dataclass(frozen=True)
class Method:
    steps: int = 10
    size: float = 0.5
    mode: str = "a"
    fast: bool = False
    presets: ClassVar[dict[str, dict[str, Any]]] = {"paper": {}, "paper:ant": {"size": 2.0}, "fast": {"steps": 2}}


class Plain:
    pass


def test_paper_means_the_tasks_own_settings_where_published():
    assert resolve(Method, "m", "paper", "ant", {}).name == "paper:ant"
    assert resolve(Method, "m", "paper", "ant", {}).config["size"] == 2.0
    assert resolve(Method, "m", "paper", "other", {}).name == "paper"


def test_overrides_win_and_keep_their_type():
    found = resolve(Method, "m", "fast", "t", {"size": "3", "mode": "b c", "fast": "true"})
    assert found.config == {"steps": 2, "size": 3.0, "mode": "b c", "fast": True}
    assert isinstance(found.config["size"], float)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"step": "3"}, "unknown setting of m 'step': did you mean steps"),
        ({"steps": "3.5"}, r"m.steps takes int \(default 10\); got 3.5"),
        ({"steps": "many"}, "m.steps takes int"),
        ({"fast": "1"}, "m.fast takes bool"),
        ({"size": "true"}, "m.size takes float"),
        ({"steps": "9" * 5000}, "m.steps takes int"),
        ({"steps": "0x" + "f" * 5000}, "m.steps takes int"),
        ({"steps": "[" * 5000}, "m.steps takes int"),
        ({"steps": "[" * 900}, "m.steps takes int"),
        ({"steps": "1\nfoo=2"}, r"m.steps takes int \(default 10\); got '1\\nfoo=2'"),
        ({"size": "9" * 400}, "m.size takes finite numbers; got inf"),
    ],
)
def test_bad_overrides(overrides, message):
    with pytest.raises(BBOError, match=message):
        resolve(Method, "m", "fast", "t", overrides)


@pytest.mark.parametrize("preset", ["quick", "fast:ant", "paper:dkitty"])
def test_bad_presets(preset):
    with pytest.raises(BBOError, match="preset"):
        resolve(Method, "m", preset, "t", {})


def test_a_class_without_settings_takes_any_preset():
    assert resolve(Plain, "m", "fast", "t", {}).config == {}
    with pytest.raises(BBOError, match="unknown setting"):
        resolve(Plain, "m", "fast", "t", {"steps": "1"})


@dataclass(frozen=True)
class Declared:
    mode: str = setting("visible", "what is asked for", choices=("visible", "hidden"))
    rate: float = setting(0.5, "learning rate", unit="per step", above=0, high=1)
    count: int = setting(3, "how many", low=1)


@dataclass(frozen=True)
class Changed(Declared):
    rate: float = 0.25


def test_a_subclass_that_changes_a_default_keeps_words_and_range():
    rate = declared(Changed, "m")["rate"]
    assert (rate.default, rate.words, rate.unit, rate.allowed()) == (0.25, "learning rate", "per step", "float, above 0, at most 1")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"mode": "vissible"}, "unknown value of m.mode 'vissible': did you mean visible"),
        ({"rate": "0"}, r"m.rate takes float, above 0, at most 1; got 0.0"),
        ({"rate": "nan"}, "m.rate takes finite numbers; got nan"),
        ({"rate": "inf"}, "m.rate takes finite numbers"),
        ({"count": "0"}, "m.count takes int, at least 1; got 0"),
    ],
)
def test_values_are_checked_when_planned(overrides, message):
    with pytest.raises(BBOError, match=message):
        resolve(Declared, "m", "fast", "t", overrides)


def test_what_differs_from_the_preset_is_kept():
    assert resolve(Method, "m", "fast", "t", {"steps": "2", "size": "0.75"}).overrides == {"size": 0.75}


class ListOfPresets(Method):
    presets: ClassVar[Any] = ["fast"]


class NoPreset(Method):
    presets: ClassVar[Any] = {"fast": None}


class WrongKey(Method):
    presets: ClassVar[Any] = {"fast": {"stebs": 1}}


class WrongValue(Method):
    presets: ClassVar[Any] = {"fast": {"size": "abc"}}


@pytest.mark.parametrize("cls", [ListOfPresets, NoPreset, WrongKey, WrongValue])
def test_presets_that_cannot_be_are_refused_in_one_line(cls):
    with pytest.raises(BBOError, match="m"):
        presets_of(cls, "m")


@dataclass(frozen=True)
class Needs:
    rate: float


@dataclass(frozen=True)
class Endless:
    rate: float = float("inf")


@dataclass(frozen=True)
class Refuses:
    rate: float = 1.0

    def __post_init__(self):
        if self.rate > 2:
            raise ValueError("rate must be small")


def test_settings_that_cannot_be_written_down_are_refused():
    with pytest.raises(BBOError, match="rate needs a default"):
        declared(Needs, "m")
    with pytest.raises(BBOError, match="finite"):
        declared(Endless, "m")
    with pytest.raises(BBOError, match="m refuses its settings: ValueError: rate must be small"):
        resolve(Refuses, "m", "fast", "t", {"rate": "3"})
