"""Records arranged as a board: methods x tasks, with the seeds of each. Every table and figure of the leaderboard starts here.

A column is one task under one budget and one protocol; results of different task versions never share one. A row is one
method as it was set up: its label includes whatever was changed from its preset. If a task was run with several versions
or presets of one method, each gets its own row, labelled by what differs.

A pair of method and task is in one of three states: it was run (with seeds done, failed or both), it is not applicable (the method
does not fit the task, and says why), or it was not run. Ranks are given on each task among the methods that were run there. A mean
rank is over the tasks of the row. A row that lacks a task it fits is listed below the complete rows, whatever its mean rank.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import rankdata

from bbo.errors import BBOError
from bbo.protocol import PERCENTILES
from bbo.record import Record
from bbo.reporting.storage.unsuitable import Unsuitable

#: The only methods that the leaderboard knows by name. Scores above chance are measured from the first, uniform designs that saw no
#: data; the second returns the best visible designs, unchanged, so that its score is a fact of the task.
CHANCE, UNCHANGED = "random", "offline-best"
#: Characters of a setting's value that a label shows.
SHOWN_VALUE = 32


class ColumnKey(NamedTuple):
    """The facts that results in one column have in common."""

    task: str
    version: str
    data_hash: str
    budget: int
    protocol: int

    def label(self, among: Iterable[ColumnKey]) -> str:
        """The task's id and, in brackets, what distinguishes this key from the others of the same task."""
        alike = {other for other in among if other.task == self.task}
        differing = [name for name in self._fields[1:] if len({getattr(other, name) for other in alike}) > 1]
        start = _start(other.data_hash for other in alike)
        facts = {name.removesuffix("_hash"): str(getattr(self, name)) for name in differing}
        return self.task + _brackets({name: text[:start] if name == "data" else text for name, text in facts.items()})


@dataclass(frozen=True)
class Column:
    """One task under one budget and protocol, with the facts its records carry."""

    label: str
    key: ColumnKey
    facts: Mapping[str, Any]

    @property
    def saturated(self) -> bool:
        """Whether random designs come near the top of this task, so that its 100th percentile hardly distinguishes methods."""
        return bool(self.facts.get("saturated"))

    @property
    def family(self) -> str:
        """The family of tasks it belongs to; "other" where its records do not say."""
        return str(self.facts.get("family") or "other")


@dataclass(frozen=True)
class Row:
    """One method as it was set up.

    Args:
        presets: the preset families its cells used.
        overrides: settings that are not those of the preset.
    """

    label: str
    method: str
    version: str
    facts: Mapping[str, Any]
    presets: tuple[str, ...]
    overrides: Mapping[str, Any]

    @property
    def base(self) -> str:
        """The method under a regulariser: `coms` of `coms+ignite`."""
        return self.method.rpartition("+")[0] or self.method

    @property
    def floor(self) -> bool:
        """Whether it is a floor: what you get with no method."""
        return self.facts.get("kind") == "floor" or self.method in (CHANCE, UNCHANGED)


@dataclass(frozen=True)
class Entry:
    """The cells of one method on one task, in the order of their seeds; or why the method does not fit the task."""

    done: tuple[Record, ...] = ()
    failed: tuple[Record, ...] = ()
    unsuitable: str = ""

    @property
    def cells(self) -> tuple[Record, ...]:
        """All that were run: first those done, then those failed."""
        return self.done + self.failed

    @property
    def seeds(self) -> list[int]:
        """Seeds of the cells that are done."""
        return [r.spec.seed for r in self.done]

    def scores(self, percentile: int) -> np.ndarray:
        """Normalised scores (n_seeds,), float64, at one percentile of the protocol."""
        return np.array([r.percentiles[str(percentile)] for r in self.done], np.float64)

    def values(self, group: str, name: str) -> np.ndarray:
        """Numbers `name` of a record's `cost` or `designs` (n,), of the seeds that have them."""
        found = [getattr(r, group).get(name) for r in self.done]
        return np.array([v for v in found if v is not None], np.float64)


