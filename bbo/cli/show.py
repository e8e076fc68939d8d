"""`bbo show`: the card of a task or a method, and readable designs."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import click
import numpy as np

from bbo import catalogue, files, local
from bbo.cli import cards, console, failures
from bbo.errors import BBOError
from bbo.harness import plan
from bbo.record import read_cell, read_outcome
from bbo.task import Task

#: Names of variants shown without --all.
SOME = 8
#: Designs of a cell shown without --best.
BEST = 5
#: What each option is for: a task or a cell, and what it does.
OPTIONS = {
    "--all": ("task", "lists the variants of a task"),
    "--design": ("task", "shows a row of a task's visible table"),
    "--render": ("task", "draws a row of a task's visible table"),
    "--best": ("cell", "counts designs of a cell"),
    "--run-files": ("cell", "runs the file of a cell's task"),
}
#: Formats of pictures, by the ends of their files' names.
PICTURES = (".png", ".pdf", ".svg")


@click.command("show")
@click.argument("id", metavar="ID|FILE.py:Class|DIR/cells/HASH")
@click.option("--all", "show_all", is_flag=True, help="Print all variants of a task.")
@click.option(
    "--design",
    "row",
    type=click.IntRange(0),
    metavar="ROW",
    help="Print a visible design of a task, readable, with its score.",
)
@click.option(
    "--render",
    "picture",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.png",
    help="Draw the best visible design of a task, or the one that --design names, into FILE (.png, .pdf or .svg).",
)
@click.option("--best", type=click.IntRange(1), metavar="N", help=f"Number of best designs of a cell to print.  [default: {BEST}]")
@click.option(
    "--run-files", is_flag=True, help="Also of a cell whose task is a file, which is then run; refused without this option."
)
def command(id: str, show_all: bool, row: int | None, picture: Path | None, best: int | None, run_files: bool) -> None:
    """Show all facts of a task or a method, or the best designs of a cell."""
    console.translated([id])
    what = "cell" if (Path(id) / "cell.json").is_file() else "task" if catalogue.is_task(id) else "method"
    given = {
        "--all": show_all,
        "--design": row is not None,
        "--render": picture is not None,
        "--best": best is not None,
        "--run-files": run_files,
    }
    _refuse_options([option for option in given if given[option]], id, what)
    if what == "cell":
        _show_cell(Path(id), best or BEST, run_files)
    elif what == "method":
        _show_method(catalogue.load_method(id))
    elif picture is not None:
        _draw(catalogue.load_task(id), row, picture)
    elif row is None:
        _show_task(catalogue.load_task(id), show_all)
    else:
        _show_design(catalogue.load_task(id), row)


def _refuse_options(given: list[str], id: str, what: str) -> None:
    """Refuse options that would do nothing."""
    for option in given:
        kind, does = OPTIONS[option]
        if kind != what:
            raise BBOError(f"{option} {does}; {id} is a {what}")
    if "--all" in given and len(given) > 1:
        raise BBOError(f"--all lists variants, {given[1]} is about one design; give one of the two")


def _visible(task: Task, row: int | None) -> tuple[np.ndarray, float]:
    """A visible design and its score; the best one without a row."""
    table = task.visible()
    row = int(table.y.argmax()) if row is None else row
    if row >= len(table.y):
        raise BBOError(f"{task.spec.id} has {len(table.y)} visible designs, rows 0 to {len(table.y) - 1}; got --design {row}")
    return table.x[row], float(table.y[row])


def _show_design(task: Task, row: int) -> None:
    x, y = _visible(task, row)
    _facts({"design": task.spec.space.readable(x), "score": f"{y:.8g}, normalised {task.normalise(np.array(y)):.6f}"})


def _draw(task: Task, row: int | None, path: Path) -> None:
    if path.suffix not in PICTURES:
        raise BBOError(f"--render writes {', '.join(PICTURES)}; got {path}")
    from matplotlib.figure import Figure  # no pyplot, so no display is asked for

    x, y = _visible(task, row)
    figure, content = Figure(figsize=(8, 5), layout="constrained"), io.BytesIO()
    figure.suptitle(f"{task.spec.id}: {'best visible design' if row is None else f'visible design {row}'}, score {y:.6g}")
    task.draw(task.spec.space.check(x[None])[0], figure)
    figure.savefig(content, format=path.suffix[1:], dpi=150)
    files.write(path, content.getvalue())
    click.echo(f"wrote {path}", err=True)


def _show_cell(folder: Path, best: int, run_files: bool) -> None:
    record = read_cell(folder)
    console.say(f"{record.spec.label()}: {record.status}\n")
    facts: dict[str, Any] = {
        "preset": record.method.get("preset", ""),
        "changed settings": ", ".join(f"{key}={json.dumps(value)}" for key, value in record.method.get("overrides", {}).items()),
        "versions": f"task {record.spec.task_version}, method {record.spec.method_version}, protocol {record.spec.protocol}",
        "percentiles": ", ".join(f"{name}th {value:.6f}" for name, value in _descending(record.percentiles)),
        "failure": "" if record.done else failures.told(record),
    }
    _facts({key: value for key, value in facts.items() if value})
    if not record.done:
        return
    out = folder.resolve().parent.parent
    orders = {order.spec.hash: order for order in plan.planned(out)} if (out / "plans").is_dir() else {}
    task = orders[record.spec.hash].task if record.spec.hash in orders else record.spec.task
    if local.is_local(task) and not run_files:
        console.say(f"\nits designs are not shown: its task is a file, which would be run: {local.file_of(task)}; see --run-files")
        return
    space = catalogue.load_task(task).spec.space
    outcome = read_outcome(folder, record)
    _, first, copies = np.unique(outcome.designs, axis=0, return_index=True, return_counts=True)
    ranked = sorted(zip(first, copies, strict=True), key=lambda pair: (-outcome.scores[pair[0]], pair[0]))
    click.echo(f"\nbest of {len(ranked)} different designs, of {len(outcome.scores)}: normalised score, raw score, design")
    for i, count in ranked[:best]:
        times = f" ({count} times)" if count > 1 else ""
        line = f"{outcome.normalised[i]:.6f}  {outcome.scores[i]:.6g}  {space.readable(space.check(outcome.designs)[i])}{times}"
        click.echo(console.wrapped(line, "  ", "      "))


def _descending(percentiles: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(percentiles.items(), key=lambda item: -int(item[0]))


def _show_task(task: Task, show_all: bool) -> None:
    spec = task.spec
    console.say(f"{spec.id}: {spec.title}\n")
    definition = cards.definition(task)
    if definition:
        console.prose(definition)
    _facts(cards.of_task(task))
    options = dict(zip(getattr(spec.space, "positions", ()), getattr(spec.space, "names", ()), strict=False))
    if options:
        click.echo("\npositions and their letters, numbered from 0")
    for position, names in options.items():
        click.echo(console.wrapped(f"{position}: {', '.join(names)}", "  ", "      "))
    variants = task.variants()
    if variants:
        shown = variants if show_all else variants[:SOME]
        rest = "" if len(shown) == len(variants) else ", .. (all: --all)"
        click.echo(f"\nvariants ({len(variants)}), as {spec.id.partition(':')[0]}:NAME")
        click.echo(console.wrapped(", ".join(shown) + rest))


def _show_method(method: catalogue.LoadedMethod) -> None:
    spec = method.spec
    console.say(f"{method.id}: {spec.title}\n" if spec.title else f"{method.id}\n")
    console.prose(method.described.doc or "(no docstring)")
    _facts(cards.of_method(method))
    settings = method.settings()
    if settings:
        click.echo("\nsettings")
    for setting in settings.values():
        default = method.extra.get(setting.name, setting.default)
        unit = f" {setting.unit}" if setting.unit else ""
        words = f" {setting.words}." if setting.words else ""
        line = f"{setting.name} = {json.dumps(default)}{unit}.{words} ({setting.allowed()})"
        click.echo(console.wrapped(line, "  ", "      "))
    for name, changes in method.presets().items():
        values = ", ".join(f"{key}={json.dumps(value)}" for key, value in changes.items())
        click.echo(f"\npreset {name}")
        click.echo(console.wrapped(values or "the defaults"))


def _facts(facts: dict[str, Any]) -> None:
    width = max(map(len, facts)) + 2
    for key, value in facts.items():
        click.echo(console.wrapped(f"{key:<{width}}{value}", "  ", " " * (width + 2)))
