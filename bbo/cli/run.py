"""`bbo run`."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path
from typing import Any

import click

from bbo import protocol
from bbo.cli import console
from bbo.errors import BBOError
from bbo.harness import plan, run
from bbo.harness.host import Limits


@click.command("run")
@click.argument("plan_file", required=False, type=click.Path(path_type=Path))
@click.option("--suite", help="A shipped suite; options given beside it replace its values.")
@click.option("-t", "--task", "tasks", multiple=True, metavar="TASK", help="Task id or ./file.py:Class; may be repeated.")
@click.option(
    "-b", "--baseline", "baselines", multiple=True, metavar="BASELINE", help="Baseline id or ./file.py:Class; may be repeated."
)
@click.option("--seeds", help="Like 0-7, 3, or 0,2,5-6.  [default: 0-7]")
@click.option("--preset", help="fast, paper or smoke; paper takes the settings published for the task.  [default: fast]")
@click.option("--set", "overrides", multiple=True, metavar="BASELINE.KEY=VALUE", help="Override one setting; may be repeated.")
@click.option("--budget", type=int, help=f"Designs per cell.  [default: {protocol.BUDGET}]")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option(
    "--jobs", type=click.IntRange(1), default=1, show_default=True, help="Cells side by side; cores are divided among them."
)
@click.option("--timeout", type=click.FloatRange(0), default=0.0, help="Seconds a cell may take, 0 for no limit.")
@click.option("--retry", type=click.Choice(["failed"]), help="Run failed cells again.")
@click.option("--dry-run", is_flag=True, help="Say what would run, and stop.")
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Results folder.")
def command(
    plan_file: Path | None,
    suite: str | None,
    overrides: tuple[str, ...],
    device: str,
    jobs: int,
    timeout: float,
    retry: str | None,
    dry_run: bool,
    out: Path,
    **axes: Any,
) -> None:
    """Run every cell (task x baseline x seed) that OUT does not hold yet.

    The same command again resumes. Exit code 0: all planned cells are done; 2: some failed, or bad input; 130: stopped.
    """
    if device == "cuda":
        _need_cuda()
    made = plan.make(_request(plan_file, suite, overrides, axes))
    total = len(made.seeds) * len(made.tasks) * len(made.methods)
    if not dry_run:
        run.prepare(out)
        made.save(out)
    cells = run.remaining(made, out, retry == "failed")
    click.echo(f"{total} cells planned, {total - len(cells)} there already, {len(cells)} to run in {out}", err=True)
    if dry_run:
        for cell in cells:
            click.echo(cell.spec.label())
        return
    limits = Limits(device, max(1, _cores() // jobs), timeout)
    try:
        with console.Progress(len(cells)) as progress:
            run.run(cells, out, limits, jobs, progress.listener(), retry == "failed")
    except KeyboardInterrupt:
        click.echo("stopped; finished cells are kept, the same command resumes", err=True)
        sys.exit(130)
    _conclude(made, out)


def _conclude(made: plan.Plan, out: Path) -> None:
    wanted = {cell.spec.hash for cell in made.cells()}
    failed = [result for result in run.status(out).failed if result.spec.hash in wanted]
    if not failed:
        click.echo(f"all {len(wanted)} cells done; see them with: bbo report {out}", err=True)
        return
    for result in failed[:10]:
        assert result.error
        click.echo(f"failed: {result.spec.label()}: {result.error['reason']}: {result.error['message']}", err=True)
    raise BBOError(
        f"{len(failed)} of {len(wanted)} cells failed; tracebacks are in {out}/cells/HASH/cell.json; "
        "add --retry failed to run them again"
    )


def _request(plan_file: Path | None, suite: str | None, overrides: tuple[str, ...], axes: dict[str, Any]) -> plan.Request:
    """Settings from the suite or plan file, replaced by what the command line gives."""
    if plan_file and suite:
        raise BBOError("give a plan file or --suite, not both")
    base = plan.read_plan(plan_file) if plan_file else plan.read_suite(suite) if suite else {}
    chosen: dict[str, str] = {key: str(value) for key, value in base.pop("set", {}).items()}
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals:
            raise BBOError(f"--set takes baseline.key=value; got '{text}'")
        chosen[key.strip()] = value.strip()
    given = {key: value for key, value in axes.items() if value}
    if axes["budget"] is not None:
        given["budget"] = axes["budget"]
    if "seeds" in given:
        given["seeds"] = plan.parse_seeds(given["seeds"])
    settings = {**base, **given, "overrides": chosen}
    return plan.Request(**{f.name: settings.get(f.name, _default(f)) for f in dataclasses.fields(plan.Request)})


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    return () if field.default_factory is dataclasses.MISSING else field.default_factory()


def _need_cuda() -> None:
    import torch

    if not torch.cuda.is_available():
        raise BBOError("--device cuda: no CUDA device is available to torch; use --device cpu or auto")


def _cores() -> int:
    """Cores this process may use, fewer than the machine's under taskset, Slurm or a container."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
