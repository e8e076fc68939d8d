"""Engines against the real things: a Dask scheduler with two worker processes, and a Slurm of one node or, without one, its commands."""

import fcntl
import os
import re
import signal
import subprocess
import sys
import threading
import time
import types

import pytest

from bbo import record
from bbo.errors import BBOError
from bbo.harness.engines import worker
from bbo.harness.folder import prepare, remaining
from bbo.harness.options import EngineOptions, Listener, RunOptions
from bbo.harness.run import run_cells

SLOW_DRAW = """
import time, torch

class SlowDraw:
    "Waits a moment, then draws."
    def propose(self, problem):
        time.sleep(0.3)
        return torch.rand(problem.budget, 3, generator=problem.generator)
"""


def undisturbed(lab, made):
    """The same cells on the local engine in another folder."""
    lab.run(made, lab.folder / "undisturbed")
    return {cell.spec.hash: lab.designs(cell.spec, lab.folder / "undisturbed") for cell in made}


def same(lab, made):
    expected = undisturbed(lab, made)
    found = record.read_all(lab.out)
    assert sorted(r.spec.hash for r in found) == sorted(expected)
    assert all(r.done for r in found)
    assert all((lab.designs(r.spec) == expected[r.spec.hash]).all() for r in found)


def children_of(pid):
    import psutil

    return [p.pid for p in psutil.Process(pid).children(recursive=True)]


def wait_for(condition, seconds=60, what="nothing came"):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
    return found


@pytest.fixture
def dask_cluster(tmp_path):
    """Address of a scheduler on the loopback address, and its two worker processes; all ended afterwards."""
    pytest.importorskip("distributed")
    processes = []

    def start(name, *words):
        log = open(tmp_path / f"{name}.log", "wb")  # noqa: SIM115
        env = {**os.environ, "DASK_DISTRIBUTED__WORKER__DAEMON": "True"}
        processes.append(
            subprocess.Popen([sys.executable, "-m", "distributed.cli." + words[0], *words[1:]], stdout=log, stderr=log, env=env)
        )
        return processes[-1]

    start(
        "scheduler", "dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--dashboard-address", "127.0.0.1:0"
    )
    log = tmp_path / "scheduler.log"
    address = wait_for(lambda: re.search(r"tcp://127\.0\.0\.1:\d+", log.read_text()), what=log.read_text).group()
    common = (
        "dask_worker",
        address,
        "--nthreads",
        "1",
        "--host",
        "127.0.0.1",
        "--no-dashboard",
        "--no-nanny",
        "--resources",
        "GPU=1",
    )
    workers = [start(f"worker{i}", *common, "--local-directory", str(tmp_path)) for i in range(2)]
    yield address, workers
    for process in reversed(processes):
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def test_dask_finishes_every_cell_though_a_worker_is_killed_in_the_middle(lab, dask_cluster):
    address, workers = dask_cluster
    lab.method("SlowDraw", SLOW_DRAW)
    made = lab.plan("SlowDraw", seeds=tuple(range(12)))
    prepare(lab.out)
    ended, orphans = [], []

    def end(cell, result):
        ended.append(result.spec.hash)
        if len(ended) == 3:
            orphans.extend(children_of(workers[0].pid))
            workers[0].send_signal(signal.SIGKILL)

    run_cells(made, lab.out, RunOptions("cpu", 1), "dask", EngineOptions(scheduler=address), Listener(end=end))
    assert workers[0].wait(5) == -signal.SIGKILL
    assert sorted(ended) == sorted(cell.spec.hash for cell in made)
    same(lab, made)
    assert not list(lab.out.glob("cells/.tmp-*"))
    import psutil

    wait_for(lambda: not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in orphans), 10)
    assert children_of(workers[1].pid) == [], "the method process of an idle worker stays"


@pytest.mark.extras
def test_dask_records_failures_and_says_what_was_lost(lab, dask_cluster):
    address, _ = dask_cluster
    made = lab.plan(lab.body("Raises", "raise ValueError('no')"), "Good")
    prepare(lab.out)
    run_cells(made, lab.out, RunOptions("cpu", 1), "dask", EngineOptions(scheduler=address))
    assert {r.spec.method: r.done for r in record.read_all(lab.out)} == {"Raises": False, "Good": True}
    made = lab.plan("Good", seeds=(5,))
    (lab.folder / "good.py").unlink()
    with pytest.raises(BBOError, match=r"1 cells were lost.*no file for"):
        run_cells(made, lab.out, RunOptions("cpu", 1), "dask", EngineOptions(scheduler=address))


def test_dask_without_a_scheduler_is_one_line(lab, monkeypatch):
    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)
    with pytest.raises(BBOError, match="needs --scheduler ADDRESS"):
        run_cells(lab.plan("Good"), lab.out, RunOptions(), "dask")


#: Slurm's commands as submitit and the engine call them; the jobs of an array run one after the other, on this machine.
COMMANDS = {
    "sbatch": """
        if grep -q refused $1; then echo "sbatch: error: invalid partition" >&2; exit 1; fi
        touch {folder}/queued
        (
            export SLURM_ARRAY_JOB_ID=7 SLURM_NTASKS=1 SLURM_JOB_NUM_NODES=1 SLURM_NODEID=0 SLURM_PROCID=0 SLURM_LOCALID=0
            for i in 0 1; do SLURM_JOB_ID=7_$i SLURM_ARRAY_TASK_ID=$i sh $1; done
            rm {folder}/queued
        ) >{folder}/log 2>&1 &
        echo "Submitted batch job 7"
        """,
    "srun": """
        while [ "$1" != {python} ]; do shift; done
        "$@"
        """,
    "squeue": "if [ -e {folder}/queued ]; then echo 7; fi",
}


