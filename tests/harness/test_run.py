"""Running, resuming, failing, dying: what is in the folder afterwards."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from bbo import record
from bbo.errors import BBOError
from bbo.harness import plan
from bbo.harness.engines import local
from bbo.harness.folder import prepare, status_of_plans
from bbo.harness.options import EngineOptions, Listener, RunOptions
from bbo.harness.request import Request, parse_seeds
from bbo.harness.run import begin, run_cells
from bbo.harness.sandbox import private

TASK = """
import numpy as np
from bbo.space import Continuous
from bbo.task import Dataset, Task, TaskSpec

class Bowl(Task):
    tolerance = 1e-6
    spec = TaskSpec(
        id="bowl", version="1", title="A bowl turned over", space=Continuous.box(3, -1.0, 1.0), visible_rows=200, best_visible=-0.5,
        y_min=-3.0, y_max=0.0, oracle="exact", hidden="the top", source="made up", licence="MIT", optimum=0.0,
    )

    def dataset(self):
        x = self.spec.space.from_unit(np.random.default_rng(0).random((400, 3)))
        y = self.oracle(x)
        keep = np.argsort(y)[:200]
        return Dataset(x[keep], y[keep].astype(np.float32))

    def oracle(self, x):
        return -np.square(x.astype(float)).sum(1)
"""

METHODS = """
import os, time, torch
from dataclasses import dataclass

class Good:
    "Draws normal numbers."
    def propose(self, problem):
        problem.note(rows=len(problem.x))
        return torch.randn(problem.budget, 3, generator=problem.generator).clamp(-1, 1)

class Raises:
    "Divides by zero."
    def propose(self, problem):
        return 1 / 0

class Dies:
    "Ends its process."
    def propose(self, problem):
        os._exit(7)

class Killed:
    "Is killed by a signal."
    def propose(self, problem):
        os.kill(os.getpid(), 9)

class TooFew:
    "Does not honour the budget."
    def propose(self, problem):
        return problem.x[:5]

class Nan:
    "Returns NaN."
    def propose(self, problem):
        return problem.x[:problem.budget] * float("nan")

class Outside:
    "Leaves the box."
    def propose(self, problem):
        return problem.x[:problem.budget] + 10

@dataclass(frozen=True)
class Sleeps:
    "Sleeps, then draws."
    seconds: float = 60.0
    def propose(self, problem):
        time.sleep(self.seconds)
        return torch.rand(problem.budget, 3, generator=problem.generator)
