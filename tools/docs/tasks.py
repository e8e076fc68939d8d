"""A page for every task: its card, its floors, and a histogram of visible and hidden scores, and an index."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from click.testing import CliRunner
from matplotlib.figure import Figure

from bbo import catalogue
from bbo.cli import cards, main
from bbo.errors import BBOError
from bbo.task import TableTask, Task

ROOT = Path(__file__).parents[2]
#: Uniform designs that stand for the hidden part of a task without a table of it.
DRAWN = 5000
INTRODUCTION = """# Tasks

Every page is made from the task's own declaration; `bbo show TASK` prints the same. A score is normalised by the task's constants y_min
and y_max, and larger is better. [Floors](../results/tasks.md) are what you get with no method.

"""


def pages(out: Path) -> dict[str, str]:
    """Text of every page by its path; the histograms are written below `out`."""
    tasks = [catalogue.load_task(name) for name in catalogue.task_ids()]
    lines = ["| task | designs | visible rows | oracle | title |", "|---|---|---|---|---|"]
    for task in tasks:
        spec = task.spec
        lines.append(
            f"| [{spec.id}]({spec.id}.md) | {spec.space.describe()} | {spec.visible_rows} | {spec.oracle} | {spec.title} |"
        )
    lines += ["", "```{toctree}", ":hidden:", "", *(task.spec.id for task in tasks), "```"]
    floors = floor_rows((ROOT / "results" / "tasks.md").read_text(encoding="utf-8"))
    found = {"tasks/index.md": INTRODUCTION + "\n".join(lines) + "\n"}
    for task in tasks:
        picture = draw(task, out / "tasks" / f"{task.spec.id}.svg")
        drawn = render(task, out / "tasks")
        found[f"tasks/{task.spec.id}.md"] = page(task, floors.get(task.spec.id, {}), picture, drawn)
    return found


def page(task: Task, floors: dict[str, str], picture: str, drawn: str = "") -> str:
    """One task; `picture` says what its histogram shows, or why there is none; `drawn` is the file of a design's picture, if any."""
    spec = task.spec
    lines = [f"# {spec.id}", "", f"**{spec.title}**", "", cards.definition(task), "", "## Card", "", "| | |", "|---|---|"]
    facts = {name: value for name, value in cards.of_task(task).items() if name != "available"}
    lines += [f"| {name} | {value.replace('|', chr(92) + '|')} |" for name, value in facts.items()]
    if floors:
        lines += [
            "",
            "## Floors",
            "",
            f"| {' | '.join(floors)} |",
            f"|{'---|' * len(floors)}",
            f"| {' | '.join(floors.values())} |",
        ]
    if drawn:
        lines += ["", "## Best visible design", "", f"![The best visible design of {spec.id}]({drawn})"]
    lines += ["", "## Scores", ""]
    lines += [f"![Histogram of normalised scores]({spec.id}.svg)", "", picture] if picture.startswith("Histogram") else [picture]
    if variants := task.variants():
        shown = ", ".join(f"`{name}`" for name in variants[:8])
        more = f" and {len(variants) - 8} more (`bbo show {spec.id} --all`)" if len(variants) > 8 else ""
        lines += ["", "## Variants", "", f"Written `{spec.id}:NAME`: {shown}{more}."]
    return "\n".join(lines) + "\n"


def floor_rows(text: str) -> dict[str, dict[str, str]]:
    """Rows of results/tasks.md by task, without what the card says already."""
    rows = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in text.splitlines() if line.startswith("| ")]
    return {cells[0]: dict(zip(rows[0][4:11], cells[4:11], strict=True)) for cells in rows[1:]}


def draw(task: Task, path: Path) -> str:
    """Write the histogram; what it shows, or why it cannot be drawn."""
    try:
        shown, other, words = scores(task)
    except BBOError as error:
        return f"No histogram: {error}."
    figure = Figure(figsize=(6.4, 2.6), layout="constrained")
    axes = figure.subplots()
    low, high = (float(edge) for edge in (min(shown.min(), other.min()), max(shown.max(), other.max())))
    bins = np.linspace(low, high, 61)
    axes.hist(shown, bins, weights=np.full(len(shown), 1 / len(shown)), alpha=0.6, color="C0", label="visible")
    axes.hist(other, bins, weights=np.full(len(other), 1 / len(other)), alpha=0.6, color="C1", label=words)
    axes.set(xlabel="normalised score", ylabel="share of the rows")
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    return f"Histogram of the normalised scores: visible rows, and {words}."


def render(task: Task, folder: Path) -> str:
    """Draw the best visible design by `bbo show --render`; the name of its file, or nothing for tasks that cannot draw here."""
    if type(task).draw is Task.draw:
        return ""
    path = folder / f"{task.spec.id}-design.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    done = CliRunner().invoke(main, ["show", task.spec.id, "--render", str(path)])
    if done.exit_code == 0:
        return path.name
    if done.exit_code == 2:  # its data or a package is not here
        return ""
    raise RuntimeError(f"bbo show {task.spec.id} --render failed: {done.output}") from done.exception


def scores(task: Task) -> tuple[np.ndarray, np.ndarray, str]:
    """Normalised scores of the visible rows, and of others: hidden rows where there is a table of them, else uniform designs."""
    visible = task.normalise(task.visible().y)
    if isinstance(task, TableTask):
        table = task.table()
        return visible, task.normalise(table[table > np.float32(task.spec.best_visible)]), "hidden designs"
    if (hidden := task.hidden()) is not None:
        return visible, task.normalise(hidden.y), "hidden rows"
    count = DRAWN if task.spec.seconds < 0.05 else 500
    drawn = task.spec.space.from_unit(np.random.default_rng(0).random((count, *task.spec.space.shape)))
    return visible, task.normalise(task.score(drawn)), "uniform designs"
