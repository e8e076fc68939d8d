"""Settings of a method: declared once with description and allowed values, then resolved from presets and `--set` overrides."""

from __future__ import annotations

import dataclasses
import math
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bbo.errors import BBOError, UnknownName, unknown

#: Types a setting may have: what TOML and JSON write and read back unchanged.
TYPES = (bool, int, float, str)
KEY = "bbo.setting"
#: Presets that the methods of this package have; "default" is what records say of a class without presets.
USUAL = ("fast", "paper", "smoke", "default")
#: Characters of the longest number that is read; Python cannot print much longer ones.
LONGEST = 1000


@dataclass(frozen=True)
class Setting:
    """One setting of a method.

    Args:
        name, default: as the method's class has them; the default's type is the setting's type.
        words: a description; empty if the class has none.
        unit: unit of a number ("z-scored units", "batches"); may be empty.
        choices: the only values allowed; empty for any.
        low, high: smallest and largest number allowed.
        above: numbers must be larger than this.
    """

    name: str
    default: Any
    words: str = ""
    unit: str = ""
    choices: tuple[Any, ...] = ()
    low: float | None = None
    high: float | None = None
    above: float | None = None

    def allowed(self) -> str:
        """The values it takes, in words: "mean or min", "int, at least 1"."""
        if self.choices:
            return _either(self.choices)
        bounds = [("above", self.above), ("at least", self.low), ("at most", self.high)]
        return ", ".join([type(self.default).__name__, *(f"{word} {value:g}" for word, value in bounds if value is not None)])

    def check(self, method: str, value: Any) -> Any:
        """The value, with whole numbers turned into floats where the setting is a float.

        Raises:
            UnknownName: it is none of the choices.
            BBOError: it is of another type, not finite, or out of range.
        """
        if type(self.default) is float and type(value) is int:
            value = float(value) if abs(value) <= sys.float_info.max else math.inf
        if type(value) is not type(self.default):
            raise BBOError(
                f"setting {method}.{self.name} takes {type(self.default).__name__} (default {self.default!r}); got {value!r}"
            )
        if self.choices and value not in self.choices:
            if isinstance(value, str):
                raise unknown(f"value of {method}.{self.name}", value, self.choices)
            raise BBOError(f"setting {method}.{self.name} takes {self.allowed()}; got {value!r}")
        if isinstance(value, float) and not math.isfinite(value):
            raise BBOError(f"setting {method}.{self.name} takes finite numbers; got {value!r}")
        if isinstance(value, int | float) and not isinstance(value, bool):
            low = self.low is not None and value < self.low
            high = self.high is not None and value > self.high
            if low or high or (self.above is not None and value <= self.above):
                raise BBOError(f"setting {method}.{self.name} takes {self.allowed()}; got {value!r}")
        return value


def setting(
    default: Any,
    words: str,
    *,
    unit: str = "",
    choices: tuple[Any, ...] = (),
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
) -> Any:
    """Declare a setting as a field of a method's dataclass; arguments as in `Setting`.

    A subclass that only changes the default writes a plain value and keeps the description and allowed values.
    """
    facts = {"words": words, "unit": unit, "choices": choices, "low": low, "high": high, "above": above}
    return field(default=default, metadata={KEY: facts})


def declared(cls: type, method: str) -> dict[str, Setting]:
    """The settings of a method's class by name, in the order of its fields; none for a class that is not a dataclass.

    Raises:
        BBOError: a setting without a default, or with one that cannot be written down.
    """
    if not dataclasses.is_dataclass(cls):
        return {}
    found = {}
    for one in dataclasses.fields(cls):
        if not one.init:
            continue
        if one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING:
            raise BBOError(f"setting {method}.{one.name} needs a default value in the class, such as {one.name}: float = 0.1")
        default = one.default if one.default_factory is dataclasses.MISSING else one.default_factory()
        if type(default) not in TYPES:
            allowed = ", ".join(kind.__name__ for kind in TYPES)
            raise BBOError(f"setting {method}.{one.name} is {type(default).__name__}; a setting is one of {allowed}")
        made = Setting(one.name, default, **_facts(cls, one))
        made.check(method, default)
        found[one.name] = made
    return found


def _facts(cls: type, own: dataclasses.Field[Any]) -> dict[str, Any]:
    """The arguments of `setting` for a field, from this class or the nearest base class that declares it."""
    if KEY in own.metadata:
        return dict(own.metadata[KEY])
    for base in cls.__mro__[1:]:
        inherited = getattr(base, "__dataclass_fields__", {}).get(own.name)
        if inherited is not None and KEY in inherited.metadata:
            return dict(inherited.metadata[KEY])
    return {}


