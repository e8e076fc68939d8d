"""Runs cells as a Slurm job array. Every job runs its share of the cells and writes their records; the results folder shows which have ended."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import time
from pathlib import Path

from bbo import bounded, record
from bbo.bounded import Missing
from bbo.errors import BBOError, Unavailable
from bbo.harness.engines import worker
from bbo.harness.options import EngineOptions, Listener, RunOptions
from bbo.harness.plan import PlannedCell

#: Seconds between two looks at the results folder and at Slurm's queue.
LOOK = 3.0
#: Looks in a row that must find no job before the array counts as over: a busy controller may fail to answer one.
ABSENT = 3
#: sbatch options where the user gives none: submitit's own time limit is five minutes.
DEFAULTS = {"time": "1-00:00:00"}


def run(
    cells: list[PlannedCell],
    out: Path,
    options: RunOptions,
    engine_options: EngineOptions,
    listener: Listener,
    replace_failed: bool = False,
) -> None:
    """Submit cells as an array of `engine_options.jobs` jobs and return when no job is left in the queue.

    The results folder must be on a file system that all nodes share, under the same path; logs go to its folder `slurm`.

    Raises:
        Unavailable: the extra or Slurm's commands are not here.
        BBOError: Slurm refused the array, or jobs ended without finishing their cells.
        KeyboardInterrupt: the user stopped; the array is cancelled, finished cells are kept.
    """
    if not cells:
        return
    try:
        import submitit
    except ImportError:
        raise Unavailable('--engine slurm needs the package submitit: pip install "offline-bbo[slurm]"') from None
    if not shutil.which("sbatch"):
        raise Unavailable("--engine slurm needs Slurm's command sbatch on PATH; run it on a node from which jobs are submitted")
    jobs = engine_options.jobs
    shares = [share for i in range(jobs) if (share := [cell.order() for cell in cells[i::jobs]])]
    before = {cell.spec.hash: _content(out, cell.spec.hash) for cell in cells}  # of failed ones that are to be replaced
    executor = submitit.SlurmExecutor(folder=out.resolve() / "slurm")
    executor.update_parameters(
        job_name="bbo",
        cpus_per_task=options.threads,
        array_parallelism=len(shares),
        additional_parameters={**DEFAULTS, **engine_options.sbatch},
    )
    try:
        count = len(shares)
        submitted = executor.map_array(worker.run_all, shares, [out.resolve()] * count, [options] * count, [replace_failed] * count)
    except (submitit.core.utils.FailedJobError, subprocess.SubprocessError) as error:
        raise BBOError(f"Slurm did not take the jobs: {str(error).strip().splitlines()[-1]}") from None
    array = submitted[0].job_id.partition("_")[0]
    missing = {cell.spec.hash: cell for cell in cells}
    absent = 0
    try:
        while missing:
            left = _in_queue(array)  # asked first: what ends while we look is found in the next round
            for key, cell in list(missing.items()):
                if _content(out, key) not in (None, before[key]):
                    del missing[key]
                    listener.begin(cell)
                    listener.end(cell, record.read_cell(record.cell_folder(out, key)))
            absent = 0 if left else absent + 1
            if missing and absent >= ABSENT:
                raise BBOError(
                    f"{len(missing)} cells were not finished by their Slurm jobs; logs are in {out / 'slurm'}; "
                    "the same command runs them again"
                )
            time.sleep(LOOK if missing else 0)
    except KeyboardInterrupt:
        subprocess.run(["scancel", array], check=False)
        raise


def _content(out: Path, key: str) -> str | None:
    """A hash of a cell's record, None if there is none: a cell that is run again keeps its failed record until the new one is written."""
    try:
        return hashlib.sha256(bounded.content(record.cell_folder(out, key) / "cell.json", record.LARGEST, links=False)).hexdigest()
    except Missing:
        return None


def _in_queue(array: str) -> bool:
    """Whether jobs of an array wait or run; asks squeue, since sacct needs an accounting database that not all have."""
    found = subprocess.run(["squeue", "--noheader", "--jobs", array], capture_output=True, text=True, check=False)
    return found.returncode == 0 and bool(found.stdout.strip())
