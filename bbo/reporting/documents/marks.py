"""Footnotes, made from the records: what a reader must know about a row, a column or an entry before comparing it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bbo.record import Record
from bbo.reporting.board.scores import Board, Column, Entry, Row, preset_family, setting_text

#: Share of repeated designs from which a row is marked; different warnings shown of an entry; characters of a footnote.
MANY, WARNINGS, LONGEST = 0.5, 3, 200
#: What a record warns of designs that have collapsed.
COLLAPSED = re.compile(r"all designs are equal|\d+% of the designs repeat an earlier one")
#: Warnings about code and not about its results, which records of earlier versions hold.
DEPRECATED = re.compile(r"(Pending)?DeprecationWarning: ")


@dataclass
class Footnotes:
    """Texts in the order in which they were first asked for, each with a letter: a, b, .. z, aa, ab, .."""

    texts: list[str] = field(default_factory=list)

    def letters(self, texts: Iterable[str]) -> tuple[str, ...]:
        """The letters of some texts, giving new ones to those not seen before."""
        letters = []
        for text in texts:
            if text not in self.texts:
                self.texts.append(text)
            letters.append(_letter(self.texts.index(text)))
        return tuple(letters)

    def items(self) -> list[tuple[str, str]]:
        """Letter and text of every footnote, in order."""
        return [(_letter(i), text) for i, text in enumerate(self.texts)]


def _letter(index: int) -> str:
    first, last = divmod(index, 26)
    return (_letter(first - 1) if first else "") + chr(ord("a") + last)


def of_column(column: Column) -> list[str]:
    """Footnotes of a task."""
    texts = []
    if column.facts.get("oracle") == "learned":
        texts.append("learned oracle: scores are a model's predictions, not measurements")
    if column.saturated:
        texts.append("saturated: random designs come near the top, so no best is marked at the 100th percentile; compare the 50th")
    if column.facts.get("local"):
        texts.append("a local task, from a file of the user's own; not part of the benchmark")
    return texts


def of_row(board: Board, row: Row, ranked: bool = True) -> list[str]:
    """Footnotes that hold for every entry of a method; `ranked` says whether the table has mean ranks."""
    entries = [board.entry(row, column) for column in board.columns]
    run = [entry for entry in entries if entry.cells]
    # A failed cell may have stopped before the step that others of its method recorded.
    facts = [_facts(board, entry) for entry in ([e for e in run if e.done] or run)]
    shared = [text for text in facts[0] if all(text in other for other in facts[1:])] if facts else []
    if row.overrides:
        shared.insert(0, _cut(f"not as its preset sets it: {_assigned(row.overrides)}"))
    unlike = _unlike_base(board, row)
    if unlike:
        shared.insert(0, _cut(f"not set as {row.base} is: {_assigned(unlike)}"))
    versions = Counter(version for entry in run for version in {record.spec.method_version for record in entry.cells})
    if len(versions) > 1:
        told = ", ".join(f"{_cut_version(version)} on {n}" for version, n in sorted(versions.items()))
        shared.insert(0, _cut(f"versions differ by task: {told}"))
    unfit = sum(bool(entry.unsuitable) for entry in entries)
    if unfit:
        means = "; its mean rank and means are over the others" if ranked else ""
        shared.append(f"does not fit {unfit} of {len(entries)} tasks{means}")
    if len(run) < len(entries) - unfit:
        below = "; its mean rank is over these, and it is listed below the complete rows" if ranked else ""
        shared.append(f"run on {len(run)} of {len(entries)} tasks{below}")
    return shared


def of_entry(board: Board, entry: Entry, shared: Sequence[str]) -> list[str]:
    """Footnotes that hold for one entry but not for its whole row, whose `of_row` is `shared`."""
    if entry.unsuitable:
        return [_cut(f"not applicable: {_line(entry.unsuitable)}")]
    if not entry.cells:
        return []
    return [text for text in _facts(board, entry) if text not in shared] + [_failure(record) for record in entry.failed]


def _facts(board: Board, entry: Entry) -> list[str]:
    cells = entry.cells
    texts = []
    used = sorted({name for record in cells for name in record.method.get("privileged", ())})
    if used:
        texts.append(f"uses privileged knowledge that the visible data do not hold: {', '.join(used)}")
    if any(record.method.get("local") for record in cells):
        texts.append("a local method, from a file of the user's own; not part of the benchmark")
    texts += unconfined(cells)
    families = sorted({preset_family(record) for record in cells} - {"default", board.common_preset})
    if families:
        texts.append(f"preset {', '.join(families)}, where the others use {board.common_preset}")
    return [*texts, *_few(board, entry), *_collapsed(entry), *_warned(entry)]


def _few(board: Board, entry: Entry) -> list[str]:
    n = len(entry.cells)
    return [f"{_seeds(n)}, where others have {board.common_seeds}"] if n < board.common_seeds else []


def few_seeds(board: Board, row: Row) -> str:
    """The footnote of a row that has fewer seeds than others on every task, in the same number; empty if there is none."""
    found = {tuple(_few(board, entry)) for column in board.columns if (entry := board.entry(row, column)).cells}
    return "".join(*found) if len(found) == 1 else ""


def unconfined(cells: Iterable[Record]) -> list[str]:
    """Whether cells ran where the system did not confine their method; records of earlier versions do not say."""
    free = any(record.provenance.get("sandbox") == "none" for record in cells)
    return ["the method was not confined by the operating system, so it could have read the oracle"] if free else []


def _collapsed(entry: Entry) -> list[str]:
    """Whether the designs of some seeds are all equal, or mostly duplicates."""
    shares = [(r.designs["duplicates"], r.spec.budget) for r in entry.done if "duplicates" in r.designs]
    same = sum(budget > 1 and share > 1 - 1.5 / budget for share, budget in shares)
    many = sum(share >= MANY for share, _ in shares) - same
    texts = [f"all designs are the same {_in_seeds(same, len(entry.done))}"] if same else []
    return texts + ([f"half of the designs or more repeat another {_in_seeds(many, len(entry.done))}"] if many else [])


def warnings(record: Record) -> list[str]:
    """What a reader of a record's scores should be warned of."""
    return [text for text in record.warnings if text and not DEPRECATED.match(text)]