"""


@pytest.fixture
def here(tmp_path):
    (tmp_path / "task.py").write_text(TASK)
    (tmp_path / "methods.py").write_text(METHODS)
    return tmp_path


def make(here, *methods, seeds=(0,), **changes):
    references = tuple(f"{here}/methods.py:{name}" for name in methods)
    return plan.make(Request((f"{here}/task.py:Bowl",), references, seeds, budget=16, **changes))


def execute(made, out, jobs=1, timeout=0.0, retry=False):
    records = []
    listener = Listener(end=lambda cell, result: records.append(result))
    run_cells(begin(made, out), out, RunOptions(timeout=timeout), "local", EngineOptions(jobs=jobs), listener, retry)
    return records


def designs(out, spec):
    return record.read_outcome(record.cell_folder(out, spec.hash)).designs


def test_two_folders_hold_the_same_bits_whatever_the_order(here):
    first, second = make(here, "Good", seeds=(0, 1, 2)), make(here, "Good", seeds=(2, 0, 1))
    execute(first, here / "a")
    execute(second, here / "b", jobs=2)
    seen = [designs(here / "a", cell.spec) for cell in first]
    assert all((designs(here / "a", c.spec) == designs(here / "b", c.spec)).all() for c in first)
    assert not (seen[0] == seen[1]).all()


def test_scores_and_record(here):
    made = make(here, "Good")
    (result,) = execute(made, here / "out")
    outcome = record.read_outcome(record.cell_folder(here / "out", result.spec.hash))
    np.testing.assert_allclose(outcome.scores, -np.square(outcome.designs.astype(float)).sum(1))
    np.testing.assert_allclose(outcome.normalised, outcome.scores / 3 + 1)
    assert result.percentiles["100"] == outcome.normalised.max()
    assert result.notes == {"rows": 200}
    assert result.method["local"] and result.task["local"]
    visible = result.task["visible_quantiles"]
    assert len(visible) == 17 and visible == sorted(visible)
    assert visible[-1] <= result.task["best_visible"] + 1e-6
    assert result.provenance["threads"] == 1
    assert result.provenance["packages"]["torch"]
    assert result.cost["wall_seconds"] > 0


def test_the_same_plan_again_does_nothing_and_a_larger_one_only_the_rest(here):
    assert len(execute(make(here, "Good", seeds=(0, 1)), here / "out")) == 2
    assert execute(make(here, "Good", seeds=(0, 1)), here / "out") == []
    assert [r.spec.seed for r in execute(make(here, "Good", seeds=(0, 1, 2)), here / "out")] == [2]
    assert len(status_of_plans(here / "out").done) == 3


@pytest.mark.parametrize(
    ("method", "reason", "message"),
    [
        ("Raises", "error", "division by zero"),
        ("Dies", "crash", "exit code 7"),
        ("Killed", "crash", "signal 9"),
        ("TooFew", "invalid designs", "exactly 16 designs (the budget); got 5"),
        ("Nan", "invalid designs", "finite"),
        ("Outside", "invalid designs", "allowed [-1, 1]"),
    ],
)
def test_failures_are_records_and_the_run_goes_on(here, method, reason, message):
    made = make(here, method, "Good")
    execute(made, here / "out")
    status = status_of_plans(here / "out")
    assert [spec.method for spec in status.done] == ["Good"]
    (failed,) = status.failed
    assert failed.error["reason"] == reason
    assert message in failed.error["message"]
    if reason == "error":
        assert "ZeroDivisionError" in failed.error["traceback"]


def test_failed_cells_are_run_again_only_when_asked(here):
    made = make(here, "Raises")
    execute(made, here / "out")
    assert execute(made, here / "out") == []
    assert len(execute(made, here / "out", retry=True)) == 1


def test_timeout(here):
    made = make(here, "Sleeps", "Good")
    started = time.monotonic()
    execute(made, here / "out", timeout=4)
    assert time.monotonic() - started < 40
    status = status_of_plans(here / "out")
    assert status.failed[0].error["reason"] == "timeout"
    assert len(status.done) == 1


def command(here, out, *methods, seconds=0.3, seeds="0-5"):
    words = [
        sys.executable,
        "-m",
        "bbo.cli",
        "run",
        "-t",
        f"{here}/task.py:Bowl",
        "--seeds",
        seeds,
        "--budget",
        "16",
        "--out",
        str(out),
    ]
    words += ["--jobs", "2", "--set", f"Sleeps.seconds={seconds}"]
    for method in methods:
        words += ["-b", f"{here}/methods.py:{method}"]
    return words


def started(words, out, cells):
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
    deadline = time.monotonic() + 60
    while len(list(out.glob("cells/[!.]*"))) < cells:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline, "no cell came"
        time.sleep(0.02)
    return process


def test_killed_in_the_middle_then_completed(here):
    out = here / "out"
    words = command(here, out, "Sleeps")
    process = started(words, out, 1)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = {r.spec.hash for r in record.read_all(out)}
    assert 1 <= len(before) < 6
    assert subprocess.run(words, capture_output=True, check=False).returncode == 0
    status = status_of_plans(out)
    assert len(status.done) == 6
    assert not status.missing and not status.failed
    undisturbed = here / "undisturbed"
    assert subprocess.run(command(here, undisturbed, "Sleeps"), capture_output=True, check=False).returncode == 0
    assert all((designs(out, spec) == designs(undisturbed, spec)).all() for spec in status.done)


def test_what_a_killed_run_left_is_cleared_by_the_next(tmp_path, monkeypatch):
    """And nothing of a run that goes on."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    out, ours = tmp_path / "out", private.PrivateFolder()
    code = "import os; from bbo.harness.sandbox import private; print(private.PrivateFolder().path); os.kill(os.getpid(), 9)"
    said = subprocess.run(
        [sys.executable, "-uc", code], env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, text=True
    )
    theirs = Path(said.stdout.strip())
    (theirs / "work").mkdir()
    left = [out / "cells" / ".tmp-a", out / "cells" / ".probe-a", out / "shared" / ".tmp-a.npz", out / "plans" / ".tmp-a.json"]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if path is left[0] else path.touch()
    prepare(out)
    assert theirs.exists() and all(path.exists() for path in left), "they are too young"
    for path in (*left, ours.path, theirs):
        os.utime(path, (0, 0))
    prepare(out)
    assert ours.path.exists()
    assert not theirs.exists() and not any(path.exists() for path in left)
    ours.remove()
    assert not ours.path.exists()


