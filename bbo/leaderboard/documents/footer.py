"""The lines under every table: what makes two tables comparable or not."""

from __future__ import annotations

from collections.abc import Iterable

from bbo.leaderboard.board.scores import CHANCE, UNCHANGED, Board, Column


def lines(board: Board, command: str) -> list[str]:
    """Protocol, seeds, presets, tasks, versions and commands."""
    budgets = _joined(str(c.budget) for c in board.columns)
    protocols = _joined(str(c.protocol) for c in board.columns)
    seeds = sorted({r.spec.seed for r in board.records})
    found = [
        f"Protocol {protocols}: {budgets} designs a run, scored by the task's oracle, normalised by its "
        "frozen y_min and y_max, not clipped; "
        "percentile rule 'higher'. Entries: mean ± standard deviation (ddof 0, as in the published tables) over seeds.",
        f"Seeds: {_ranges(seeds)}. Presets: {_joined(_preset_lines(board))}. "
        "Mean rank: per task by mean score, ties share a rank, failed methods last; mean over tasks.",
    ]
    found += [_task_line(column) for column in board.columns]
    absent = [name for name in (CHANCE, UNCHANGED) if not any(row.method == name for row in board.rows)]
    if absent:
        found.append(
            f"Floors not run: {', '.join(absent)}; add {' '.join(f'-b {n}' for n in absent)} to the run to see chance's level."
        )
    found.append(f"Versions: {versions(board)}.")
    ran = sorted({str(r.provenance["command"]) for r in board.records if r.provenance.get("command")})
    found += [f"Run by: {line}" for line in ran]
    found.append(f"Made by: {command}")
    return found


def _preset_lines(board: Board) -> list[str]:
    families: dict[str, list[str]] = {}
    for row in board.rows:
        for preset in row.presets:
            families.setdefault(preset, []).append(row.label)
    return [f"{preset} ({', '.join(labels)})" for preset, labels in sorted(families.items())]


def _task_line(column: Column) -> str:
    facts = column.facts
    parts = [f"version {column.version}"]
    if facts.get("visible_rows") is not None:
        parts.append(f"{facts['visible_rows']} visible rows")
    if facts.get("best_visible") is not None:
        parts.append(f"best visible {facts['best_visible']:.3f}")
    if facts.get("y_min") is not None and facts.get("y_max") is not None:
        parts.append(f"y_min {facts['y_min']:g}, y_max {facts['y_max']:g}")
    if facts.get("oracle"):
        parts.append(f"{facts['oracle']} oracle")
    parts.append(f"data {column.data_hash[:8]}")
    text = f"Task {column.label}: {facts['title'] + '; ' if facts.get('title') else ''}{', '.join(parts)}."
    return text + (f" Note: {facts['note'].rstrip('.')}." if facts.get("note") else "")


def versions(board: Board) -> str:
    """Every version of every package the cells ran on; several where the cells differ."""
    found: dict[str, set[str]] = {}
    for record in board.records:
        for name, version in {**record.provenance.get("packages", {}), "Python": record.provenance.get("python")}.items():
            if version:
                found.setdefault(name, set()).add(str(version))
    commits = {
        str(r.provenance["commit"])[:12] + ("+dirty" if "dirty" in str(r.provenance["commit"]) else "")
        for r in board.records
        if r.provenance.get("commit")
    }
    if commits:
        found["commit"] = commits
    return ", ".join(f"{name} {' and '.join(sorted(v))}" for name, v in sorted(found.items())) or "not recorded"


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
