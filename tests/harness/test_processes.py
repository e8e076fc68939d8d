"""Looking at processes that have died, die while one looks, or never were, raises nothing."""

import os
import subprocess
import sys
import threading
import time

import psutil
import pytest

from bbo.harness.sandbox import processes
from bbo.harness.sandbox.parent import MethodProcess


def dead() -> int:
    """The number of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


@pytest.mark.parametrize("number", [lambda: 0, lambda: -1, dead, lambda: 2**22 + 5], ids=["zero", "negative", "dead", "beyond"])
def test_no_such_process(number):
    pid = number()
    assert processes.descendants(pid) == []
    processes.suspend(pid)
    processes.kill_group(pid)
    watch = processes.Memory(pid, 0.001)
    assert [watch.over() for _ in range(10)] == [0.0] * 10
    assert set(processes.Meter(pid, 1.0).read(3.0)) <= {"wall_seconds", "cpu_seconds", "peak_memory_mb"}


def test_a_process_that_dies_between_two_looks():
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'input()'], stdin=0); input()"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    deadline = time.monotonic() + 20
    while not (below := processes.descendants(child.pid)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    watch = processes.Memory(child.pid, 0.001)
    assert watch.over() > 0.001
    child.kill()
    child.wait()
    processes.kill(below)
    processes.kill(below)  # a second time: they are gone
    assert [watch.over() for _ in range(10)][-1] == 0.0
    processes.kill_all(lambda: [p for p in below if p.is_running() and p.status() != psutil.STATUS_ZOMBIE])


def test_children_count_as_cpu_time():
    start = time.monotonic()
    meter = processes.Meter(os.getpid(), start)
    used = "import time\nwhile time.process_time() < 0.5: pass"
    subprocess.run([sys.executable, "-c", used], check=True)
    cost = meter.read(time.monotonic())
    assert cost["cpu_seconds"] >= 0.4, "CPU clocks of ended children count in hundredths of a second"


def test_children_that_still_run_count_as_cpu_time():
    """A method could leave its work to a child that does not end before the answer."""
    meter = processes.Meter(os.getpid(), time.monotonic())
    used = "import time\nwhile time.process_time() < 0.5: pass\nprint(1, flush=True)\ninput()"
    with subprocess.Popen([sys.executable, "-c", used], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        cost = meter.read(time.monotonic())
        child.kill()
    assert cost["cpu_seconds"] >= 0.4


def test_a_method_process_killed_just_before_its_cell_costs_that_cell_alone(lab, monkeypatch):
    """The process dies between its start and the host's first look at its memory."""
    asked = MethodProcess.ask
    shots = []

    def shoot(self, job, bounds, stop, on_message):
        if not shots:
            shots.append(self._starter.pid)
            psutil.Process(self._starter.pid).kill()
            self._starter.wait(10)
        return asked(self, job, bounds, stop, on_message)

    monkeypatch.setattr(MethodProcess, "ask", shoot)
    results = lab.run(lab.plan("Good", seeds=(0, 1)), memory=4.0)
    assert [(r.error or {}).get("reason") for r in results] == ["crash", None]
    assert len(shots) == 1


def test_killing_while_looking():
    """Many short-lived children, ended by one thread while another lists them."""
    stop = threading.Event()
    failures = []

    def look():
        while not stop.is_set():
            try:
                processes.descendants(os.getpid())
                processes.Memory(os.getpid(), 1000.0).over()
            except BaseException as error:
                failures.append(error)

    thread = threading.Thread(target=look)
    thread.start()
    for _ in range(30):
        subprocess.run(["true"], check=True)
    stop.set()
    thread.join()
    assert not failures
