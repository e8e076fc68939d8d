"""The numbers, tables and figure of docs/why_search_wins.md.

    python tools/why_search_wins.py measure
    python tools/why_search_wins.py write

`measure` adds what is missing to results/why_search_wins.csv, task by task and seed by seed, on development tasks only. `write` makes the
figure docs/why_search_wins.svg and the tables of the page from that file.

The first part takes the Gaussian process at the centre of ROOT's family, fitted to the rows ROOT fits it to, and looks for the top of
its mean in four ways. The second lets every model of validated-search search alone, beside those that validation chose.
"""

from __future__ import annotations

import argparse
import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from bbo import numerics

numerics.choose()  # before torch is imported

import numpy as np  # noqa: E402
import torch  # noqa: E402
from matplotlib import rc_context  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from scipy import stats  # noqa: E402
from torch import Tensor  # noqa: E402

import bbo  # noqa: E402
from bbo import files, protocol  # noqa: E402
from bbo.baselines.gp_search import GPSearch  # noqa: E402
from bbo.baselines.root import Root  # noqa: E402
from bbo.baselines.validated_search import candidates  # noqa: E402
from bbo.generative.synthetic_pairs import walk  # noqa: E402
from bbo.search import box_ascent  # noqa: E402
from bbo.search.evolution import GreedySearch  # noqa: E402
from bbo.search.polish import mutants  # noqa: E402
from bbo.space import Sequence as Letters  # noqa: E402
from bbo.surrogates.gp_family import VisibleTable  # noqa: E402
from bbo.task import Task  # noqa: E402

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "results" / "why_search_wins.csv"
PAGE = ROOT / "docs" / "why_search_wins.md"
FIGURE = ROOT / "docs" / "why_search_wins.svg"

#: Development tasks; those on which methods are judged are not among them.
TASKS = ("tfbind8", "nas-bench-201-cifar100", "thin-film")
SEEDS = (0, 1)
WAYS = ("best visible", "walk", "bridge", "bridge, then search", "search")
CHOSEN = "average of the chosen"
FIELDS = ("part", "task", "seed", "item", "predicted", "gain", "chosen", "score_100", "score_50")
COLOURS = {"best visible": "#999999", "walk": "#0072b2", "bridge": "#d55e00", "bridge, then search": "#cc79a7", "search": "#009e73"}

Row = dict[str, Any]


def designs(task: Task, seed: int) -> Iterable[Row]:
    """One Gaussian process, four ways to its top: what its mean says of the designs (their median, normalised), and the truth."""
    problem = task.problem(seed)
    root = Root(**bbo.load_method("root").settings(task.spec.id))
    data = problem.encoded()
    table = VisibleTable.of(data, problem.x, root.largest_grid)
    box = root.box(table, problem.y, problem.shared, problem.generator)
    (mean,) = table.fitter(root.rows(table, problem.y), box.centre)([box.centre])
    start = problem.x[problem.starts()]
    ends = walk(mean, data.encode(start), root.steps, root.step_size * root.scale(box.centre) ** 2)[1, :, :-1]
    bridge = bbo.load_method("root").propose(problem)

    def value(x: Tensor) -> Tensor:
        return mean.mean(data.encode(x))

    def search(x: Tensor) -> Tensor:
        usual = GPSearch()
        if isinstance(problem.space, Letters):
            found = GreedySearch(problem.budget, usual.crossovers, usual.rounds)
            best, _ = found.run(x, value, lambda x: mutants(x, problem.space.letters, value), problem.generator)
            return best[torch.arange(problem.budget) % len(best)]
        low, high = data.encode(torch.tensor([problem.space.low, problem.space.high]))
        gradient = lambda x: mean.mean_and_gradient(x)[1]  # noqa: E731
        return data.decode(box_ascent.ascend(gradient, data.encode(x), low, high, usual.steps, usual.rate))

    found = {
        "best visible": start,
        "walk": data.decode(ends),
        "bridge": bridge,
        "bridge, then search": search(bridge),
        "search": search(start),
    }
    for item, x in found.items():
        predicted = task.normalise(value(x).double().numpy() * data.y_std + data.y_mean)
        yield {"item": item, "predicted": protocol.percentiles(predicted)["50"], **scores(task, x)}


