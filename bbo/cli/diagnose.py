"""`bbo diagnose`: how accurate a method's surrogate is, and how its training went."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from bbo import catalogue, diagnosis
from bbo.cli import console
from bbo.errors import BBOError
from bbo.harness import plan, request
from bbo.record import read_cell


@click.command("diagnose")
@click.argument("what", metavar="TASK|CELL")
@click.option("--surrogate", "methods", multiple=True, metavar="METHOD", help="Method whose surrogate is trained; may be repeated.")
@click.option("--preset", default="fast", show_default=True, help="fast, paper or smoke.")
@click.option("--set", "overrides", multiple=True, metavar="METHOD.KEY=VALUE", help="Override one setting; may be repeated.")
@click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="Seed of the rows and of the training."
)
@click.option("--rows", type=click.IntRange(diagnosis.FEWEST), default=2000, show_default=True, help="Designs in each test set.")
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
    """Train surrogates on a task and test them on designs they have not seen.

    They are trained on the visible table and tested on three sets: visible rows that were held out; hidden rows, or uniform designs
    where the task has no hidden table and an exact oracle; and those of the latter that score above the best visible design, which is
    where an optimizer goes. RMSE and NLL are in standard deviations of the visible scores. Given the folder of a cell
    (OUT/cells/HASH), --plot draws the training recorded there.
    """
    folder = Path(what)
    if (folder / "cell.json").is_file():
        record = read_cell(folder)
        if not plot:
            raise BBOError(f"{what} is a cell; add --plot FILE.png to draw the training recorded in it")
        _plot({record.spec.label(): record.notes}, plot)
        return
    if not methods:
        raise BBOError(f"no surrogate given; add --surrogate METHOD, or METHOD+ignite; {diagnosis.examples()}")
    if device == "cuda":
        console.need_cuda()
    console.translated([what])
    task = catalogue.load_task(what)
    loaded = [catalogue.load_method(name) for name in dict.fromkeys(methods)]
    settings = plan.overrides_by_method(request.parse_overrides(overrides), loaded)
    configs = {method.id: method.config(preset, task.spec.id, settings[method.id]).config for method in loaded}
    known, probes = diagnosis.split(task, rows, seed)
    found, histories = [], {}
    for method in loaded:
        accuracies, histories[method.id] = diagnosis.accuracies(task, known, probes, method, configs[method.id], seed, device)
        found += [{"task": task.spec.id, "surrogate": method.id, "rows": label, **facts} for label, facts in accuracies.items()]
    if plot:
        _plot(histories, plot)
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    columns = ("surrogate", "rows", "n", "rmse", "nll", "spearman", "bias")
    console.table(columns, [[_cell(row[column]) for column in columns] for row in found])


def _plot(histories: dict[str, dict[str, Any]], path: Path) -> None:
    diagnosis.plot(histories, path)
    click.echo(f"wrote {path}", err=True)


def _cell(value: Any) -> str:
    return "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
