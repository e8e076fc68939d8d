"""A page for every method: its idea and deviations from its docstring, its settings and presets, published scores, and an index."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from bbo import catalogue
from bbo.catalogue import LoadedMethod
from bbo.cli import cards
from bbo.record import Record
from bbo.reporting.documents.published import Published, scores
from bbo.reporting.storage import sources
from bbo.settings import Setting, declared
from bbo.surrogates.sharpness import PUBLISHED
from bbo.surrogates.training import TrainingSettings
from tools.at_preset import with_changes

ROOT = Path(__file__).parents[2]
#: Settings that many methods inherit; shown once, in the index.
SHARED = declared(TrainingSettings, "")
INTRODUCTION = f"""# Methods

Every page is made from the method's own declarations; `bbo show METHOD` prints the same. A setting is changed by
`--set METHOD.SETTING=VALUE`. Where a method is composable, `METHOD+NAME` trains its surrogate with a sharpness regulariser:
{", ".join(PUBLISHED)}.

Published scores are normalised means at the 100th percentile, as their sources print them, on tasks of this catalogue. Their tables,
oracles and budgets may differ from ours; `bbo report --published` says where.

"""


def pages() -> dict[str, str]:
    """Text of every page by its path: the index and one page a method."""
    methods = [catalogue.load_method(card.spec.id) for card in catalogue.cards() if not card.unavailable]
    return {"methods/index.md": index(methods), **{f"methods/{method.id}.md": page(method) for method in methods}}


def index(methods: list[LoadedMethod]) -> str:
    """All methods in a table, then the settings that most of them share."""
    lines = ["| method | kind | paper | spaces |", "|---|---|---|---|"]
    for method in methods:
        spec = method.spec
        lines.append(f"| [{method.id}]({method.id}.md) | {spec.kind} | {spec.paper} | {', '.join(spec.spaces)} |")
    lines += [
        "",
        "## Surrogate training",
        "",
        "Settings of every method that trains its surrogate by `bbo.surrogates.training`.",
        "",
    ]
    lines += [*table(list(SHARED.values())), "", "```{toctree}", ":hidden:", "", *(method.id for method in methods), "```"]
    return INTRODUCTION + "\n".join(lines) + "\n"


def page(method: LoadedMethod) -> str:
    """One method."""
    spec = method.spec
    lines = [
        f"# {method.id}",
        "",
        f"**{spec.title}**",
        "",
        method.described.doc,
        "",
        "## Facts",
        "",
        "| | |",
        "|---|---|",
    ]
    lines += [f"| {name} | {cell(value)} |" for name, value in cards.of_method(method).items()]
    presets = {name: changes for name, changes in method.presets().items() if changes}
    if presets:
        lines += ["", "## Presets", "", "What differs from the defaults.", ""]
        lines += [f"- `{name}`: {changed(changes)}" for name, changes in presets.items()]
    own = [one for name, one in method.settings().items() if name not in SHARED]
    if own or method.settings():
        lines += ["", "## Settings", ""]
    if own:
        lines += table(own)
    if len(own) < len(method.settings()):
        others = {name: method.settings()[name].default for name, one in SHARED.items() if default_differs(method, one)}
        changes = f", with {changed(others)}." if others else "."
        lines += ["", "And those of [surrogate training](index.md#surrogate-training)" + changes]
    if found := measured(method.id):
        head = ["| task | preset | seeds | 100th percentile | 50th percentile | seconds a cell |", "|---|---|---|---|---|---|"]
        lines += ["", "## Measured scores", "", "From the [committed results](../results/README.md).", "", *head, *found]
    if found := seconds(method.id, (ROOT / "results" / "fast.md").read_text(encoding="utf-8")):
        lines += ["", "## Seconds a cell", "", found]
    if found := best_known(method.id):
        lines += ["", "## Published scores", "", *(f"- {one}" for one in found)]
    return "\n".join(lines) + "\n"


def cell(text: str) -> str:
    """A text in a cell of a table."""
    return text.replace("|", chr(92) + "|")


@cache
def committed() -> tuple[tuple[Record, ...], ...]:
    """The done cells of each leaderboard in results/; its other tables are no tables of cells."""
    leaderboards = [path for path in sorted((ROOT / "results").glob("*.csv")) if path.read_text().startswith("schema,cell,")]
    return tuple(tuple(r for r in sources.load([path]).records if r.done) for path in leaderboards)


def measured(method: str) -> list[str]:
    """Rows of a table: the method's mean scores in the committed results, at unchanged presets.

    A row is from one leaderboard, that with the most seeds: two of them may come from two machines, and hold other results of one cell.
    """
    groups: dict[tuple[str, str, str], list[Record]] = {}
    for records in committed():
        own: dict[tuple[str, str, str], list[Record]] = {}
        for record in records:
            if record.spec.method == method and not with_changes(record).method.get("overrides"):
                key = (record.spec.task, str(record.method.get("preset", "")), record.spec.method_version)
                own.setdefault(key, []).append(record)
        groups |= {key: found for key, found in own.items() if len(found) > len(groups.get(key, ()))}
    rows = []
    for (task, preset, _), records in sorted(groups.items()):
        columns = [np.array([r.percentiles[p] for r in records]) for p in ("100", "50")]
        seconds = np.mean([r.cost["wall_seconds"] for r in records])
        figures = " | ".join(f"{s.mean():.3f} ± {s.std():.3f}" for s in columns)
        rows.append(f"| {task} | {preset} | {len(records)} | {figures} | {seconds:.1f} |")
    return rows


def seconds(method: str, text: str) -> str:
    """What the first table of results/fast.md says of a method, in a sentence; empty if it says nothing."""
    head = ["method", "median s", "slowest s", "on"]
    rows = [[part.strip() for part in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")]
    if head not in rows:
        raise ValueError(f"results/fast.md has no table with the columns {', '.join(head)}")
    first = rows.index(head) + 1
    for name, median, slowest, task in (row for row in rows[first:] if len(row) == len(head)):
        if name == method:
            return (
                f"At the preset `fast`, one thread, processor time: {median} s as a median over tasks, at most {slowest} s, on {task} "
                "([all cells](../results/fast.md))."
            )
    return ""


def default_differs(method: LoadedMethod, shared: Setting) -> bool:
    return shared.name in method.settings() and method.settings()[shared.name].default != shared.default


def table(settings: list[Setting]) -> list[str]:
    return ["| setting | default | allowed | |", "|---|---|---|---|", *map(row, settings)]


def row(one: Setting) -> str:
    words = f"{one.words} ({one.unit})" if one.unit else one.words
    return f"| `{one.name}` | {shown(one.default)} | {one.allowed()} | {cell(words)} |"


def changed(settings: dict[str, Any]) -> str:
    return ", ".join(f"`{name}` {shown(value)}" for name, value in settings.items())


def shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def best_known(method: str) -> list[str]:
    """Published scores of a method on our tasks, one text a task."""
    by_task: dict[str, list[Published]] = {}
    for score in scores():
        if score.method == method and score.percentile == 100 and score.task in catalogue.task_ids():
            by_task.setdefault(score.task, []).append(score)
    return [f"{task} {', '.join(dict.fromkeys(map(figure, found)))}" for task, found in sorted(by_task.items())]


def figure(score: Published) -> str:
    spread = "" if score.std is None else f" ± {score.std:.3f}"
    settings = f", {score.settings}" if score.settings else ""
    return f"{score.mean:.3f}{spread} ({score.source.partition(',')[0]}{settings})"
