"""Records arranged as a board: methods x tasks, with the seeds of each. Every table and figure of the leaderboard starts here.

A column is one task under one budget and one protocol; results of different task versions never share one. A row is one
method; where a task was run with several versions, presets or settings of one method, each gets a row of its own, named by
what differs.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.stats import rankdata

from bbo.errors import BBOError
from bbo.protocol import PERCENTILES
from bbo.record import Record

#: The method that stands for chance: uniform designs that saw no data. And the best visible designs, unchanged.
CHANCE, UNCHANGED = "random", "offline-best"


@dataclass(frozen=True)
class Column:
    """One task under one budget and protocol, with the facts its records carry."""

    label: str
    task: str
    version: str
    data_hash: str
    budget: int
    protocol: int
    facts: Mapping[str, Any]

    @property
    def saturated(self) -> bool:
        """Whether the task's 100th percentile says little, so that it is ranked by the median."""
        return bool(self.facts.get("saturated"))


@dataclass(frozen=True)
class Row:
    """One method as it was configured; `presets` are the preset families its cells used."""

    label: str
    method: str
    version: str
    facts: Mapping[str, Any]
    presets: tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """The cells of one method on one task, in the order of their seeds."""

    done: tuple[Record, ...] = ()
    failed: tuple[Record, ...] = ()

    @property
    def seeds(self) -> list[int]:
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
    """Methods x tasks. `entries` holds only the pairs that were run."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    entries: Mapping[tuple[str, str], Entry]
    records: tuple[Record, ...]

    def entry(self, row: Row, column: Column) -> Entry:
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

    def ranked_means(self, percentile: int) -> np.ndarray:
        """What methods are ranked by (rows, columns): `means`, but the 50th in place of the 100th on a saturated task."""
        means = self.means(percentile)
        if percentile == 100 and any(column.saturated for column in self.columns):
            means = np.where([column.saturated for column in self.columns], self.means(50), means)
        return means

    def ranks(self, percentile: int) -> np.ndarray:
        """Rank of every method on every task (rows, columns), 1 the best, ties share the mean of their ranks.

        By the mean score at `percentile`; on a saturated task by the 50th in place of the 100th. A method that was run and
        failed with every seed ranks last (all such share it); NaN where it was not run.
        """
        means = self.ranked_means(percentile)
        ranks = np.full_like(means, np.nan)
        for j, column in enumerate(self.columns):
            run = np.array([(row.label, column.label) in self.entries for row in self.rows])
            if run.any():
                # Equal scores stay equal however many seeds they were averaged over.
                ranks[run, j] = rankdata(-np.nan_to_num(means[run, j].round(12), nan=-np.inf))
        return ranks

    def mean_ranks(self, percentile: int) -> np.ndarray:
        """Mean of the ranks over the tasks a method was run on (rows,)."""
        ranks = self.ranks(percentile)
        return np.array([np.nanmean(r) if np.isfinite(r).any() else np.nan for r in ranks])

    def ordered(self, percentile: int) -> Board:
        """The same board, rows by mean rank, then name."""
        order = np.argsort(np.nan_to_num(self.mean_ranks(percentile), nan=np.inf), kind="stable")
        return Board(self.columns, tuple(self.rows[i] for i in order), self.entries, self.records)

    @cached_property
    def common_preset(self) -> str:
        """The preset family most cells used, apart from methods that have none ("default")."""
        counts = Counter(preset_family(r) for r in self.records)
        counts.pop("default", None)
        return max(sorted(counts), key=counts.__getitem__) if counts else "default"

    @cached_property
    def common_seeds(self) -> int:
        """The largest number of seeds any entry was asked for; entries with fewer are marked."""
        return max((len(e.done) + len(e.failed) for e in self.entries.values()), default=0)


def preset_family(record: Record) -> str:
    """`paper` for `paper:tfbind8`; "default" for a method without presets."""
    return str(record.method.get("preset", "default")).partition(":")[0]


def board(records: Iterable[Record]) -> Board:
    """Arrange records; rows and columns sorted by label.

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
    return Board(tuple(sorted(columns.values(), key=lambda c: c.label)), rows, entries, records)


def _column_key(record: Record) -> tuple[str, str, str, int, int]:
    spec = record.spec
    return (spec.task, spec.task_version, spec.data_hash, spec.budget, spec.protocol)


def _columns(records: Sequence[Record]) -> dict[tuple[str, str, str, int, int], Column]:
    """Columns by their key, named by the task's id and, where one id has several columns, by what differs."""
    found: dict[tuple[str, str, str, int, int], Record] = {}
    for record in records:
        found.setdefault(_column_key(record), record)
    names = ("version", "data", "budget", "protocol")
    columns = {}
    for key, record in found.items():
        alike = [other for other in found if other[0] == key[0]]
        differing = [i for i in range(1, 5) if len({other[i] for other in alike}) > 1]
        label = key[0] + _brackets({names[i - 1]: str(key[i])[:8] for i in differing})
        columns[key] = Column(label, *key, record.task)
    return columns


def _rows(records: Sequence[Record]) -> tuple[tuple[Row, ...], dict[str, str]]:
    """Rows sorted by label, and the row of each cell hash."""
    rows: dict[str, list[Record]] = {}
    row_of = {}
    for method in sorted({r.spec.method for r in records}):
        own = [r for r in records if r.spec.method == method]
        for record, label in zip(own, _labels(own), strict=True):
            rows.setdefault(label, []).append(record)
            row_of[record.spec.hash] = label
    made = [
        Row(
            label,
            group[0].spec.method,
            group[0].spec.method_version,
            _method_facts(group),
            tuple(sorted({preset_family(r) for r in group})),
        )
        for label, group in sorted(rows.items())
    ]
    return tuple(made), row_of


def _method_facts(records: Sequence[Record]) -> dict[str, Any]:
    return {**records[0].method, "local": any(r.method.get("local") for r in records)}


def _labels(records: Sequence[Record]) -> list[str]:
    """A label for each record of one method: its id, and the version, preset and settings that tell it from others.

    Settings that a preset fixes per task differ between tasks without making another method, so only what differs within a
    task counts, and the version and the preset are asked before single settings are.
    """

    def differ_within_a_task(value: Any, held: Any = lambda r: None) -> bool:
        groups: dict[Any, set[Any]] = {}
        for r in records:
            groups.setdefault((_column_key(r), held(r)), set()).add(value(r))
        return any(len(values) > 1 for values in groups.values())

    by_version = differ_within_a_task(lambda r: r.spec.method_version)
    by_preset = differ_within_a_task(preset_family)

    def known(r: Record) -> tuple[str, ...]:
        return (r.spec.method_version if by_version else "", preset_family(r) if by_preset else "")

    keys = sorted({key for r in records for key in r.spec.config})
    settings = [k for k in keys if differ_within_a_task(lambda r, k=k: _setting(r, k), known)]
    labels = []
    for r in records:
        facts = {"version": r.spec.method_version[:8]} if by_version else {}
        facts |= {"preset": preset_family(r)} if by_preset else {}
        facts |= {k: _setting(r, k) for k in settings}
        labels.append(r.spec.method + _brackets(facts))
    return labels


def _setting(record: Record, name: str) -> str:
    if name not in record.spec.config:
        return "unset"
    value = record.spec.config[name]
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _brackets(facts: Mapping[str, str]) -> str:
    return f" [{', '.join(f'{k}={v}' for k, v in facts.items())}]" if facts else ""