@dataclass(frozen=True)
class Preset:
    """A preset resolved for one task.

    Args:
        name: the preset that was used, by its full name.
        config: every setting.
        overrides: the settings whose value is not the preset's own, because the user asked for another.
    """

    name: str
    config: dict[str, Any]
    overrides: dict[str, Any] = field(default_factory=dict)


def presets_of(cls: type, method: str) -> dict[str, dict[str, Any]]:
    """The presets of a method's class; none for a class that has none.

    Raises:
        BBOError: they are not a mapping of names to settings that the class has, with values it takes.
    """
    presets = getattr(cls, "presets", {})
    if not isinstance(presets, Mapping):
        raise BBOError(
            f"presets of {method} must be a dict of dicts, like {{'fast': {{'steps': 10}}}}; got {type(presets).__name__}"
        )
    known = declared(cls, method)
    for name, changes in presets.items():
        if not isinstance(name, str) or not isinstance(changes, Mapping):
            raise BBOError(f"preset {name!r} of {method} must be a name with a dict of settings; got {type(changes).__name__}")
        for key, value in changes.items():
            if key not in known:
                raise unknown(f"setting in preset {name} of {method}", str(key), known)
            known[key].check(method, value)
    return {name: {key: known[key].check(method, value) for key, value in changes.items()} for name, changes in presets.items()}


def resolve(
    cls: type, method: str, preset: str, task: str, overrides: Mapping[str, str], extra: Mapping[str, Any] | None = None
) -> Preset:
    """Settings of `cls` under a preset and textual overrides, as `choose` finds them, with which the class can be made.

    Raises:
        UnknownName, BBOError: as `choose`; or the class refuses these settings together.
    """
    found = choose(declared(cls, method), presets_of(cls, method), method, preset, task, overrides, extra)
    make(cls, method, found.config)
    return found


def make(cls: type, method: str, config: Mapping[str, Any]) -> Any:
    """An object of `cls` with these settings.

    Raises:
        BBOError: the class refuses them.
    """
    try:
        return cls(**config)
    except BBOError:
        raise
    except Exception as error:
        raise BBOError(f"{method} refuses its settings: {type(error).__name__}: {error}") from error


def refuse_typo(preset: str, others: Iterable[str]) -> None:
    """Refuse the name of a preset that is none of `USUAL`, nor of `others`, such as those that the chosen methods have.

    A class without presets takes any name, so that it can be run beside classes that have them, and would hide a typing error.

    Raises:
        UnknownName: it is none of them.
    """
    if preset not in {*USUAL, *others} and not preset.startswith("paper:"):
        raise unknown("preset", preset, sorted({*USUAL, *others}))


def choose(
    known: Mapping[str, Setting],
    presets: Mapping[str, Mapping[str, Any]],
    method: str,
    preset: str,
    task: str,
    overrides: Mapping[str, str],
    extra: Mapping[str, Any] | None = None,
) -> Preset:
    """Settings under a preset and textual overrides; `extra` settings stand between the two.

    `paper` means the settings published for this very task, `paper:TASK`, where the method has them, else its `paper`.
    A class without `presets` (or without settings) has only its defaults, under any preset's name.

    Raises:
        UnknownName: no such preset, setting or word.
        BBOError: a value of the wrong type or out of range.
    """
    name = preset
    if preset == "paper" and f"paper:{task}" in presets:
        name = f"paper:{task}"
    if presets and name not in presets:
        family = name.partition(":")[0]
        if ":" not in name or family not in presets:
            raise unknown(f"preset of {method}", name, presets)
        raise UnknownName(f"{method} has no preset '{name}'; it has: {', '.join(sorted(presets))}")
    usual = {**{key: one.default for key, one in known.items()}, **presets.get(name, {}), **(extra or {})}
    given = {}
    for key, text in overrides.items():
        if key not in known:
            raise unknown(f"setting of {method}", key, known)
        given[key] = known[key].check(method, parse(text, known[key].default))
    config = {**usual, **given}
    changed = {key: value for key, value in given.items() if value != usual[key]}
    return Preset(name if presets else "default", dict(sorted(config.items())), dict(sorted(changed.items())))


def parse(text: str, default: Any) -> Any:
    """A value written as TOML (`3`, `0.5`, `true`), or a bare word; of the default's type where the text can be read so."""
    if isinstance(default, str) or "\n" in text or len(text) > LONGEST:  # a second line would be another value
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):  # no TOML, or too deeply nested
        return text


def as_text(value: Any) -> str:
    """A value as `parse` reads it: True becomes "true"."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _either(values: tuple[Any, ...]) -> str:
    words = [str(value) for value in values]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
