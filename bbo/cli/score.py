"""`bbo score`."""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np

from bbo import catalogue, protocol
from bbo.errors import BBOError, DesignError


@click.command("score")
@click.argument("task")
@click.argument("file", metavar="FILE.npz", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Every raw and normalised score, and the percentiles.")
def command(task: str, file: Path, as_json: bool) -> None:
    """Score the designs of FILE.npz (its array `designs`, or its only array) with the true function of TASK."""
    found = catalogue.load_task(task)
    designs = _read(file)
    if not len(designs):
        raise DesignError(f"{file} holds no designs: shape {designs.shape}")
    scores = found.score(designs)
    normalised = found.normalise(scores)
    percentiles = protocol.percentiles(normalised)
    if as_json:
        click.echo(json.dumps({"scores": scores.tolist(), "normalised": normalised.tolist(), "percentiles": percentiles}))
        return
    click.echo(f"{len(scores)} designs on {task}")
    click.echo("percentile\tnormalised\traw")
    for name, value in percentiles.items():
        raw = found.spec.y_min + value * (found.spec.y_max - found.spec.y_min)
        click.echo(f"{name}th\t{value:.6f}\t{raw:.6g}")


def _read(file: Path) -> np.ndarray:
    try:
        with np.load(file, allow_pickle=False) as arrays:
            if not isinstance(arrays, np.lib.npyio.NpzFile):
                raise ValueError("not an npz archive")
            names = arrays.files
            name = "designs" if "designs" in names else names[0] if len(names) == 1 else ""
            if name:
                return arrays[name]
    except FileNotFoundError:
        raise BBOError(f"no file {file}") from None
    except (OSError, ValueError, EOFError) as error:
        raise BBOError(f"{file} cannot be read as npz: {error}") from None
    raise BBOError(f"{file} holds the arrays {', '.join(names)}; name the one to score 'designs'")
