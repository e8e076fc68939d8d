"""A method's settings: presets and `--set` overrides onto a frozen dataclass, with unknown keys and wrong types refused."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass
from typing import Any

from bbo.errors import BBOError, UnknownName, unknown


@dataclass(frozen=True)
class Preset:
    """The preset that was used, by its full name, and every setting resolved."""

    name: str
    config: dict[str, Any]


def resolve(
    cls: type, method: str, preset: str, task: str, overrides: dict[str, str], extra: dict[str, Any] | None = None
) -> Preset:
    """Settings of `cls` under a preset and textual overrides; `extra` settings stand between the two.

    `paper` means the settings published for this very task, `paper:TASK`, where the method has them, else its `paper`.
    A class without `presets` (or without settings) has only its defaults, under any preset's name.

    Raises:
        UnknownName: no such preset or setting.
        BBOError: a value of the wrong type.
    """
    fields = {f.name for f in dataclasses.fields(cls)} if dataclasses.is_dataclass(cls) else set()
    presets: dict[str, dict[str, Any]] = dict(getattr(cls, "presets", {}))
    name = preset
    if preset == "paper" and f"paper:{task}" in presets:
        name = f"paper:{task}"
    if presets and name not in presets:
        family = name.partition(":")[0]
        if ":" not in name or family not in presets:
            raise unknown(f"preset of {method}", name, presets)
        raise UnknownName(f"{method} has no preset '{name}'; it has: {', '.join(sorted(presets))}")
    defaults = {key: getattr(cls(), key) for key in fields}
    config = {**defaults, **presets.get(name, {}), **(extra or {})}
    for key, text in overrides.items():
        if key not in fields:
            raise unknown(f"setting of {method}", key, fields)
        config[key] = parse(f"{method}.{key}", text, defaults[key])
    return Preset(name if presets else "default", dict(sorted(config.items())))


def parse(key: str, text: str, default: Any) -> Any:
    """A value written as TOML (`3`, `0.5`, `true`), or a bare word for text, of the same type as `default`.

    Raises:
        BBOError: it is of another type.
    """
    if isinstance(default, str):
        return text
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not type(default):
        raise BBOError(f"setting {key} takes {type(default).__name__} (default {default!r}); got {text!r}")
    return value