def _warned(entry: Entry) -> list[str]:
    """Warnings from the cells' runs, the most frequent first, else in their order; `_collapsed` has those of collapsed designs already."""
    # In the order of the records: that of a set would differ from process to process.
    warned = [dict.fromkeys(_general(_line(text)) for text in warnings(r) if not COLLAPSED.fullmatch(text)) for r in entry.done]
    counts = Counter(text for found in warned for text in found if text)
    shown = counts.most_common(WARNINGS)
    texts = [_cut(f"warning {_in_seeds(n, len(entry.done))}: {text}") for text, n in shown]
    more = len(counts) - len(shown)
    return texts + ([f"{more} more warnings in its records"] if more else [])


def _unlike_base(board: Board, row: Row) -> dict[str, str]:
    """Settings changed from the preset in `m+regulariser` or in `m` but not alike, so that the two differ by more than the regulariser.

    If there are several `m`, the one that differs in the fewest settings.
    """
    closest: dict[str, str] | None = None
    for base in board.rows:
        if base.method != row.base or base.method == row.method:
            continue
        found: dict[str, str] = {}
        for column in board.columns:
            own, theirs = board.entry(row, column).cells[:1], board.entry(base, column).cells[:1]
            for a, b in zip(own, theirs, strict=False):
                for key in sorted(row.overrides.keys() | base.overrides.keys()):
                    x, y = a.spec.config.get(key), b.spec.config.get(key)
                    if x != y:
                        found[key] = f"{setting_text(x)} (there {setting_text(y)})"
        if closest is None or len(found) < len(closest):
            closest = found
    return closest or {}


def _cut_version(version: str) -> str:
    """A version, that of a local file by the beginning of its hash."""
    return version if len(version) <= 8 else version[:8]


def _assigned(settings: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={setting_text(value)}" for name, value in sorted(settings.items()))


def _seeds(n: int) -> str:
    return f"{n} seed{'s' if n != 1 else ''}"


def _in_seeds(n: int, of: int) -> str:
    return "in every seed" if n == of else f"in {n} of {_seeds(of)}"


def _failure(record: Record) -> str:
    error = record.error or {}
    what = ": ".join(part for part in (error.get("type", ""), _line(error.get("message", ""))) if part)
    return _cut(f"seed {record.spec.seed} failed ({error.get('reason', 'no reason recorded')}){f': {what}' if what else ''}")


def _line(text: str) -> str:
    """The first line of a text."""
    return text.strip().partition("\n")[0]


def _general(text: str) -> str:
    """A warning without figures in brackets, so that those which differ in nothing else are one footnote; records hold the whole."""
    return re.sub(r" \([^()]*\d[^()]*\)", "", text)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
