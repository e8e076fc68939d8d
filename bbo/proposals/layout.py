"""What the columns of a table mean: the target, the design columns and their space, constants, ignored columns, constraints.

`guess` reads it from the table by stated rules; `space.toml` writes it down for the user to edit, and settles it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from bbo import bounded, files
from bbo.bounded import Missing
from bbo.errors import BBOError, unknown
from bbo.proposals.reading import Cells, named, number, text
from bbo.space import Category, Column, Letters, Mixed, Number
from bbo.text import counted, line

#: A column of texts is a category if it has at most this many options, or they come this often each.
MOST_OPTIONS = 12
LEAST_REPEATS = 3
#: A column of texts of one length is a sequence if they are at least this long and made of at most this many letters, gaps (-) and
#: stops (*): dates and run numbers are none.
MOST_LETTERS = 26
SHORTEST = 4
#: Numbers are on a log scale if they are positive and span this factor, and the logarithms of the different ones are spread more evenly.
LOG_FACTOR = 100
#: Numbers have a step if they take at most this many values, each twice on average, all a whole number of steps apart, and at
#: most `MOST_STEPS` steps from the lowest to the highest.
FEW_VALUES = 24
MOST_STEPS = 100
#: Numbers take only the values of the table if there are at most MOST_LEVELS of these, each occurs LEVEL_REPEATS times on
#: average, and, where they lie on steps, they are at most half of the steps.
MOST_LEVELS = 12
LEVEL_REPEATS = 3
#: What a file may say of a column, by its kind; of an ignored one, anything.
KINDS = {
    "number": ("low", "high", "integer", "log", "step", "levels"),
    "category": ("options",),
    "sequence": ("length", "alphabet"),
    "constant": ("value",),
    "ignore": (),
}


@dataclass(frozen=True)
class Layout:
    """What the columns mean.

    Attributes:
        target: the column of scores.
        minimise: smaller scores are better.
        columns: the design columns that vary, in the table's order.
        constants: values of the design columns that do not; proposals keep them.
        ignored: columns that play no part.
        fixed: values at which `columns` are held in proposals, though they vary in the table.
        require: linear constraints; forbid: combinations that must not be proposed (see `bbo.proposals.constraints`).
        order: all design columns, as proposals list them.
    """

    target: str
    minimise: bool
    columns: tuple[Column, ...]
    order: tuple[str, ...]
    constants: Mapping[str, float | str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    fixed: Mapping[str, float | str] = field(default_factory=dict)
    require: tuple[str, ...] = ()
    forbid: tuple[str, ...] = ()

    @property
    def space(self) -> Mixed:
        """The space of the columns that vary.

        Raises:
            BBOError: none does.
        """
        if not self.columns:
            raise BBOError("no column of the table varies besides the target and what is ignored, so there is nothing to propose")
        return Mixed(self.columns)

    def described(self) -> list[tuple[str, str]]:
        """Every column with its meaning in words, and every constraint."""
        words = {column.name: column.describe() for column in self.columns}
        words |= {name: f"always {_plain(value)}, and so in proposals" for name, value in self.constants.items()}
        for name, value in self.fixed.items():
            words[name] += f"; held at {_plain(value)}"
        found = [(self.target, f"the target, {'smaller' if self.minimise else 'larger'} is better")]
        found += [(name, words[name]) for name in self.order] + [(name, "ignored") for name in self.ignored]
        return found + [("required", rule) for rule in self.require] + [("forbidden", rule) for rule in self.forbid]


def said(target: str) -> dict[str, str]:
    """The names of the columns that `bbo propose` writes after the design columns, by what they hold."""
    return {
        "predicted": f"predicted_{target}",
        "uncertainty": "uncertainty",
        "nearest_row": "nearest_row",
        "nearest": f"nearest_{target}",
        "distance": "distance",
        "origin": "origin",
        "warning": "warning",
    }


def answer(columns: Collection[str], target: str) -> list[str]:
    """The columns of a table that `bbo propose` wrote after the design columns; none where the table is not its answer."""
    names = said(target)
    if not {names["predicted"], names["nearest"], names["nearest_row"]} <= set(columns):
        return []
    found = []
    for name in names.values():
        while f"{name}_" in columns:  # it is written so where a design column has the name
            name += "_"
        found.append(name)
    return [name for name in found if name in columns]


def guess(
    cells: Cells, target: str, minimise: bool = False, ignore: Collection[str] = (), categories: Collection[str] = ()
) -> Layout:
    """The layout of a table, by the rules of this module; bounds and options are those of the table.

    Args:
        cells: the table.
        target: the column of scores. minimise: smaller ones are better.
        ignore: columns that play no part, besides what `bbo propose` wrote after the design columns.
        categories: columns whose values are names, without an order. No rule is applied to these two.

    Raises:
        UnknownName: no such column.
        BBOError: a column that fits no rule; the message names row and column.
    """
    cells.column(target, "target column")
    for name in (*ignore, *categories):
        cells.column(name, "column")
        if name == target:
            raise BBOError(f"column '{target}' is the target, so it cannot be ignored, and is no category")
        if name in ignore and name in categories:
            raise BBOError(f"column '{name}' is both ignored and a category; name it once")
    ignored = list(dict.fromkeys([*ignore, *(name for name in answer(cells.columns, target) if name not in categories)]))
    columns: list[Column] = []
    constants: dict[str, float | str] = {}
    for name, column in cells.columns.items():
        if name == target or name in ignored:
            continue
        found = _category(name, column) if name in categories else _guess(name, column, cells.rows)
        if isinstance(found, Number | Category | Letters):
            columns.append(found)
        elif found is None:
            ignored.append(name)
        else:
            constants[name] = found
    order = tuple(name for name in cells.columns if name != target and name not in ignored)
    return Layout(target, minimise, tuple(columns), order, constants, tuple(ignored))


def _category(name: str, column: np.ndarray) -> Category | float | str | None:
    """A column's values as options, numbers in their order; the value of a constant one; None for an empty one."""
    options = {text(cell): number(cell) for cell in column if cell is not None}
    if len(options) < 2:
        return next((word if value is None else value for word, value in options.items()), None)
    return Category(name, tuple(sorted(options, key=lambda word: (options[word] is None, options[word] or 0.0, word))))


