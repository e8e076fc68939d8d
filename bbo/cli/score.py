"""`bbo score`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from bbo import catalogue, protocol
from bbo.cli import console, design_files
from bbo.errors import DesignError
from bbo.text import counted


@click.command("score")
@click.argument("task")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Every raw and normalised score, and the percentiles.")
def command(task: str, file: Path, as_json: bool) -> None:
    """Score the designs of FILE with the true function of TASK.

    FILE is an .npy array, an .npz with the array `designs` (or only one), a .csv with or without a header, FASTA, or text with one
    design on a line. Letters may be written as letters (ACGT), as the names that bbo show TASK --design prints, or as numbers from 0.
    Tables of mixed tasks have one column for each of the task's, in any order under a header with their names, as bbo propose writes
    them; other columns are left alone.
    """
    console.translated([task])
    found = catalogue.load_task(task)
    read = design_files.read(file, found.spec.space)
    if read.header:
        click.echo(f"the first row of {file} is taken for the names of its columns: {read.header}", err=True)
    if read.x.ndim and not len(read.x):
        raise DesignError(f"{file} holds no designs: shape {read.x.shape}")
    scores = found.score(read.x, lambda text: click.echo(f"warning: {text}", err=True))
    normalised = found.normalise(scores)
    percentiles = protocol.percentiles(normalised)
    if as_json:
        click.echo(json.dumps({"scores": scores.tolist(), "normalised": normalised.tolist(), "percentiles": percentiles}))
        return
    click.echo(f"{counted(len(scores), 'design')} on {task}")
    raw = {name: found.spec.y_min + value * (found.spec.y_max - found.spec.y_min) for name, value in percentiles.items()}
    rows = [(f"{name}th", f"{value:.6f}", f"{raw[name]:.6g}") for name, value in percentiles.items()]
    console.table(("percentile", "normalised", "raw"), rows)
