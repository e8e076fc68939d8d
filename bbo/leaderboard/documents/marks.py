"""Footnotes, made from the records: what a reader must know of a row, a column or a single entry before comparing it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bbo.leaderboard.board.scores import Board, Column, Entry, Row, preset_family
from bbo.record import Record


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
        return [(_letter(i), text) for i, text in enumerate(self.texts)]


def _letter(index: int) -> str:
    first, last = divmod(index, 26)
    return (_letter(first - 1) if first else "") + chr(ord("a") + last)


def of_column(column: Column) -> list[str]:
    """What must be known of a task."""
    texts = []
    if column.facts.get("oracle") == "learned":
        texts.append("learned oracle: scores are a model's predictions, not measurements")
    if column.saturated:
        texts.append("saturated: the 100th percentile is reached by chance, so methods are ranked by the 50th")
    if column.facts.get("local"):
        texts.append("a local task, from a file of the user's own; not part of the benchmark")
    return texts


def of_row(board: Board, row: Row) -> list[str]:
    """What holds for every entry of a method."""
    entries = [entry for column in board.columns if (entry := board.entry(row, column)).done or entry.failed]
    # A cell that failed may not have come as far as what the others of its method did.
    facts = [_facts(board, entry) for entry in ([e for e in entries if e.done] or entries)]
    shared = [text for text in facts[0] if all(text in other for other in facts[1:])]
    if len(entries) < len(board.columns):
        shared.append(f"run on {len(entries)} of {len(board.columns)} tasks; its mean rank is over these")
    return shared


def of_entry(board: Board, entry: Entry, shared: Sequence[str]) -> list[str]:
    """What holds for one entry but not for its whole row, whose `of_row` is `shared`."""
    if not (entry.done or entry.failed):
        return []
    return [text for text in _facts(board, entry) if text not in shared] + [_failure(record) for record in entry.failed]


def _facts(board: Board, entry: Entry) -> list[str]:
    cells = entry.done + entry.failed
    texts = []
    used = sorted({name for record in cells for name in record.method.get("privileged", ())})
    if used:
        texts.append(f"uses privileged knowledge that the visible data do not hold: {', '.join(used)}")
    if any(record.method.get("local") for record in cells):
        texts.append("a local method, from a file of the user's own; not part of the benchmark")
    families = sorted({preset_family(record) for record in cells} - {"default", board.common_preset})
    if families:
        texts.append(f"preset {', '.join(families)}, where the others use {board.common_preset}")
    if len(cells) < board.common_seeds:
        texts.append(f"{_seeds(len(cells))}, where others have {board.common_seeds}")
    return texts


def _seeds(n: int) -> str:
    return f"{n} seed{'s' if n != 1 else ''}"


def _failure(record: Record) -> str:
    error = record.error or {}
    what = ": ".join(
        part for part in (error.get("type", ""), error.get("message", "").splitlines()[0] if error.get("message") else "") if part
    )
    text = f"seed {record.spec.seed} failed ({error.get('reason', 'no reason recorded')}){f': {what}' if what else ''}"
    return text if len(text) <= 200 else text[:197] + "..."