def _guess(name: str, column: np.ndarray, rows: list[Any]) -> Column | float | str | None:
    """A column's meaning; the value of a constant one; None for an empty one."""
    filled = [place for place, cell in enumerate(column) if cell is not None]
    if not filled:
        return None
    values = [number(column[place]) for place in filled]
    numbers = [value for value in values if value is not None]
    if len(numbers) == len(values):
        return _guess_number(name, np.asarray(numbers))
    if 2 * len(numbers) > len(values):
        bad = [place for place, value in zip(filled, values, strict=True) if value is None]
        hint = "decimals are written with a point; " if "," in str(column[bad[0]]) else ""
        raise BBOError(
            f"row {rows[bad[0]]}, column '{name}': '{column[bad[0]]}' is not a number, but {len(numbers)} other cells of the column are "
            f"({counted(len(bad), 'such cell')}); {hint}correct it, leave the cell empty, or make '{name}' a category with --category {name}"
        )
    return _guess_text(name, [text(column[place]) for place in filled])


def _guess_number(name: str, values: np.ndarray) -> Number | float:
    low, high = float(values.min()), float(values.max())
    if low == high:
        return low
    different = np.unique(values)
    whole = bool((different == np.round(different)).all() and np.abs(different).max() < 2**53)
    log = bool(low > 0 and high / low >= LOG_FACTOR and _evenness(np.log(different)) > _evenness(different))
    step = 0.0 if log or len(values) < 2 * len(different) else _step(different, whole)
    spacing = step or float(whole)
    filled = len(different) / ((high - low) / spacing + 1) if spacing else 0.0
    if len(different) <= MOST_LEVELS and len(values) >= LEVEL_REPEATS * len(different) and filled <= 0.5:
        return Number(name, low, high, integer=whole, log=log, levels=tuple(different.tolist()))
    return Number(name, low, high, integer=whole, log=log, step=step)


def _evenness(values: np.ndarray) -> float:
    """How evenly values are spread: 0 to 1, the smaller half of their range about the median as a share of the larger."""
    low, middle, high = values.min(), np.median(values), values.max()
    return float(min(middle - low, high - middle) / max(middle - low, high - middle))


def _step(different: np.ndarray, whole: bool) -> float:
    """The step of a column with few different values, sorted; 0 where there is none, or where it is 1 of whole numbers."""
    if len(different) < 3 or len(different) > FEW_VALUES:
        return 0.0
    gaps = np.diff(different)
    scale = 10.0 ** (8 - math.floor(math.log10(gaps.max())))
    step = float(np.gcd.reduce(np.round(gaps * scale).astype(np.int64)) / scale)
    steps = (different[-1] - different[0]) / step if step else np.inf
    if steps > MOST_STEPS or (whole and step == 1):
        return 0.0
    return round(step, 12)


def _guess_text(name: str, values: list[str]) -> Category | Letters | str:
    different = sorted(set(values))
    if len(different) == 1:
        return different[0]
    if len(different) <= MOST_OPTIONS or len(values) >= LEAST_REPEATS * len(different):
        return Category(name, tuple(different))
    letters = sorted(set("".join(different)))
    lettered = len(letters) <= MOST_LETTERS and all(letter.isalpha() or letter in "-*" for letter in letters)
    if lettered and len(set(map(len, different))) == 1 and len(different[0]) >= SHORTEST:
        return Letters(name, len(different[0]), "".join(letters))
    raise BBOError(
        f"column '{name}' holds {len(different)} different texts in {len(values)} rows ('{different[0]}', '{different[1]}', ..), too many "
        f"for a category, and they are no sequences of one length; leave it out with --ignore {name}, or make it a category with --category "
        f"{name}"
    )


