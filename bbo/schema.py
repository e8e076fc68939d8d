"""The schema of a stored record, checked where records are read, so that later code can rely on it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from bbo.protocol import PERCENTILES
from bbo.text import clean, clean_json

Check = Callable[[Any], bool]
#: Beyond this, sums of squares are no longer finite.
_LARGEST = 1e100


def check(data: Any) -> None:
    """Check a parsed record, its spec under the present names.

    Raises:
        ValueError: a field is missing, unknown or not of its type; the message names it and what was expected.
    """
    if not isinstance(data, dict):
        raise ValueError("it is not a JSON object")
    for name in data:
        if name not in _FIELDS:
            raise ValueError(f"unknown field '{clean(str(name), 100)}'")
    for name in ("hash", "spec", "status"):
        if name not in data:
            raise ValueError(f"the field '{name}' is missing")
    for name, (expected, fits) in _FIELDS.items():
        if name in data and not fits(data[name]):
            raise ValueError(f"'{name}' must be {expected}")
    for group, fields in _FACTS.items():
        facts = data.get(group, {})
        for name, (expected, fits) in fields.items():
            if name in facts and not fits(facts[name]):
                raise ValueError(f"'{group}.{name}' must be {expected}")
        if group == "spec" and set(facts) != set(fields):
            raise ValueError(f"'spec' must have the fields {', '.join(fields)}")
    if data["status"] == "done":
        if not {str(p) for p in PERCENTILES} <= set(data.get("percentiles", {})):
            raise ValueError(f"'percentiles' must hold {', '.join(map(str, PERCENTILES))} where the status is done")
    elif not {"reason", "message"} <= set(data.get("error") or {}):
        raise ValueError("'error' must hold reason and message where the status is failed")


def cleaned(data: dict[str, Any]) -> dict[str, Any]:
    """The same record with its texts bounded and free of control characters; the spec, which the hash guards, stays as it is."""
    return {
        name: value if name in ("spec", "hash", "digest", "arrays") else clean_json(value, 6 * 65536)
        for name, value in data.items()
    }


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _name(value: Any) -> bool:
    return isinstance(value, str) and clean(value, 1000) == value and "\n" not in value


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _number(value: Any) -> bool:
    return type(value) in (int, float) and -_LARGEST <= value <= _LARGEST


def _amount(value: Any) -> bool:
    return _number(value) and value >= 0


def _whole(low: int) -> Check:
    return lambda value: type(value) is int and low <= value < 2**63


def _or_none(fits: Check) -> Check:
    return lambda value: value is None or fits(value)


def _list(fits: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(fits, value))


def _object(fits: Check) -> Check:
    return lambda value: isinstance(value, dict) and all(map(fits, value.values()))


def _plain(value: Any) -> bool:
    """Plain data, with finite numbers and texts that can be written."""
    if isinstance(value, str):
        return value == value.encode(errors="ignore").decode()  # no lone surrogates
    if isinstance(value, list | tuple):
        return all(map(_plain, value))
    if isinstance(value, dict):
        return all(map(_plain, value)) and all(map(_plain, value.values()))
    return value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


_TEXT, _NAME, _FLAG = ("a text", _text), ("a text on one line", _name), ("true or false", _flag)
_NUMBER, _NO_NUMBER = ("a finite number", _number), ("a finite number or null", _or_none(_number))
_COUNT = ("a whole number from 1 on", _whole(1))
_FACTS_OBJECT = ("an object", _object(lambda value: True))

_FIELDS: Mapping[str, tuple[str, Check]] = {
    "hash": _NAME,
    "digest": _NAME,
    "arrays": ("an object of texts", _object(_text)),
    "design_hash": _NAME,
    "schema": _COUNT,
    "spec": _FACTS_OBJECT,
    "status": ("done or failed", lambda value: value in ("done", "failed")),
    "percentiles": ("an object of finite numbers", _object(_number)),
    "task": _FACTS_OBJECT,
    "method": _FACTS_OBJECT,
    "notes": _FACTS_OBJECT,
    "error": ("null or an object of texts", _or_none(_object(_text))),
    "provenance": _FACTS_OBJECT,
    "cost": ("an object of finite numbers from 0 on", _object(_amount)),
    "designs": ("an object of finite numbers", _object(_number)),
    "warnings": ("a list of texts", _list(_text)),
    "output": _TEXT,
}
_FACTS: Mapping[str, Mapping[str, tuple[str, Check]]] = {
    "spec": {
        # Any text may be a name: what prints one makes it harmless (`bbo.text`, `bbo.reporting.formats`).
        **dict.fromkeys(("task", "task_version", "data_hash", "method", "method_version"), _TEXT),
        "config": ("an object of settings", lambda value: isinstance(value, dict) and _plain(value)),
        "seed": ("a whole number from 0 on", _whole(0)),
        "budget": _COUNT,
        "protocol": _COUNT,
    },
    "task": {
        **dict.fromkeys(("title", "kind", "oracle", "note", "family"), _TEXT),
        **dict.fromkeys(("y_min", "y_max", "best_visible", "optimum"), _NO_NUMBER),
        "visible_rows": ("a whole number or null", _or_none(_whole(0))),
        "visible_quantiles": ("a list of finite numbers", _list(_number)),
        **dict.fromkeys(("saturated", "local"), _FLAG),
    },
    "method": {
        **dict.fromkeys(("summary", "title", "kind", "preset", "regulariser", "paper"), _TEXT),
        "year": ("a whole number from 0 on", _whole(0)),
        "overrides": ("an object of settings", lambda value: isinstance(value, dict) and _plain(value)),
        "privileged": ("a list of texts", _list(_text)),
        "local": _FLAG,
    },
    "provenance": {
        "packages": ("an object of texts", _object(_text)),
        **dict.fromkeys(("commit", "python", "os", "cpu", "finished", "device", "device_name", "command", "cpu_capability"), _TEXT),
        **dict.fromkeys(("numerics", "fingerprint", "sandbox"), _TEXT),
        "cores": ("a whole number or null", _or_none(_whole(1))),
        "threads": _COUNT,
        "tf32": _FLAG,
        "blas": ("a list of texts", _list(_text)),
    },
}