@dataclass(frozen=True)
class Board:
    """Methods x tasks. `entries` holds the pairs that were run or are not applicable."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    entries: Mapping[tuple[str, str], Entry]
    records: tuple[Record, ...]

    def entry(self, row: Row, column: Column) -> Entry:
        """The cells of a method on a task; an empty entry if there are none."""
        return self.entries.get((row.label, column.label), Entry())

    def chance(self, column: Column) -> Entry:
        """The cells of `random` on a task; empty where it was not run."""
        rows = [row for row in self.rows if row.method == CHANCE and self.entry(row, column).done]
        return self.entry(rows[0], column) if rows else Entry()

    def means(self, percentile: int) -> np.ndarray:
        """Mean over seeds (rows, columns); NaN where no seed is done."""
        values = np.full((len(self.rows), len(self.columns)), np.nan)
        for i, row in enumerate(self.rows):
            for j, column in enumerate(self.columns):
                scores = self.entry(row, column).scores(percentile)
                if len(scores):
                    values[i, j] = scores.mean()
        return values

    def ranks(self, percentile: int) -> np.ndarray:
        """Rank of every method on every task (rows, columns), 1 the best, ties share the mean of their ranks.

        By the mean score at `percentile`. A method that was run and failed with every seed ranks last (all such share it); NaN
        where it was not run or is not applicable.
        """
        means, was_run = self.means(percentile), self.was_run
        ranks = np.full_like(means, np.nan)
        for j in range(len(self.columns)):
            run = was_run[:, j]
            if run.any():
                # Equal scores stay equal however many seeds they were averaged over.
                ranks[run, j] = rankdata(-np.nan_to_num(means[run, j].round(12), nan=-np.inf))
        return ranks

    def mean_ranks(self, percentile: int) -> np.ndarray:
        """Mean of the ranks over the tasks a method was run on (rows,)."""
        ranks = self.ranks(percentile)
        return np.array([np.nanmean(r) if np.isfinite(r).any() else np.nan for r in ranks])

    @cached_property
    def was_run(self) -> np.ndarray:
        """Which pairs have a cell, done or failed: bool (rows, columns)."""
        return np.array([[bool(self.entry(row, column).cells) for column in self.columns] for row in self.rows], bool)

    @cached_property
    def fits(self) -> np.ndarray:
        """Which pairs are not "not applicable": bool (rows, columns)."""
        return np.array([[not self.entry(row, column).unsuitable for column in self.columns] for row in self.rows], bool)

    def ordered(self, percentile: int) -> Board:
        """The same board, rows by mean rank, then name; rows that were not run on every task they fit come after the others."""
        missing = (self.fits & ~self.was_run).any(axis=1)
        order = np.lexsort((np.nan_to_num(self.mean_ranks(percentile), nan=np.inf), missing))
        return replace(self, rows=tuple(self.rows[i] for i in order))

    def only(self, columns: Sequence[Column]) -> Board:
        """The board of some of its columns, with the rows that were run on at least one of them."""
        rows = tuple(row for row in self.rows if any(self.entry(row, column).cells for column in columns))
        keys = {column.key for column in columns}
        return Board(tuple(columns), rows, self.entries, tuple(r for r in self.records if _column_key(r) in keys))

    @cached_property
    def common_preset(self) -> str:
        """The preset family most cells used, apart from methods that have none ("default")."""
        counts = Counter(preset_family(r) for r in self.records)
        counts.pop("default", None)
        return max(sorted(counts), key=counts.__getitem__) if counts else "default"

    @cached_property
    def common_seeds(self) -> int:
        """The largest number of seeds any entry was asked for; entries with fewer are marked."""
        return max((len(e.cells) for e in self.entries.values()), default=0)

    @cached_property
    def uneven(self) -> bool:
        """Whether rows have different numbers of seeds."""
        return len({max(len(self.entry(row, c).cells) for c in self.columns) for row in self.rows if row.presets}) > 1


def preset_family(record: Record) -> str:
    """`paper` for `paper:tfbind8`; "default" for a method without presets."""
    return str(record.method.get("preset", "default")).partition(":")[0]


def board(records: Iterable[Record], unsuitable: Iterable[Unsuitable] = ()) -> Board:
    """Arrange records; rows and columns sorted by label. A pair that was run although it is unsuitable is shown as run.

    Raises:
        BBOError: there is no record, or one without a percentile of the protocol.
    """
    records = tuple(records)
    if not records:
        raise BBOError("no finished cells to report; make some with: bbo run ... --out DIR")
    for record in records:
        if record.done and not {str(p) for p in PERCENTILES} <= set(record.percentiles):
            raise BBOError(f"cell {record.spec.hash} ({record.spec.label()}) lacks a percentile of {PERCENTILES}; run it again")
    columns = _columns(records)
    rows, row_of = _rows(records)
    cells: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        cells.setdefault((row_of[record.spec.hash], columns[_column_key(record)].label), []).append(record)
    entries = {}
    for key, found in cells.items():
        done = sorted((r for r in found if r.done), key=lambda r: r.spec.seed)
        seeds = {r.spec.seed for r in done}
        failed = sorted((r for r in found if not r.done and r.spec.seed not in seeds), key=lambda r: r.spec.seed)
        entries[key] = Entry(tuple(done), tuple(failed))
    for pair in unsuitable:
        wanted = [column for column in columns.values() if column.key.task == pair.task]
        if wanted and pair.method not in {row.method for row in rows}:
            rows += (Row(pair.method, pair.method, "", {}, (), {}),)
        for label in (row.label for row in rows if row.method == pair.method):
            for column in wanted:
                entries.setdefault((label, column.label), Entry(unsuitable=pair.reason or "no reason given"))
    by_label = sorted(columns.values(), key=lambda column: column.label)
    return Board(tuple(by_label), tuple(sorted(rows, key=lambda row: row.label)), entries, records)


def _column_key(record: Record) -> ColumnKey:
    spec = record.spec
    return ColumnKey(spec.task, spec.task_version, spec.data_hash, spec.budget, spec.protocol)


def _columns(records: Sequence[Record]) -> dict[ColumnKey, Column]:
    found: dict[ColumnKey, Record] = {}
    for record in records:
        found.setdefault(_column_key(record), record)
    return {key: Column(key.label(found), key, record.task) for key, record in found.items()}


def _rows(records: Sequence[Record]) -> tuple[tuple[Row, ...], dict[str, str]]:
    """Rows, and the row of each cell hash."""
    rows: dict[str, list[tuple[Record, dict[str, Any]]]] = {}
    row_of = {}
    for method in sorted({r.spec.method for r in records}):
        own = [r for r in records if r.spec.method == method]
        overrides = _overrides(own)
        for record, changed, label in zip(own, overrides, _labels(own, overrides), strict=True):
            rows.setdefault(label, []).append((record, changed))
            row_of[record.spec.hash] = label
    made = []
    for label, pairs in rows.items():
        group = [record for record, _ in pairs]
        spec = group[0].spec
        facts = {**group[0].method, "local": any(r.method.get("local") for r in group)}
        presets = tuple(sorted({preset_family(r) for r in group}))
        made.append(Row(label, spec.method, spec.method_version, facts, presets, pairs[0][1]))
    return tuple(made), row_of


def _overrides(records: Sequence[Record]) -> list[dict[str, Any]]:
    """For each record of one method, the settings that were changed from its preset.

    A setting given by hand may happen to be the preset's own on some task. There the record does not count it; it is counted here
    if the method was run with that setting elsewhere, and nowhere without it.
    """
    own = [dict(r.method.get("overrides") or {}) for r in records]
    tasks: dict[tuple[str, ...], set[ColumnKey]] = {}
    for r, changed in zip(records, own, strict=True):
        tasks.setdefault(_made_with(r, changed), set()).add(_column_key(r))

    def completed(record: Record, changed: dict[str, Any]) -> dict[str, Any]:
        wider = []
        for other, more in zip(records, own, strict=True):
            apart = not tasks[_made_with(record, changed)] & tasks[_made_with(other, more)]
            same = _made_with(record, {}) == _made_with(other, {}) and changed.items() <= more.items()
            agree = all(key in record.spec.config and record.spec.config[key] == value for key, value in more.items())
            if len(more) > len(changed) and apart and same and agree and more not in wider:
                wider.append(more)
        return wider[0] if len(wider) == 1 else changed

    if len({_json(changed) for changed in own}) == 1:
        return own
    return [completed(r, changed) for r, changed in zip(records, own, strict=True)]


def _made_with(record: Record, changed: Mapping[str, Any]) -> tuple[str, ...]:
    return (record.spec.method_version, preset_family(record), _json(changed))


def _labels(records: Sequence[Record], overrides: Sequence[Mapping[str, Any]]) -> list[str]:
    """A label for each record of one method: its id, what was changed from the preset, and whatever else distinguishes it from the others.

    Settings that a preset fixes per task differ between tasks without making another method, so only what differs within a
    task counts. Version and preset are named before single settings are; but records of schema 1 do not say what was changed from
    the preset, so of those every setting that differs is named, whatever the version.
    """

    def differ_within_a_task(values: Sequence[str], held: Sequence[Hashable]) -> bool:
        groups: dict[Hashable, set[str]] = {}
        for r, value, h in zip(records, values, held, strict=True):
            groups.setdefault((_column_key(r), h), set()).add(value)
        return any(len(found) > 1 for found in groups.values())

    def of_each(value: Callable[[Record], str]) -> list[str]:
        return [value(r) for r in records]

    versions, presets = of_each(lambda r: r.spec.method_version), of_each(preset_family)
    nothing = [""] * len(records)
    by_version, by_preset = differ_within_a_task(versions, nothing), differ_within_a_task(presets, nothing)
    held = [
        (version if "overrides" in r.method else "", preset, _json(changed))
        for r, version, preset, changed in zip(records, versions, presets, overrides, strict=True)
    ]
    keys = sorted({key for r in records for key in r.spec.config})
    settings = [key for key in keys if differ_within_a_task(of_each(lambda r, key=key: _setting(r, key)), held)]  # type: ignore[misc]
    start = _start(versions)
    labels = []
    for r, changed in zip(records, overrides, strict=True):
        facts = {"version": r.spec.method_version[:start]} if by_version else {}
        facts |= {"preset": preset_family(r)} if by_preset else {}
        facts |= {key: _setting(r, key) for key in sorted({*settings, *changed})}
        labels.append(r.spec.method + _brackets(facts))
    return labels


def _start(texts: Iterable[str]) -> int:
    """How many characters distinguish the texts; at least 8."""
    found = set(texts)
    longest = max(map(len, found), default=8)
    return next((n for n in range(8, longest) if len({text[:n] for text in found}) == len(found)), max(longest, 8))


def _setting(record: Record, name: str) -> str:
    return setting_text(record.spec.config[name]) if name in record.spec.config else "unset"


def setting_text(value: Any) -> str:
    """A setting's value as text."""
    return value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _brackets(facts: Mapping[str, str]) -> str:
    return f" [{', '.join(f'{k}={_shortened(v)}' for k, v in facts.items())}]" if facts else ""


def _shortened(text: str) -> str:
    """A long value by its beginning and four digits of its hash, so that different values stay different."""
    if len(text) <= SHOWN_VALUE:
        return text
    return f"{text[: SHOWN_VALUE - 8]}...{hashlib.sha256(text.encode(errors='replace')).hexdigest()[:4]}"