def fix(layout: Layout, values: Mapping[str, Any]) -> Layout:
    """The layout with some columns held at a value in proposals.

    Raises:
        UnknownName: no such design column or option.
        BBOError: a value that the column does not allow.
    """
    columns = {column.name: column for column in layout.columns}
    fixed = dict(layout.fixed)
    constants = dict(layout.constants)
    for name, value in values.items():
        if name in constants:
            if _plain(constants[name]) != _plain(value):
                raise BBOError(
                    f"column '{name}' is always {_plain(constants[name])} in the table, so nothing is known of {_plain(value)}"
                )
            continue
        if name not in columns:
            raise unknown("design column", name, layout.order)
        fixed[name] = _allowed(columns[name], value)
    return replace(layout, fixed=fixed)


def _allowed(column: Column, value: Any) -> float | str:
    """A value as the column stores it.

    Raises:
        BBOError: it is none of the column's.
    """
    cell = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value).strip()
    if isinstance(column, Number):
        found = number(cell)
        space = Mixed((column,))
        if (
            found is None
            or (column.log and found <= 0)
            or not np.isclose(space.settle(np.array([[found]]))[0, 0], found, rtol=1e-6, atol=0)
        ):
            raise BBOError(f"column '{column.name}' is {_article(column)}; got {_plain(cell)}")
        return float(space.settle(np.array([[found]]))[0, 0])
    place_of(column, cell)
    return text(cell)


def _article(column: Column) -> str:
    words = column.describe()
    return words if words.startswith("one of") else f"a {words}"


def place_of(column: Category | Letters, cell: float | str) -> list[int]:
    """The numbers that a category or a sequence has in a design.

    Raises:
        BBOError: it is none of the options, or no sequence of this length and alphabet.
    """
    value = text(cell)
    if isinstance(column, Category):
        if value not in column.options:
            raise unknown(f"option of column '{column.name}'", value, column.options)
        return [column.options.index(value)]
    if len(value) != column.length or set(value) - set(column.alphabet):
        raise BBOError(f"column '{column.name}' takes a {column.describe()}; got '{value}'")
    return [column.alphabet.index(letter) for letter in value]


def write(layout: Layout, path: Path) -> None:
    """Write the layout as TOML, for the user to edit."""
    lines = [
        "# What the columns of the table mean. Edit it, then pass it with --space.",
        '# kind = "number" (low, high, integer, log, step; or levels), "category" (options), "sequence" (length, alphabet),',
        '#        "constant" (value, which every row has), or "ignore". A column that varies is held at a value by the table fix.',
        f"target = {json.dumps(layout.target, ensure_ascii=False)}",
        f"minimise = {json.dumps(layout.minimise)}",
        "",
        "[constraints]",
        '# require = ["a + b + c = 100", "2*a - b <= 5"]   forbid = ["solvent=DMSO, base=NaH", "solvent=water, temperature>95"]',
        f"require = {json.dumps(list(layout.require), ensure_ascii=False)}",
        f"forbid = {json.dumps(list(layout.forbid), ensure_ascii=False)}",
        "",
        "[fix]",
        *(
            f"{json.dumps(name, ensure_ascii=False)} = {json.dumps(value, ensure_ascii=False)}"
            for name, value in layout.fixed.items()
        ),
    ]
    columns = {column.name: column for column in layout.columns}
    for name in (*layout.order, *layout.ignored):
        facts: dict[str, Any] = {"kind": "ignore"}
        if name in layout.constants:
            facts = {"kind": "constant", "value": layout.constants[name]}
        elif name in columns:
            facts = _facts(columns[name])
        lines += ["", f"[columns.{json.dumps(name, ensure_ascii=False)}]"]
        lines += [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in facts.items()]
    files.write(path, "\n".join(lines) + "\n")


def _facts(column: Column) -> dict[str, Any]:
    if isinstance(column, Number):
        if column.levels:
            return {"kind": "number", "levels": list(column.levels), "integer": column.integer, "log": column.log}
        facts = {"low": column.low, "high": column.high, "integer": column.integer, "log": column.log, "step": column.step}
        return {"kind": "number", **facts}
    if isinstance(column, Category):
        return {"kind": "category", "options": list(column.options)}
    return {"kind": "sequence", "length": column.length, "alphabet": column.alphabet}