def selection(task: Task, seed: int) -> Iterable[Row]:
    """Every model of validated-search alone, with the gain that validation measures; and the average of those it chooses."""
    problem = task.problem(seed)
    together = bbo.load_method("validated-search", explore=0.0).propose(problem)
    chosen, gains = problem.notes["averaged"], problem.notes["gains"]
    yield {"item": CHOSEN, **scores(task, together)}
    for model in candidates(problem.space, problem.encoded().dim):
        alone = bbo.load_method("validated-search", explore=0.0, model=model.name).propose(problem)
        found = {"gain": gains[model.name], "chosen": int(model.name in chosen), **scores(task, alone)}
        yield {"item": model.name, **found}


def scores(task: Task, x: Tensor) -> dict[str, float]:
    """The percentiles of the true normalised scores of designs."""
    found = protocol.percentiles(task.normalise(task.score(x.numpy())))
    return {"score_100": found["100"], "score_50": found["50"]}


PARTS: dict[str, Callable[[Task, int], Iterable[Row]]] = {"designs": designs, "selection": selection}


def read(path: Path = TABLE) -> list[Row]:
    """The rows of the table; none if there is no table yet."""
    if not path.is_file():
        return []
    number = {"seed": int, "chosen": int} | dict.fromkeys(("predicted", "gain", "score_100", "score_50"), float)
    with path.open(newline="") as lines:
        return [{k: number.get(k, str)(v) for k, v in row.items() if v} for row in csv.DictReader(lines)]


