"""`bbo run`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import click

from bbo import catalogue, local, numerics, protocol, record
from bbo.cli import console, failures
from bbo.errors import BBOError, unknown
from bbo.harness import engines, estimate, folder, plan, request, run
from bbo.harness.host import Host
from bbo.harness.options import DEVICES, SANDBOXES, EngineOptions, RunOptions
from bbo.harness.sandbox.confinement import NONE

#: Parameters that say what a plan holds.
PLANNED = ("plan_file", "suite", "tasks", "methods", "baselines", "seeds", "preset", "overrides", "budget", "skip_missing")


def _shard(context: click.Context, option: click.Parameter, text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    i, slash, n = text.partition("/")
    if not (slash and i.isdecimal() and n.isdecimal() and 1 <= int(i) <= int(n)):
        raise BBOError(f"--shard is written I/N with I from 1 to N, like 1/4; got '{text}'")
    return int(i), int(n)


@click.command("run")
@click.argument("plan_file", required=False, type=click.Path(path_type=Path))
@click.option("--suite", help="A suite of `bbo list suites`; other options replace its values.")
@click.option(
    "-t",
    "--task",
    "tasks",
    multiple=True,
    metavar="TASK",
    help="Task id, a pattern like 'rna-*', or ./file.py:Class; may be repeated.",
)
@click.option(
    "-b",
    "--method",
    "methods",
    multiple=True,
    metavar="METHOD",
    help="Method id, a pattern, or ./file.py:Class; may be repeated.",
)
@click.option("--baseline", "baselines", multiple=True, hidden=True)  # the older name of --method
@click.option("--seeds", help="Like 0-7, 3, or 0,2,5-6.  [default: 0-7]")
@click.option("--preset", help="fast, paper or smoke; paper takes the settings published for the task.  [default: fast]")
@click.option("--set", "overrides", multiple=True, metavar="METHOD.KEY=VALUE", help="Override one setting; may be repeated.")
@click.option("--budget", type=int, help=f"Designs per cell.  [default: {protocol.BUDGET}]")
@click.option("--skip-missing", is_flag=True, default=None, help="Leave out tasks and methods whose data or packages are missing.")
@click.option(
    "--cell", "hashes", multiple=True, metavar="HASH", help="Run only this cell of the plans saved in OUT; may be repeated."
)
@click.option("--device", type=click.Choice(DEVICES), default="auto", show_default=True, help="auto: a GPU if there is one.")
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Cells run at the same time; with slurm, size of the job array.",
)
@click.option(
    "--threads",
    type=click.IntRange(1),
    help="Threads for each cell.  [default: 1; native: cores / jobs]",
)
@click.option("--timeout", type=click.FloatRange(0), default=0.0, help="Seconds a cell may take, 0 for no limit.")
@click.option(
    "--memory", type=click.FloatRange(0), default=0.0, help="Gigabytes a cell may use (torch alone: 0.5), 0 for no limit."
)
@click.option(
    "--disk",
    type=click.FloatRange(0),
    default=20.0,
    show_default=True,
    help="Gigabytes of temporary files a cell may hold, 0 for no limit.",
)
@click.option(
    "--cells-per-process",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="Cells after which a method's process is replaced.",
)
@click.option(
    "--sandbox",
    type=click.Choice(SANDBOXES),
    default="auto",
    show_default=True,
    help="Confine methods by Landlock where the system can, refuse to run where it cannot, or never confine.",
)
@click.option(
    "--numerics",
    "mode",
    type=click.Choice(numerics.MODES),
    help="portable: the same bits on every CPU with AVX2 of one maker (Intel, AMD); compatible: of all makers, but two to three times "
    "slower in matrix products; native: the fastest kernels of this CPU.  "
    "[default: portable, or native with more than one thread]",
)
@click.option("--tf32", is_flag=True, help="Let a GPU round float32 products to TF32: faster, but less exact.")
@click.option("--trace", is_flag=True, help="Also score and store intermediate designs that methods report.")
@click.option("--retry", type=click.Choice(["failed"]), help="Run failed cells again.")
@click.option("--traceback", is_flag=True, help="Print the tracebacks of failed cells at the end.")
@click.option("--shard", callback=_shard, metavar="I/N", help="Run only part I of N of the cells.")
@click.option(
    "--engine",
    type=click.Choice(engines.NAMES),
    default="local",
    show_default=True,
    help="Run on this machine, on Dask workers, or as Slurm jobs.",
)
@click.option("--scheduler", default="", help="Address of the Dask scheduler.  [default: DASK_SCHEDULER_ADDRESS]")
@click.option(
    "--slurm", "slurm", multiple=True, metavar="OPTION=VALUE", help="An option of sbatch, like partition=gpu; may be repeated."
)
@click.option("--dry-run", is_flag=True, help="Print what would run and about how long it would take.")
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Results folder.")
def command(
    plan_file: Path | None,
    suite: str | None,
    baselines: tuple[str, ...],
    overrides: tuple[str, ...],
    hashes: tuple[str, ...],
    device: str,
    jobs: int,
    threads: int | None,
    timeout: float,
    memory: float,
    disk: float,
    cells_per_process: int,
    sandbox: str,
    mode: str | None,
    tf32: bool,
    trace: bool,
    retry: str | None,
    traceback: bool,
    shard: tuple[int, int] | None,
    engine: str,
    scheduler: str,
    slurm: tuple[str, ...],
    dry_run: bool,
    out: Path,
    **axes: Any,
) -> None:
    """Run every cell (task x method x seed) that OUT does not hold yet.

    PLAN_FILE is a TOML file like a suite's, with lists of tasks and methods. Without it, -t and -b or --suite say what to run:

    \b
      bbo run -t tfbind8 -b random -b coms --seeds 0-2 --out runs/first

    Running the same command again resumes it. Exit code 0: all planned cells are done; 2: some failed, or bad input; 130: stopped.
    """  # noqa: D301  # click keeps the lines below a backspace as they are
    mode = mode or ("portable" if (threads or 1) == 1 else "native")
    threads = threads or (max(1, _cores() // jobs) if engine == "local" and mode == "native" else 1)
    how = RunOptions(device, threads, timeout, memory, trace, cells_per_process, tf32, mode, sandbox, disk)
    where = _where(engine, jobs, scheduler, slurm)
    if device == "cuda" and engine == "local":
        console.need_cuda()
    if engine == "local":
        Host(out, how).confinement  # noqa: B018  # refuses before a user's file is looked at
    axes["methods"] += baselines
    if hashes:
        _refuse_beside_cell()
        wanted = _named(out, hashes)
        folder.prepare(out)
    else:
        console.translated(axes["tasks"] or ())
        made = plan.make(_request(plan_file, suite, overrides, axes))
        for reason in made.skipped.values():
            console.say(f"skipped: {reason}", err=True)
        unsuitable = made.unsuitable()
        if unsuitable:
            console.say(_left_out(unsuitable), err=True)
        if not any(method.presets for method in made.methods):
            raise BBOError("nothing to run: none of these methods fits any of these tasks")
        wanted = list(made) if dry_run else run.begin(made, out)
    wanted = folder.shard(wanted, *shard) if shard else wanted
    cells = folder.remaining(wanted, out, retry == "failed")
    click.echo(f"{len(wanted)} cells planned, {len(wanted) - len(cells)} there already, {len(cells)} to run in {out}", err=True)
    if dry_run:
        _say_what_would_run(cells, out, jobs)
        return
    if engine == "local" and cells and Host(out, how).confinement == NONE:
        why = "" if sandbox == "none" else " (this system offers no Landlock)"
        click.echo(f"note: methods run unconfined and could read the oracle{why}; their records and tables say so", err=True)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with console.Progress(len(cells)) as progress:
            status = run.run_cells(wanted, out, how, engine, where, progress.listener(), retry == "failed")
    except KeyboardInterrupt:
        click.echo("stopped; finished cells are kept, the same command resumes", err=True)
        sys.exit(130)
    _conclude(status, len(wanted), out, traceback)


def _where(engine: str, jobs: int, scheduler: str, slurm: tuple[str, ...]) -> EngineOptions:
    """The options of an engine.

    Raises:
        BBOError: some are those of another engine.
    """
    for option, given, user in (("--scheduler", scheduler, "dask"), ("--slurm", slurm, "slurm")):
        if given and engine != user:
            raise BBOError(f"{option} is for --engine {user}; got it with --engine {engine}: change one of the two")
    return EngineOptions(jobs, scheduler, dict(map(_option, slurm)))


def _left_out(unsuitable: list[dict[str, str]]) -> str:
    first = "{task} / {method}: {reason}".format(**unsuitable[0])
    if len(unsuitable) == 1:
        return f"1 pair of task and method is left out, since the method does not fit the task: {first}"
    return f"{len(unsuitable)} pairs of task and method are left out, since the method does not fit the task, such as {first}"


def _interrupt(number: int, frame: Any) -> None:
    """SIGTERM, which schedulers send, stops a run as Ctrl-C does."""
    raise KeyboardInterrupt


def _conclude(status: folder.Status, wanted: int, out: Path, traceback: bool) -> None:
    failed = status.failed
    if status.missing:
        raise BBOError(f"{len(status.missing)} of {wanted} cells were not run; the same command runs them")
    if not failed:
        click.echo(f"all {wanted} cells done; see them with: bbo report {out}", err=True)
        return
    for line in failures.lines(failed if traceback else failed[:10], traceback):
        console.say(line, err=True)
    raise BBOError(
        f"{len(failed)} of {wanted} cells failed; more with: bbo status {out} --traceback; run them again with --retry failed"
    )


def _say_what_would_run(cells: list[plan.PlannedCell], out: Path, jobs: int) -> None:
    for cell in cells:
        console.say(cell.spec.label())
    past = record.read_all(out) if (out / "cells").is_dir() else []
    found = estimate.estimate(cells, past)
    if found.unknown < len(cells):
        text = f"about {estimate.duration(found.seconds / jobs)} with --jobs {jobs}, going by {len(past)} cells in {out}"
        rest = f"; {found.unknown} cells have no earlier times there and are not counted" if found.unknown else ""
        click.echo(f"estimate: {text}{rest}", err=True)
    elif cells:
        click.echo(f"estimate: unknown, {out} holds no finished cell of these methods and presets", err=True)


def _refuse_beside_cell() -> None:
    """A plan says all of a cell, so nothing that makes another plan may stand beside `--cell`."""
    context = click.get_current_context()
    for one in context.command.params:
        if one.name in PLANNED and context.params[one.name] not in (None, ()):
            name = one.opts[0] if isinstance(one, click.Option) else one.human_readable_name
            raise BBOError(f"--cell takes everything from the saved plan, so it cannot be combined with {name}")


def _named(out: Path, hashes: tuple[str, ...]) -> list[plan.PlannedCell]:
    orders = {order.spec.hash: order for order in plan.planned(out)}
    for name in hashes:
        if name not in orders:
            raise unknown(f"cell of the plans in {out}", name, orders, f"see: bbo status {out} --json")
    return [plan.look_up(orders[name]) for name in dict.fromkeys(hashes)]


def _option(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise BBOError(f"--slurm takes OPTION=VALUE; got '{text}'")
    return key.strip(), value.strip()


def _request(plan_file: Path | None, suite: str | None, overrides: tuple[str, ...], axes: dict[str, Any]) -> request.Request:
    """Settings from the suite or plan file, replaced by what the command line gives."""
    if plan_file and suite:
        raise BBOError("give a plan file or --suite, not both")
    for option, names in (("-t", axes["tasks"]), ("-b", axes["methods"])):
        for name in names:
            if "," in name and not local.is_local(name):
                each = " ".join(f"{option} {one.strip()}" for one in name.split(","))
                raise BBOError(f"{option} takes one name and may be repeated: {each}; got '{name}'")
    if plan_file and not plan_file.exists() and (option := _option_for(str(plan_file))):
        raise BBOError(f"'{plan_file}' is read as a plan file; each task is given with -t and each method with -b: {option}")
    base = request.read_plan(plan_file) if plan_file else request.read_suite(suite) if suite else {}
    given = {key: value for key, value in axes.items() if value not in (None, ())}
    if "seeds" in given:
        given["seeds"] = request.parse_seeds(given["seeds"])
    chosen = {**base.get("overrides", {}), **request.parse_overrides(overrides)}
    return request.Request(**{**base, **given, "overrides": chosen})


def _option_for(name: str) -> str:
    """How a task or method is given; empty if the name is of neither."""
    try:
        return f"-t {name}" if catalogue.is_task(name) else f"-b {name}"
    except BBOError:
        return ""


def _cores() -> int:
    """Cores this process may use, fewer than the machine's under taskset, Slurm or a container."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
