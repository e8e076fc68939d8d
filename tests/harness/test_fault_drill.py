"""The drill, third part: 500 cells, runners and method processes killed at random 30 times, the disk full once, two runners on one folder.

Afterwards every cell is there exactly once and equal to an undisturbed run.
"""

import contextlib
import os
import random
import subprocess
import sys
import time

import psutil
import pytest

from bbo import record
from bbo.harness.folder import prepare
from bbo.harness.options import EngineOptions, RunOptions
from bbo.harness.run import run_cells

KILLS, CELLS = 30, 500

STEADY = """
import time, torch

class Steady:
    "Takes a twentieth of a second."
    def propose(self, problem):
        time.sleep(0.05)
        return torch.rand(problem.budget, 3, generator=problem.generator)
"""


@pytest.fixture
def disk(tmp_path):
    """A small file system where there is the right to mount one; else a folder, and the disk is not filled."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", folder], capture_output=True, check=False)
    yield folder, mounted.returncode == 0
    if mounted.returncode == 0:
        subprocess.run(["umount", folder], check=True)


def method_processes(runner):
    """Method processes of a runner, and the processes that start them."""
    with contextlib.suppress(psutil.Error):
        return [p for p in runner.children(recursive=True) if p.status() != psutil.STATUS_ZOMBIE]
    return []


@pytest.mark.drill
@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_drill(lab, disk, record_property):
    folder, can_fill = disk
    out = folder / "out"
    dice = random.Random(0)
    reference = lab.method("Steady", STEADY)
    made = lab.plan(reference, seeds=tuple(range(CELLS)))
    words = [
        "run",
        "-t",
        f"{lab.folder}/task.py:Slope",
        "-b",
        reference,
        "--seeds",
        f"0-{CELLS - 1}",
        "--budget",
        "16",
        "--out",
        str(out),
    ]
    command = [sys.executable, "-m", "bbo.cli", *words, "--retry", "failed", "--jobs", "2", "--threads", "1"]
    runners: list[psutil.Popen | None] = [None, None]
    kills = filled = 0
    ballast = folder / "ballast"
    deadline = time.monotonic() + 1000
    seen = 0

    def stored():
        return len(list(out.glob("cells/[!.]*")))

    def tend():
        """Keep two runners going; each ends with 0 (all done), 2 (a worker was killed, or the disk was full) or was killed."""
        for i, runner in enumerate(runners):
            if runner is None or runner.poll() is not None:
                if runner is not None:
                    message = runner.stderr.read().decode()
                    assert runner.returncode in (0, 2, -9), message
                    assert "Traceback" not in message, message
                # A log in a pipe: a runner writes some 20 KB, which the pipe holds.
                runners[i] = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    try:
        while kills < KILLS or (can_fill and filled < 2):
            assert time.monotonic() < deadline, f"{kills} kills, {stored()} cells"
            if filled != 1:  # while the disk is full both runners are to end, so none is started again
                tend()
            time.sleep(dice.uniform(0.2, 0.6))
            # The cells are spread over the kills, so that no kill comes when all is done.
            if stored() < min(seen, CELLS - 20):
                continue
            seen = stored() + CELLS // (KILLS + 10)
            if can_fill and kills == KILLS // 2 and filled < 2:
                if not filled:
                    with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as file:
                        while True:
                            file.write(bytes(4096))
                    filled, seen = 1, 0
                elif all(runner.poll() is not None for runner in runners):
                    assert any("make room" in runner.stderr.read().decode() for runner in runners)
                    ballast.unlink()
                    runners[:] = [None, None]
                    filled = 2
                else:
                    seen = 0
                continue
            runner = dice.choice(runners)
            victims = method_processes(runner)
            if dice.random() < 0.25:
                runner.kill()  # the runner itself; its method processes die with it
            elif victims:
                dice.choice(victims).kill()
            else:
                continue
            kills += 1
        for runner in runners:
            runner.communicate(timeout=300)
        for _ in range(5):
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                break
    finally:
        for runner in runners:
            if runner is not None and runner.poll() is None:
                runner.kill()
                runner.wait()
    undisturbed = lab.folder / "undisturbed"
    prepare(undisturbed)
    run_cells(made, undisturbed, RunOptions("cpu", 1), engine_options=EngineOptions(jobs=2))
    results = record.read_all(out)
    assert len(results) == len({r.spec.hash for r in results}) == CELLS
    assert all(r.done for r in results)
    assert sorted(os.listdir(undisturbed / "cells")) == sorted(n for n in os.listdir(out / "cells") if not n.startswith("."))
    for cell in made:
        assert (lab.designs(cell.spec, out) == lab.designs(cell.spec, undisturbed)).all()
    record_property(
        "drill",
        f"kills: {len(results)} cells, each once, equal to an undisturbed run, none lost; {kills} kills, disk filled {filled // 2} times",
    )
