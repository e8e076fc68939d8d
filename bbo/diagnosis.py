"""How accurate a method's surrogate is on a task: it is trained on the visible table and tested on designs it has not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bbo import catalogue
from bbo.catalogue import LoadedMethod
from bbo.errors import BBOError
from bbo.task import Dataset, Task

#: Rows of the visible table that no surrogate here is trained on: a tenth, at most this many.
HELD_OUT = 2000
#: Fewest rows that figures are given for.
FEWEST = 10
#: What a training may record, with the title of its panel.
TITLES = {
    "train_loss": "training loss",
    "validation_loss": "validation loss",
    "sharpness_lambda": "lambda",
    "sharpness_grad_norm": "gradient norm",
    "sharpness_slack": "slack of the constraint",
}


@dataclass(frozen=True)
class Rows:
    """Designs with their true scores, and what they are."""

    name: str
    data: Dataset


def able() -> list[str]:
    """Ids of the methods that can be used here and have a surrogate which can be diagnosed."""
    return [card.spec.id for card in catalogue.cards() if not card.unavailable and catalogue.has_surrogate(card)]


def examples() -> str:
    """Where to find methods with a surrogate, for messages."""
    return f"methods that have one: {', '.join(able()[:3])} and others, see the column surrogate of bbo list methods"


def split(task: Task, count: int, seed: int) -> tuple[Dataset, list[Rows]]:
    """The visible rows to train on, and sets of at most `count` rows to test a surrogate on; the same for every method.

    Raises:
        Unavailable, DamagedFile: the task's data are missing or wrong.
    """
    generator = np.random.default_rng(seed)
    visible = task.visible()
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


def accuracies(
    task: Task, known: Dataset, probes: Sequence[Rows], method: LoadedMethod, config: Mapping[str, Any], seed: int, device: str
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """The accuracy of a surrogate on each set of rows, and the history of its training.

    Returns:
        By the name of the rows: n, and rmse, nll, spearman and bias in standard deviations of the visible scores; None where there are
        fewer than `FEWEST` rows or the surrogate gives no such number. Then what the training recorded, by quantity: (epochs, members).

    Raises:
        BBOError: the method has no surrogate.
    """
    import torch

    from bbo.problem import Problem
    from bbo.surrogates.diagnostics import accuracy

    place = torch.device(device)
    problem = Problem(
        torch.as_tensor(known.x, device=place),
        torch.as_tensor(known.y, device=place),
        task.spec.space,
        1,
        torch.Generator(place).manual_seed(seed),
    )
    predicted = method.predict(dict(config), problem, [rows.data.x for rows in probes if len(rows.data.y) >= FEWEST])
    if predicted is None:
        raise BBOError(
            f"'{method.id}' has no surrogate to diagnose: its class has no method surrogate(self, problem); {examples()}"
        )
    predictions, history = predicted
    found: dict[str, dict[str, Any]] = {}
    data, waiting = problem.encoded(), iter(predictions)
    for rows in probes:
        if len(rows.data.y) < FEWEST:
            found[rows.name] = {"n": len(rows.data.y), "rmse": None, "nll": None, "spearman": None, "bias": None}
            continue
        mean, std = next(waiting)
        mean, std = mean.to(place), std if std is None else std.to(place)
        y = (torch.as_tensor(rows.data.y, device=place) - data.y_mean) / data.y_std
        facts = accuracy(mean.detach(), std if std is None else std.detach(), y)
        found[rows.name] = {"n": len(rows.data.y), **facts, "bias": (mean - y).mean().item()}
    return found, history


def plot(histories: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Draw trainings: a panel for each recorded quantity, a colour for each method, a line for each member of an ensemble.

    Raises:
        BBOError: nothing was recorded, or the picture cannot be written.
    """
    from matplotlib.figure import Figure

    panels = [key for key in TITLES if any(key in history for history in histories.values())]
    if not panels:
        raise BBOError(f"nothing to plot: no training was recorded for {', '.join(histories)}")
    figure = Figure(figsize=(3.2 * len(panels), 3), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)
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
        axis.set(title=TITLES[key], xlabel="epoch")
        axis.locator_params(axis="x", integer=True)
        axis.spines[["top", "right"]].set_visible(False)
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:
        raise BBOError(f"the picture cannot be written to {path}: {error}") from None
