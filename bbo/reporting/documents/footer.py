"""The lines below every table: what is needed to judge whether two tables are comparable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from bbo.reporting.board.scores import CHANCE, UNCHANGED, Board, Column
from bbo.reporting.documents.document import ABSENT, NOT_APPLICABLE

#: How a reader repeats a row; its labels name a method and, in brackets, what tells it from others of the same name.
AGAIN = (
    "Run a row again: bbo rerun RESULTS -t TASK -b METHOD, where RESULTS is the folder or table; with --list it prints the commands "
    "that made it."
)
#: Where the terms of tables are explained.
WORDS = "Terms: docs/glossary.md explains those of this page."


def lines(board: Board, command: str, order: str, left_out: Sequence[str] = ()) -> list[str]:
    """Protocol, seeds, presets, the `order` of rows, tasks, versions and commands; `left_out` are versions that `--latest` did not show."""
    budgets = _joined(str(c.key.budget) for c in board.columns)
    protocols = _joined(str(c.key.protocol) for c in board.columns)
    found = [
        f"Protocol {protocols}: {budgets} designs per run, scored by the task's oracle, normalised by its "
        "frozen y_min and y_max, not clipped; "
        "percentile rule 'higher'. Entries: mean ± standard deviation (ddof 0, as in the published tables) over seeds.",
        f"Seeds: {_seeds(board)}. Presets: {_joined(_preset_lines(board))}.",
        order,
    ]
    if left_out:
        found.append(
            "Latest versions only: of each task, and then of each method with the same settings asked for, the version whose last cell was "
            f"finished last. Left out: {'; '.join(left_out)}."
        )
    found += [_task_line(column) for column in board.columns]
    absent = [name for name in (CHANCE, UNCHANGED) if not any(row.method == name for row in board.rows)]
    floors = [row.label for row in board.rows if row.floor]
    if floors:
        found.append(f"Floors, which is what you get with no method: {', '.join(floors)}.")
    if absent:
        found.append(
            f"Floors not run: {', '.join(absent)}; add {' '.join(f'-b {n}' for n in absent)} to the run to compare with the floors."
        )
    found.append(f"Versions: {versions(board)}.")
    if machines := machine(board):
        found.append(f"Machine: {machines}.")
    if mixed := _mixed_numerics(board):
        found.append(mixed)
    ran = sorted({str(r.provenance["command"]) for r in board.records if r.provenance.get("command")})
    found += [f"Run by: {line}" for line in ran]
    return [*found, f"Made by: {command}", AGAIN + _elsewhere(board), WORDS]


def _elsewhere(board: Board) -> str:
    """How to run a row of other results again, which stands here under a name that they do not have."""
    origins = {str(r.provenance["origin"]["results"]) for r in board.records if r.provenance.get("origin")}
    return f" Of a row METHOD (NAME), RESULTS is {' or '.join(sorted(origins))}, and -b METHOD alone." if origins else ""


def _seeds(board: Board) -> str:
    """The seeds that were run; where methods have others, those of each, and of most methods without their names."""
    rows: dict[str, list[str]] = {}
    for row in board.rows:
        if seeds := sorted({r.spec.seed for column in board.columns for r in board.entry(row, column).cells}):
            rows.setdefault(_ranges(seeds), []).append(row.label)
    if len(rows) == 1:
        return next(iter(rows))
    most = max(rows, key=lambda seeds: len(rows[seeds]))
    named = [f"{seeds} ({', '.join(labels)})" for seeds, labels in sorted(rows.items()) if seeds != most]
    return "; ".join([*named, f"{most} (the other {len(rows[most])} methods)"])


def _mixed_numerics(board: Board) -> str:
    """That cells of this board were computed with different bits; empty if all that say so agree."""
    modes, bits = (
        Counter(str(r.provenance[name]) for r in board.records if r.provenance.get(name)) for name in ("numerics", "fingerprint")
    )
    for what, found in (("numerics modes", modes), ("numerics fingerprints", bits)):
        if len(found) > 1:
            listed = ", ".join(f"{name} ({count} cells)" for name, count in found.most_common())
            return f"Cells of different {what} stand side by side: {listed}. The same cell may differ between them."
    return ""


def subtitle(board: Board) -> str:
    """When, on which machine and in which numerics mode the cells were made, in one line; what is not recorded is left out."""
    days = sorted({str(r.provenance["finished"])[:10] for r in board.records if r.provenance.get("finished")})
    parts = [f"{len(board.rows)} methods, {len(board.columns)} tasks, {len(board.records)} runs"]
    parts += [days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"] if days else []
    machine = stack(board, {"cpu": "CPU", "device_name": "device", "numerics": "numerics"})
    parts += [f"{name} {' and '.join(sorted(values))}" for name, values in machine.items()]
    return "; ".join(parts)


def ranking(board: Board, percentile: str) -> str:
    """The rule by which rows are ordered by their mean rank at a percentile (in words), as far as it applies to this board."""
    text = (
        f"Rows are in the order of the mean rank at {percentile}: on each task by mean score, ties share a rank, failed methods "
        "last; then the mean over tasks."
    )
    if not board.fits.all():
        text += (
            f" {NOT_APPLICABLE}: the method does not fit the task. Its ranks and means are over the tasks it fits, whose number stands under "
            '"tasks"; compare it with the others on those tasks only.'
        )
    if (board.fits & ~board.was_run).any():
        text += f" {ABSENT}: not run; such a row is listed below the complete ones, since its mean rank is over fewer tasks."
    return text


def _preset_lines(board: Board) -> list[str]:
    families: dict[str, list[str]] = {}
    for row in board.rows:
        for preset in row.presets:
            families.setdefault(preset, []).append(row.label)
    return [f"{preset} ({', '.join(labels)})" for preset, labels in sorted(families.items())]


def _task_line(column: Column) -> str:
    facts = column.facts
    parts = [f"version {column.key.version}"]
    if facts.get("visible_rows") is not None:
        parts.append(f"{facts['visible_rows']} visible rows")
    if facts.get("best_visible") is not None:
        parts.append(f"best visible {facts['best_visible']:.3f}")
    if facts.get("y_min") is not None and facts.get("y_max") is not None:
        parts.append(f"y_min {facts['y_min']:g}, y_max {facts['y_max']:g}")
    if facts.get("oracle"):
        parts.append(f"{facts['oracle']} oracle")
    parts.append(f"data {column.key.data_hash[:8]}")
    text = f"Task {column.label}: {facts['title'] + '; ' if facts.get('title') else ''}{', '.join(parts)}."
    return text + (f" Note: {facts['note'].rstrip('.')}." if facts.get("note") else "")


#: Facts of the machine that may change a score: their names in a record's provenance, and in words.
MACHINE = {
    "cpu": "CPU", "os": "OS", "device_name": "device", "threads": "threads", "blas": "BLAS", "numerics": "numerics",
    "fingerprint": "fingerprint",
}  # fmt: skip


def stack(board: Board, names: Mapping[str, str]) -> dict[str, set[str]]:
    """What the cells were computed on: by name in words, every value that a cell recorded; facts that no cell recorded are left out."""
    found: dict[str, set[str]] = {}
    for record in board.records:
        for name, word in names.items():
            if record.provenance.get(name) not in (None, "", []):
                found.setdefault(word, set()).add(_fact(record.provenance[name]))
    return found


def _fact(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_fact(v)}" for k, v in sorted(value.items()))
    return " + ".join(map(str, value)) if isinstance(value, list) else str(value)


def packages(board: Board) -> dict[str, set[str]]:
    """Every version of every package the cells ran on, of Python and of the checkout."""
    found = stack(board, {"python": "Python"})
    for record in board.records:
        for name, version in record.provenance.get("packages", {}).items():
            if version:
                found.setdefault(name, set()).add(str(version))
    commits = {
        str(r.provenance["commit"])[:12] + ("+dirty" if "dirty" in str(r.provenance["commit"]) else "")
        for r in board.records
        if r.provenance.get("commit")
    }
    return found | ({"commit": commits} if commits else {})


def machine(board: Board) -> str:
    """What the cells were computed on, in one line; empty if none recorded it."""
    return _listed(stack(board, MACHINE))


def versions(board: Board) -> str:
    """`packages` in one line."""
    return _listed(packages(board)) or "not recorded"


def _listed(facts: Mapping[str, set[str]]) -> str:
    return ", ".join(f"{name} {' and '.join(sorted(v))}" for name, v in sorted(facts.items()))


def _joined(parts: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(parts))


def _ranges(numbers: list[int]) -> str:
    """0-3, 7 for [0, 1, 2, 3, 7]."""
    runs: list[list[int]] = []
    for n in numbers:
        if runs and n == runs[-1][-1] + 1:
            runs[-1].append(n)
        else:
            runs.append([n])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