@pytest.fixture
def slurms_commands(tmp_path, monkeypatch):
    pytest.importorskip("submitit")
    folder = tmp_path / "slurms-commands"
    folder.mkdir()
    for name, body in COMMANDS.items():
        (folder / name).write_text("#!/bin/sh\n" + body.format(folder=folder, python=sys.executable))
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr("bbo.harness.engines.slurm.LOOK", 0.2)


@pytest.mark.extras
def test_an_array_of_jobs_writes_its_own_cells(lab, slurms_commands):
    made = lab.plan("Good", seeds=(0, 1, 2))
    prepare(lab.out)
    run_cells(made, lab.out, RunOptions("cpu", 1), "slurm", EngineOptions(jobs=2))
    same(lab, made)


def test_an_unanswered_question_about_the_queue_ends_no_failed_cell(lab, slurms_commands, monkeypatch):
    """A failed cell that is run again has ended once its record is another."""
    import submitit

    (cell,) = lab.plan("Good")
    first, second = (
        record.Record(cell.spec, "failed", error={"reason": "crash", "type": "", "message": message, "traceback": ""})
        for message in ("first", "second")
    )
    record.write(lab.out, first, None)
    later = threading.Timer(1, record.write, (lab.out, second, None), {"replace_failed": True})
    submitted = types.SimpleNamespace(job_id="7_0")
    monkeypatch.setattr(submitit.SlurmExecutor, "map_array", lambda *given: later.start() or [submitted])
    answers = iter([False])
    monkeypatch.setattr("bbo.harness.engines.slurm._in_queue", lambda array: next(answers, True))
    ended = []
    listener = Listener(end=lambda cell, result: ended.append(result.error["message"]))
    run_cells([cell], lab.out, RunOptions("cpu", 1), "slurm", EngineOptions(), listener, retry_failed=True)
    assert ended == ["second"]


def test_a_cell_that_a_job_refuses_does_not_end_the_others(lab):
    made = lab.plan("Good", lab.body("Other", "return problem.x[:16]"), seeds=(0, 1))
    orders = [cell.order() for cell in made]
    (lab.folder / "other.py").unlink()
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(BBOError, match=r"no file for .*other\.py.* \(and 1 more cells\)"):
            worker.run_all(orders[::-1], lab.out, RunOptions("cpu"), False)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert [r.spec.method for r in record.read_all(lab.out)] == ["Good", "Good"]


@pytest.mark.extras
def test_an_array_that_is_refused_is_one_line(lab, slurms_commands):
    made = lab.plan("Good")
    prepare(lab.out)
    with pytest.raises(BBOError, match=r"Slurm did not take the jobs: .*invalid partition"):
        run_cells(made, lab.out, RunOptions("cpu", 1), "slurm", EngineOptions(sbatch={"partition": "refused"}))


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """A Slurm of one node, started by the script that BBO_TEST_SLURM names."""
    script = os.environ.get("BBO_TEST_SLURM", "")
    if not script:
        pytest.skip("BBO_TEST_SLURM does not name a script that starts a Slurm")
    folder = tmp_path_factory.mktemp("slurm")
    with (tmp_path_factory.getbasetemp().parent / "slurm.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # it has one port, so two workers must not start it at once
        yield from _started(script, folder)


def _started(script, folder):
    """Start it, hand over, stop it."""
    # Whoever sets the variable wants these tests: a Slurm that does not come up fails them.
    started = subprocess.run([script, "start", folder], capture_output=True, text=True, timeout=280, check=False)
    assert started.returncode == 0, f"{script} could not start Slurm:\n{started.stdout}\n{started.stderr}"
    conf = re.search(r"SLURM_CONF=(\S+)", started.stdout)
    assert conf, started.stdout
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", conf.group(1))
        yield
        subprocess.run([script, "stop", folder], check=True, timeout=60)


@pytest.mark.slurm
@pytest.mark.xdist_group("slurm")
@pytest.mark.timeout(600)
def test_slurm_runs_a_job_array_whose_jobs_write_their_own_cells(lab, slurm):
    made = lab.plan("Good", lab.body("Raises", "raise ValueError('no')"), seeds=(0, 1, 2))
    prepare(lab.out)
    ended = []
    listener = Listener(end=lambda c, r: ended.append(r.spec.hash))
    run_cells(made, lab.out, RunOptions("cpu", 1), "slurm", EngineOptions(jobs=2, sbatch={"time": "5"}), listener)
    assert sorted(ended) == sorted(cell.spec.hash for cell in made)
    good = lab.plan("Good", seeds=(0, 1, 2))
    expected = undisturbed(lab, good)
    assert all((lab.designs(cell.spec) == expected[cell.spec.hash]).all() for cell in good)
    assert sum(not r.done for r in record.read_all(lab.out)) == 3


@pytest.mark.slurm
@pytest.mark.xdist_group("slurm")
@pytest.mark.timeout(600)
def test_slurm_jobs_that_die_leave_their_cells_to_the_next_run(lab, slurm):
    made = lab.plan("Good", lab.body("Waits", "time.sleep(600)"))
    prepare(lab.out)

    def end(cell, result):
        subprocess.run(["scancel", "--name", "bbo"], check=True)

    with pytest.raises(BBOError, match=r"1 cells were not finished by their Slurm jobs"):
        run_cells(made, lab.out, RunOptions("cpu", 1), "slurm", EngineOptions(jobs=2), Listener(end=end))
    assert [cell.spec.method for cell in remaining(made, lab.out, False)] == ["Waits"]
    with pytest.raises(BBOError, match="Slurm did not take the jobs"):
        run_cells(made, lab.out, RunOptions("cpu", 1), "slurm", EngineOptions(sbatch={"partition": "nowhere"}))
