"""Presets and overrides."""

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from bbo.errors import BBOError
from bbo.settings import resolve


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
        ({"steps": "3.5"}, r"m.steps takes int \(default 10\); got '3.5'"),
        ({"steps": "many"}, "m.steps takes int"),
        ({"fast": "1"}, "m.fast takes bool"),
        ({"size": "true"}, "m.size takes float"),
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
