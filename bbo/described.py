"""What a method's class says of itself, as plain data. The class need not be imported where this is read.

For a user's own file the class is imported in a confined process only (`bbo.harness.sandbox.examine`), which sends this.
"""

from __future__ import annotations

import dataclasses
import inspect
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from bbo.errors import BBOError
from bbo.method import Method, MethodSpec
from bbo.settings import TYPES, Setting, declared, presets_of
from bbo.text import clean

#: Most entries of a list or a table that a class may state, and bytes of a text.
MOST, LONGEST = 1000, 16 * 1024


@dataclass(frozen=True)
class Described:
    """The facts of a class.

    Args:
        name: of the class.
        doc: its own docstring, without indentation.
        settings, presets: by name (see `bbo.settings`).
        spec: the facts that it declares or inherits; None if there are none.
        composable: it has the setting `sharpness`.
        bases: module and name of every base class that declares a spec.
    """

    name: str
    doc: str = ""
    settings: dict[str, Setting] = field(default_factory=dict)
    presets: dict[str, dict[str, Any]] = field(default_factory=dict)
    spec: MethodSpec | None = None
    composable: bool = False
    bases: tuple[tuple[str, str], ...] = ()

    def to_plain(self) -> dict[str, Any]:
        """As JSON can write it."""
        return asdict(self)


def describe(cls: Any, reference: str, id: str = "") -> Described:
    """The facts of a class; messages call it by `id`, else by its own name.

    Raises:
        BBOError: it is not a method, or its declarations are invalid.
    """
    if not isinstance(cls, type) or not callable(getattr(cls, "propose", None)):
        raise BBOError(f"{reference} is not a method: the class needs a method propose(self, problem)")
    spec = getattr(cls, "spec", None)
    if issubclass(cls, Method) and not isinstance(spec, MethodSpec):
        raise BBOError(f"{reference} derives from bbo.method.Method, so it needs spec = MethodSpec(id=..., version=1, ...)")
    bases = [base for base in cls.__mro__[1:] if isinstance(vars(base).get("spec"), MethodSpec)]
    return Described(
        cls.__name__,
        inspect.cleandoc(cls.__doc__ or ""),
        declared(cls, id or cls.__name__),
        presets_of(cls, id or cls.__name__),
        spec if isinstance(spec, MethodSpec) else None,
        "sharpness" in getattr(cls, "__dataclass_fields__", {}),
        tuple((base.__module__, base.__qualname__) for base in bases),
    )


def from_plain(facts: Any) -> Described:
    """The facts that another process sent, every one of them checked.

    Raises:
        ValueError: they are not what `Described.to_plain` gives.
    """
    _need(facts, {f.name for f in fields(Described)}, "facts of a class")
    settings = {_text(name): _setting(name, one) for name, one in _table(facts["settings"]).items()}
    presets = {
        _text(name): {_known(key, settings): settings[key].check("", value) for key, value in _table(changes).items()}
        for name, changes in _table(facts["presets"]).items()
    }
    spec, composable = facts["spec"], facts["composable"]
    if not isinstance(composable, bool):
        raise ValueError("composable is true or false")
    bases = tuple((_text(module), _text(name)) for module, name in map(_pair, _list(facts["bases"])))
    made = None if spec is None else _spec(spec)
    return Described(_text(facts["name"]), _text(facts["doc"], lines=True), settings, presets, made, composable, bases)


def _setting(name: str, facts: Any) -> Setting:
    _need(facts, {f.name for f in fields(Setting)}, f"setting {name}")
    if facts["name"] != name or type(facts["default"]) not in TYPES:
        raise ValueError(f"setting {name} has no valid default")
    choices = tuple(_list(facts["choices"]))
    if any(type(one) not in TYPES for one in choices):
        raise ValueError(f"setting {name} has an invalid choice")
    bounds = {key: facts[key] for key in ("low", "high", "above")}
    if any(value is not None and (type(value) not in (int, float) or not abs(value) < float("inf")) for value in bounds.values()):
        raise ValueError(f"setting {name} has an invalid bound")
    texts = [one for one in (facts["default"], *choices) if isinstance(one, str)]
    made = Setting(name, facts["default"], _text(facts["words"]), _text(facts["unit"]), choices, **bounds)
    if any(_text(text) != text for text in texts):
        raise ValueError(f"setting {name} has a text with control characters")
    made.check("", made.default)
    return made


def _spec(facts: Any) -> MethodSpec:
    _need(facts, {f.name for f in fields(MethodSpec)}, "spec")
    found: dict[str, Any] = {}
    for one in dataclasses.fields(MethodSpec):
        value = facts[one.name]
        if one.name in ("spaces", "requires", "privileged"):
            found[one.name] = tuple(map(_text, _list(value)))
        elif one.name in ("version", "year"):
            if type(value) is not int or abs(value) > 10**9:
                raise ValueError(f"{one.name} of the spec is a whole number")
            found[one.name] = value
        elif one.name == "composable":
            if not isinstance(value, bool):
                raise ValueError("composable of the spec is true or false")
            found[one.name] = value
        else:
            found[one.name] = _text(value)
    return MethodSpec(**found)


def _need(facts: Any, names: set[str], what: str) -> None:
    if not isinstance(facts, dict) or set(facts) != names:
        raise ValueError(f"{what}: not the expected fields")


def _text(value: Any, lines: bool = False) -> str:
    """A text, bounded, without control characters; on one line unless `lines`."""
    if not isinstance(value, str):
        raise ValueError("a text is missing")
    found = clean(value, LONGEST)
    return found if lines else " ".join(found.split("\n"))


def _table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or len(value) > MOST:
        raise ValueError("a table is missing, or too long")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list) or len(value) > MOST:
        raise ValueError("a list is missing, or too long")
    return value


def _pair(value: Any) -> tuple[Any, Any]:
    first, second = _list(value)
    return first, second


def _known(name: Any, settings: dict[str, Setting]) -> str:
    if name not in settings:
        raise ValueError("a preset names a setting that is not there")
    return str(name)