def read(
    path: Path,
    cells: Cells,
    target: str = "",
    minimise: bool | None = None,
    ignore: Collection[str] = (),
    categories: Collection[str] = (),
) -> Layout:
    """The layout that a file written by `write` settles for a table; columns that it does not name are guessed.

    `ignore` and `categories` are as for `guess`, and count for more than the file.

    Raises:
        BBOError: the file cannot be read, or says something that cannot be; the message names the column.
    """
    try:
        found = bounded.parsed_toml(path, bounded.text(path))
    except Missing:
        raise BBOError(f"no file {path}; write one to edit with --write-space {path}") from None
    _check_keys(found, f"entry of {path}", ("target", "minimise", "constraints", "fix", "columns"))
    for key in ("columns", "constraints", "fix"):
        if not isinstance(found.get(key, {}), dict):
            raise BBOError(f"{path}: '{key}' is a table; got {line(repr(found[key]))}")
    _check_keys(found.get("constraints", {}), f"entry of [constraints] in {path}", ("require", "forbid"))
    if not isinstance(found.get("target", ""), str) or not isinstance(found.get("minimise", False), bool):
        raise BBOError(f"{path}: 'target' is the name of a column, and 'minimise' is true or false")
    told = found.get("columns", {})
    if wrong := [name for name, facts in told.items() if not isinstance(facts, dict)]:
        raise BBOError(f"{path}: column '{wrong[0]}' is a table with its kind; got {line(repr(told[wrong[0]]))}")
    for name in told:
        cells.column(name)
    target = target or found.get("target", "")
    ignored = [*ignore, *(name for name, facts in told.items() if facts.get("kind") == "ignore" and name not in categories)]
    known = [name for name in told if name not in (*ignored, *categories, target)]
    minimise = bool(found.get("minimise", False)) if minimise is None else minimise
    rest = guess(cells, target, minimise, [*ignored, *known], categories)
    columns, constants = {column.name: column for column in rest.columns}, dict(rest.constants)
    for name in known:
        made = _made(path, name, told[name])
        if isinstance(made, Number | Category | Letters):
            columns[name] = made
        else:
            _check_constant(path, name, made, cells)
            constants[name] = made
    order = tuple(name for name in cells.columns if name in columns or name in constants)
    layout = replace(
        rest,
        columns=tuple(columns[name] for name in order if name in columns),
        constants=constants,
        order=order,
        ignored=tuple(name for name in rest.ignored if name not in known),
        require=_texts(path, found, "require"),
        forbid=_texts(path, found, "forbid"),
    )
    return fix(layout, {name: value for name, value in found.get("fix", {}).items() if name not in ignore})


def _check_keys(found: Mapping[str, Any], what: str, allowed: Collection[str]) -> None:
    for key in found:
        if key not in allowed:
            raise unknown(what, key, allowed)


def _texts(path: Path, found: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = found.get("constraints", {}).get(key, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise BBOError(f"{path}: constraints.{key} is a list of texts; got {value!r}")
    return tuple(value)


def _made(path: Path, name: str, facts: Mapping[str, Any]) -> Column | float | str:
    facts = dict(facts)
    kind = str(facts.pop("kind", ""))
    if kind not in KINDS:
        raise unknown(f"kind of column '{name}' in {path}", kind, KINDS)
    _check_keys(facts, f"entry of the {kind} column '{name}' in {path}", KINDS[kind])
    try:
        if kind == "constant":
            return facts["value"] if isinstance(facts["value"], str) else float(facts["value"])
        if kind == "category":
            return Category(name, tuple(text(float(v)) if isinstance(v, int | float) else v for v in facts["options"]))
        if kind == "number" and facts.get("levels"):
            facts = {"low": min(facts["levels"]), "high": max(facts["levels"])} | facts
        return Number(name, **facts) if kind == "number" else Letters(name, **facts)
    except KeyError as error:
        raise BBOError(f"{path}: column '{name}' is a {kind}, which needs {error}") from None
    except (TypeError, ValueError) as error:
        words = str(error).replace("Number.__init__()", "a number").replace("Letters.__init__()", "a sequence")
        raise BBOError(f"{path}: column '{name}': {words}") from None


def _check_constant(path: Path, name: str, value: float | str, cells: Cells) -> None:
    """Raise where the table has another value: the model would take rows that differ in this column for the same design."""
    for row, cell in zip(cells.rows, cells.columns[name], strict=True):
        if cell is not None and (number(cell) != number(value) if number(value) is not None else text(cell) != value):
            raise BBOError(
                f"{path}: column '{name}' is a constant, {_plain(value)}, but row {row} has {_plain(cell)}; give its kind as it varies in "
                f"the table, and to hold it at a value in proposals, write that value under [fix]"
            )


def _plain(value: Any) -> str:
    return f"{value:.10g}" if isinstance(value, int | float) else str(value)


__all__ = ["Layout", "answer", "fix", "guess", "named", "place_of", "read", "said", "write"]