def test_ctrl_c_keeps_what_is_finished_and_nothing_half(here):
    out = here / "out"
    process = started(command(here, out, "Sleeps", seconds=0.5), out, 1)
    os.kill(process.pid, signal.SIGINT)
    _, message = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"the same command resumes" in message
    assert b"Traceback" not in message
    assert all(r.done for r in record.read_all(out))
    assert not list(out.glob("cells/.tmp-*"))


@pytest.fixture
def closed(monkeypatch):
    """Hosts that end a moment after the run is stopped; those that were closed."""
    found = []

    class Lingers(local.Host):
        def run(self, cell):
            self.stop.wait(10)
            time.sleep(0.2)

        def close(self):
            found.append(self)

    monkeypatch.setattr(local, "Host", Lingers)
    return found


def test_a_stopped_run_waits_until_its_hosts_are_closed(here, closed):
    interrupt = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        run_cells(make(here, "Good"), here / "out", listener=Listener(begin=lambda cell: interrupt.start()))
    assert len(closed) == 1


def test_hosts_are_closed_if_another_cannot_be_started(here, closed, monkeypatch):
    start = threading.Thread.start

    def refuse(thread):
        if thread.name == "host-1":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        execute(make(here, "Good", seeds=(0, 1)), here / "out", jobs=2)
    assert len(closed) == 1


def test_only_what_happens_to_the_results_is_said_of_them(here, monkeypatch):
    """Not a full folder for temporary files."""

    def full(host, cell):
        raise OSError(28, "No space left on device", "/elsewhere/bbo-method-1")

    monkeypatch.setattr(local.Host, "evaluate", full)
    with pytest.raises(BBOError, match=r"^no process for a method .*No space left on device: '/elsewhere/bbo-method-1'.*--jobs"):
        execute(make(here, "Good"), here / "out")


def test_plans_say_what_is_missing(here):
    made = make(here, "Good", seeds=(0, 1))
    prepare(here / "out")
    made.save(here / "out")
    made.save(here / "out")
    assert len(list((here / "out" / "plans").iterdir())) == 1
    assert status_of_plans(here / "out").missing == [cell.spec for cell in made]


def test_cell_seeds_do_not_depend_on_the_rest_of_the_plan(here):
    from bbo.harness.seeds import cell_seed

    alone = {c.spec.hash: cell_seed(c.spec) for c in make(here, "Good", seeds=(1,))}
    among = {c.spec.hash: cell_seed(c.spec) for c in make(here, "Raises", "Good", seeds=(0, 1))}
    assert alone.items() <= among.items()
    assert len(set(among.values())) == len(among)


@pytest.mark.parametrize(("text", "seeds"), [("0-3", (0, 1, 2, 3)), ("5", (5,)), ("0,2,5-6,2", (0, 2, 5, 6))])
def test_seed_ranges(text, seeds):
    assert parse_seeds(text) == seeds


def test_plan_saved_as_json_is_the_plan(here):
    made = make(here, "Good", seeds=(3,))
    made.save(here / "out")
    (path,) = (here / "out" / "plans").iterdir()
    assert json.loads(path.read_text())["seeds"] == [3]
    assert [s.hash for s in plan.planned_specs(here / "out")] == [c.spec.hash for c in made]