def measure(tasks: Sequence[str], path: Path = TABLE) -> None:
    """Add every part, task and seed that the table does not have."""
    torch.set_num_threads(1)
    for name in tasks:
        for seed in SEEDS:
            for part, rows_of in PARTS.items():
                if any((row["part"], row["task"], row["seed"]) == (part, name, seed) for row in read(path)):
                    continue
                made = [{"part": part, "task": name, "seed": seed, **row} for row in rows_of(bbo.load_task(name), seed)]
                rows = [*read(path), *made]
                rows.sort(key=lambda row: (row["part"], TASKS.index(row["task"]), row["seed"]))
                text = io.StringIO()
                table = csv.DictWriter(text, FIELDS, lineterminator="\n")
                table.writeheader()
                table.writerows({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows)
                files.write(path, text.getvalue())
                print(f"{part} / {name} / seed {seed}", flush=True)


def mean(rows: Sequence[Row], field: str, **wanted: Any) -> float:
    """Mean of a field over the rows that have these values."""
    return float(np.mean([row[field] for row in rows if all(row[k] == v for k, v in wanted.items())]))


def tasks_of(rows: Sequence[Row], part: str) -> list[str]:
    """The tasks of a part, in order."""
    return [task for task in TASKS if any(row["part"] == part and row["task"] == task for row in rows)]


def same_process(rows: Sequence[Row]) -> list[str]:
    """Markdown: per task and way, what the mean of ROOT's Gaussian process says of the median design, and the truth."""
    lines = ["| task | way | its mean says | true median | true best |", "|---|---|--:|--:|--:|"]
    for task in tasks_of(rows, "designs"):
        for way in WAYS:
            values = [mean(rows, f, part="designs", task=task, item=way) for f in ("predicted", "score_50", "score_100")]
            lines.append(f"| {named(rows, 'designs', task)} | {way} | {' | '.join(f'{v:.3f}' for v in values)} |")
    values = [
        " | ".join(
            f"{np.mean([mean(rows, f, part='designs', task=t, item=way) for t in tasks_of(rows, 'designs')]):.3f}"
            for f in ("predicted", "score_50", "score_100")
        )
        for way in WAYS
    ]
    return lines + [f"| mean | {way} | {v} |" for way, v in zip(WAYS, values, strict=True)]


def regrets(rows: Sequence[Row]) -> list[str]:
    """Markdown: the true median of what validation chose, of the plain model and of the best single model, and the rank correlation."""
    lines = [
        "| task | plain | average of the chosen | best model, by the oracle | which (seed 0) | regret | correlation |",
        "|---|--:|--:|--:|---|--:|--:|",
    ]
    found = []
    for task in tasks_of(rows, "selection"):
        each = [selected(rows, task, seed) for seed in seeds_of(rows, "selection", task)]
        plain, together, best, correlation = np.mean([e[:4] for e in each], axis=0)
        found.append((plain, together, best, correlation))
        values = f"{plain:.3f} | {together:.3f} | {best:.3f} | {each[0][4]} | {best - together:.3f} | {correlation:+.2f}"
        lines.append(f"| {named(rows, 'selection', task)} | {values} |")
    plain, together, best, correlation = np.mean(found, axis=0)
    return [*lines, f"| mean | {plain:.3f} | {together:.3f} | {best:.3f} | | {best - together:.3f} | {correlation:+.2f} |"]


def seeds_of(rows: Sequence[Row], part: str, task: str) -> list[int]:
    """The seeds of a part on a task."""
    return sorted({row["seed"] for row in rows if row["part"] == part and row["task"] == task})


def named(rows: Sequence[Row], part: str, task: str) -> str:
    """A task with the number of its seeds."""
    count = len(seeds_of(rows, part, task))
    return f"{task} ({count} seed{'s' if count > 1 else ''})"


def selected(rows: Sequence[Row], task: str, seed: int) -> tuple[float, float, float, float, str]:
    """Of one seed: true median of the plain model, of the average, of the best model; Spearman's correlation; the best one's name."""
    own = [row for row in rows if row["part"] == "selection" and row["task"] == task and row["seed"] == seed]
    (together,) = (row["score_50"] for row in own if row["item"] == CHOSEN)
    models = [row for row in own if row["item"] != CHOSEN]
    best = max(models, key=lambda row: row["score_50"])
    (plain,) = (row["score_50"] for row in models if row["item"] == "plain")
    gains, true = zip(*((row["gain"], row["score_50"]) for row in models), strict=True)
    constant = np.ptp(gains) == 0 or np.ptp(true) == 0
    correlation = 0.0 if constant else float(stats.spearmanr(gains, true).statistic)
    return plain, together, best["score_50"], correlation, best["item"]


def figure(rows: Sequence[Row]) -> Figure:
    """Left: what the Gaussian process says against the truth. Right: what validation says against the truth, a line of dots a task."""
    drawn = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = drawn.subplots(1, 2)
    tasks = tasks_of(rows, "designs")
    shapes = dict(zip(TASKS, "osD", strict=True))
    for way in WAYS:
        for task in tasks:
            x, y = (mean(rows, f, part="designs", task=task, item=way) for f in ("predicted", "score_50"))
            label = way if task == tasks[0] else None
            left.scatter(x, y, color=COLOURS[way], marker=shapes[task], s=36, label=label)
    for task in tasks:
        path = [
            tuple(mean(rows, f, part="designs", task=task, item=w) for f in ("predicted", "score_50"))
            for w in ("best visible", "bridge", "search")
        ]
        left.plot(*zip(*path, strict=True), color="#cccccc", linewidth=0.8, zorder=0)
    left.axline((0, 0), slope=1, color="#000000", linewidth=0.6, linestyle=":")
    left.set(
        xlabel="median by the mean of ROOT's Gaussian process", ylabel="true median", title="The same process, five sets of designs"
    )
    left.legend(fontsize=8, frameon=False)
    for task in tasks_of(rows, "selection"):
        own = [row for row in rows if row["part"] == "selection" and row["task"] == task and row["item"] != CHOSEN]
        names = list(dict.fromkeys(row["item"] for row in own))
        x, y, chosen = ([mean(own, f, item=name) for name in names] for f in ("gain", "score_50", "chosen"))
        (dots,) = right.plot(x, y, shapes[task], markersize=5, label=task, alpha=0.5)
        taken = [i for i, share in enumerate(chosen) if share > 0]
        right.plot(
            [x[i] for i in taken],
            [y[i] for i in taken],
            shapes[task],
            markersize=8,
            color=dots.get_color(),
            markeredgecolor="#000000",
        )
    right.set(xlabel="gain by validation", ylabel="true median of its search", title="Every model alone; with a rim: chosen")
    right.legend(fontsize=8, frameon=False)
    return drawn


def page(text: str, rows: Sequence[Row]) -> str:
    """The page with its tables made again: each follows a comment with its name, up to the next empty line."""
    for name, table in {"same-process": same_process(rows), "regret": regrets(rows)}.items():
        body = "\n".join(table)
        text = re.sub(rf"(<!-- {name} -->\n\n)(?:\|[^\n]*\n)*", lambda m, body=body: f"{m[1]}{body}\n", text)
    return text


def write() -> None:
    rows = read()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "why-search-wins"}):
        made = io.BytesIO()
        figure(rows).savefig(made, format="svg", metadata={"Date": None})
    files.write(FIGURE, made.getvalue().decode())
    if PAGE.is_file():
        files.write(PAGE, page(PAGE.read_text(encoding="utf-8"), rows))
    print("\n".join([*same_process(rows), "", *regrets(rows)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("measure", "write"))
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS), metavar="ID")
    arguments = parser.parse_args()
    if arguments.what == "measure":
        measure(arguments.tasks)
    else:
        write()


if __name__ == "__main__":
    main()
