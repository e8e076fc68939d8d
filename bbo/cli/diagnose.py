"""`bbo diagnose`: how far a method's surrogate can be trusted, and how its training went."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from bbo import catalogue
from bbo.cli import console
from bbo.errors import BBOError
from bbo.record import read_cell
from bbo.task import Dataset, Task

#: Rows of the visible table that no surrogate here is trained on: a tenth, at most so many.
HELD_OUT = 2000
#: Fewest rows a figure is given for.
FEWEST = 10


@dataclass(frozen=True)
class Rows:
    """Designs with their true scores, and what they are."""

    name: str
    data: Dataset


@click.command("diagnose")
@click.argument("what", metavar="TASK|CELL")
@click.option("--surrogate", "methods", multiple=True, metavar="METHOD", help="Method whose surrogate is trained; may be repeated.")
@click.option("--preset", default="fast", show_default=True, help="fast, paper or smoke.")
@click.option("--set", "overrides", multiple=True, metavar="METHOD.KEY=VALUE", help="Override one setting; may be repeated.")
@click.option("--seed", default=0, show_default=True)
@click.option("--rows", type=click.IntRange(FEWEST), default=2000, show_default=True, help="Designs of each kind that are scored.")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option(
    "--plot", type=click.Path(path_type=Path, dir_okay=False), help="Picture of the training, epoch by epoch (.png, .pdf, .svg)."
)
@click.option("--json", "as_json", is_flag=True, help="A list of objects instead of a table.")
def command(
    what: str,
    methods: tuple[str, ...],
    preset: str,
    overrides: tuple[str, ...],
    seed: int,
    rows: int,
    device: str,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Train surrogates on the visible table of TASK and try them on designs they have not seen.

    These are: visible rows held out; hidden rows, or uniform designs where the task keeps no hidden table and its oracle is exact;
    and those of them that score above the best visible design, which is where an optimiser goes. RMSE and NLL are in standard
    deviations of the visible scores. Given a folder of a cell (OUT/cells/HASH) instead, --plot draws the training recorded there.
    """
    folder = Path(what)
    if (folder / "cell.json").is_file():
        record = read_cell(folder)
        if not plot:
            raise BBOError(f"{what} is a cell; add --plot FILE.png to draw the training recorded in it")
        _plot({record.spec.label(): record.notes}, plot)
        return
    if not methods:
        raise BBOError(f"no surrogate given; add --surrogate with one of: {', '.join(_able())}, or one of these with +ignite")
    task = catalogue.load_task(what)
    settings = _overrides(methods, overrides)
    known, probes = _split(task, rows, seed)
    found, histories = [], {}
    for name in methods:
        accuracies, histories[name] = _diagnose(task, known, probes, name, preset, settings[name], seed, device)
        found += [{"task": task.spec.id, "surrogate": name, "rows": label, **facts} for label, facts in accuracies.items()]
    if plot:
        _plot(histories, plot)
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    columns = ("surrogate", "rows", "n", "rmse", "nll", "spearman", "bias")
    console.table(columns, [[_cell(row[column]) for column in columns] for row in found])


def _cell(value: Any) -> str:
    return "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def _able() -> list[str]:
    return [name for name in catalogue.method_ids() if catalogue.method_card(name).spec.composable]


