"""Makes text and facts from plugins safe to store and show: bounded, valid UTF-8, valid JSON, no control characters."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

#: Longest text that is kept, in bytes of UTF-8.
LONGEST = 64 * 1024
CUT = "... cut"
#: Characters that may change a terminal, reorder a line or cannot be written as UTF-8. Line feeds and tabs are kept.
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_DEEPEST = 20
#: First characters that make a spreadsheet read a text as a formula; the last four are full-width signs.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
#: A text that is a number, which a spreadsheet reads as that number.
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def clean(text: str, longest: int = LONGEST) -> str:
    r"""The text with unfit characters escaped (ESC becomes `\x1b`), cut to `longest` bytes."""
    whole = len(text) <= longest
    text = text[:longest].replace("\r\n", "\n").replace("\r", "\n")
    data = _UNFIT.sub(_escaped, text).encode()
    if whole and len(data) <= longest:
        return data.decode()
    return data[: longest - len(CUT)].decode(errors="ignore") + CUT


def line(text: str, longest: int = 300) -> str:
    """The text on one line of a terminal."""
    return clean(" ".join(text[: 4 * longest].split()), longest)


def bounded_list(texts: Iterable[str], longest: int = LONGEST) -> list[str]:
    """Clean texts, together `longest` bytes at most; what does not fit is left out, and the last entry says so."""
    kept: list[str] = []
    for text in texts:
        text = clean(text, longest)
        longest -= len(text.encode())
        if longest < len(CUT):
            return [*kept, CUT]
        kept.append(text)
    return kept


def clean_json(value: Any, longest: int = LONGEST) -> Any:
    """Plain data as JSON can hold it, of about `longest` bytes at most; a number that is not finite becomes None."""
    return _clean_json(value, [longest], 0)


def inert(value: Any) -> Any:
    """A value that is safe in a spreadsheet: a text that it would run as a formula gets an apostrophe in front; numbers stay as they are.

    A text that begins with an apostrophe gets another, so that `active` gives every text back.
    """
    runs = isinstance(value, str) and value.startswith((*FORMULA, "'")) and not _NUMBER.fullmatch(value)
    return f"'{value}" if runs else value


def active(text: str) -> str:
    """The text that `inert` has made this of; a text with an apostrophe in front of another character stays as it is."""
    return text[1:] if text.startswith("'") and text[1:].startswith((*FORMULA, "'")) else text


def _clean_json(value: Any, room: list[int], depth: int) -> Any:
    """`room` holds the bytes that are left and is shared by all parts of one value."""
    if value is None or isinstance(value, bool):
        room[0] -= 5
        return value
    if isinstance(value, int):
        room[0] -= 20
        return value if abs(value) < 2**63 else None
    if isinstance(value, float):
        room[0] -= 20
        return value if math.isfinite(value) else None
    if room[0] <= 0 or depth > _DEEPEST:
        return CUT
    if isinstance(value, str):
        found = clean(value, max(room[0], len(CUT)))
        room[0] -= len(found)
        return found
    if isinstance(value, list | tuple):
        items: list[Any] = []
        for part in value:
            if room[0] <= 0:
                items.append(CUT)
                break
            items.append(_clean_json(part, room, depth + 1))
        return items
    if isinstance(value, dict):
        facts: dict[str, Any] = {}
        for key, part in value.items():
            if room[0] <= 0:
                facts[CUT] = CUT
                break
            name = clean(str(key), 200)
            room[0] -= len(name)
            facts[name] = _clean_json(part, room, depth + 1)
        return facts
    return clean(repr(value), 200)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def counted(count: int, what: str) -> str:
    """A number of things: "1 design", "2 designs"."""
    return f"{count} {what}{'' if count == 1 else 's'}"