def _overrides(methods: tuple[str, ...], overrides: tuple[str, ...]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {name: {} for name in methods}
    for text in overrides:
        key, equals, value = text.partition("=")
        name, dot, setting = key.strip().rpartition(".")
        if not (equals and dot) or name not in found:
            raise BBOError(f"--set takes METHOD.KEY=VALUE with a method given as --surrogate; got '{text}'")
        found[name][setting] = value.strip()
    return found


def _split(task: Task, count: int, seed: int) -> tuple[Dataset, list[Rows]]:
    """The visible rows to train on, and the sets of rows to try a surrogate on; the same for every method."""
    generator = np.random.default_rng(seed)
    visible = task.dataset()
    order = generator.permutation(len(visible.y))
    held = min(HELD_OUT, count, len(order) // 10)
    probes = [Rows("held out", Dataset(visible.x[order[:held]], visible.y[order[:held]]))]
    unseen = task.hidden()
    if unseen is not None:
        chosen = generator.permutation(len(unseen.y))[:count]
        probes.append(Rows("hidden", Dataset(unseen.x[chosen], unseen.y[chosen])))
    elif task.spec.oracle == "exact":
        x = task.spec.space.from_unit(generator.random((count, *task.spec.space.shape)))
        unseen = Dataset(x, task.score(x))
        probes.append(Rows("uniform designs", unseen))
    if unseen is not None:
        above = unseen.y > task.spec.best_visible
        name = "hidden" if probes[-1].name == "hidden" else "uniform"
        probes.append(Rows(f"{name}, above best visible", Dataset(unseen.x[above][:count], unseen.y[above][:count])))
    return Dataset(visible.x[order[held:]], visible.y[order[held:]]), probes


def _diagnose(
    task: Task, known: Dataset, probes: list[Rows], name: str, preset: str, overrides: dict[str, str], seed: int, device: str
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Accuracy on each set of rows, and the history of the training."""
    import torch

    from bbo.problem import Problem
    from bbo.surrogates.diagnostics import accuracy

    method = catalogue.load_method(name)
    method = method.cls(**method.config(preset, task.spec.id, overrides).config)
    if not callable(getattr(method, "surrogate", None)):
        able = ", ".join(_able())
        raise BBOError(f"'{name}' has no surrogate to diagnose: its class has no method surrogate(self, problem); with one: {able}")
    place = torch.device(device)
    problem = Problem(
        torch.as_tensor(known.x, device=place),
        torch.as_tensor(known.y, device=place),
        task.spec.space,
        1,
        torch.Generator(place).manual_seed(seed),
    )
    surrogate, data = method.surrogate(problem), problem.encoded()
    found: dict[str, dict[str, Any]] = {}
    for rows in probes:
        if len(rows.data.y) < FEWEST:
            found[rows.name] = {"n": len(rows.data.y), "rmse": None, "nll": None, "spearman": None, "bias": None}
            continue
        mean, std = surrogate.predict(data.encode(torch.as_tensor(rows.data.x, device=place)))
        y = (torch.as_tensor(rows.data.y, device=place) - data.y_mean) / data.y_std
        facts = accuracy(mean.detach(), std if std is None else std.detach(), y)
        found[rows.name] = {"n": len(rows.data.y), **facts, "bias": (mean - y).mean().item()}
    return found, surrogate.history


def _plot(histories: dict[str, dict[str, Any]], path: Path) -> None:
    """One panel for each recorded quantity, one colour for each method, one line for each member of an ensemble."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    titles = {
        "train_loss": "training loss",
        "validation_loss": "validation loss",
        "sharpness_lambda": "lambda",
        "sharpness_grad_norm": "gradient norm",
        "sharpness_slack": "slack of the constraint",
    }
    panels = [key for key in titles if any(key in history for history in histories.values())]
    if not panels:
        raise BBOError(f"nothing to plot: no training was recorded for {', '.join(histories)}")
    figure, axes = plt.subplots(1, len(panels), figsize=(3.2 * len(panels), 3), squeeze=False, layout="constrained")
    for key, axis in zip(panels, axes[0], strict=True):
        for number, (name, history) in enumerate(histories.items()):
            values = np.asarray(history.get(key, np.empty((0, 1))), dtype=float)
            epochs = np.arange(1, len(values) + 1)
            marker = "." if len(epochs) < 12 else ""
            for member, line in enumerate(values.T):
                label = name if member == 0 else None
                axis.plot(epochs, line, color=f"C{number}", lw=1, marker=marker, label=label)
        if key == "sharpness_slack":
            axis.axhline(0, color="0.6", lw=0.8, zorder=0)
        axis.set(title=titles[key], xlabel="epoch")
        axis.locator_params(axis="x", integer=True)
        axis.spines[["top", "right"]].set_visible(False)
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:
        raise BBOError(f"the picture cannot be written to {path}: {error}") from None
    finally:
        plt.close(figure)
    click.echo(f"wrote {path}", err=True)
