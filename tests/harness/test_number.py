"""How many processes and threads a method may have, and that all of them end with its cell."""

import os
import subprocess
import sys
import time
import uuid

import psutil
import pytest

from bbo.harness.sandbox import group, parent, processes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="control groups and names of processes are Linux's")
IMPORTS = "import ctypes\ndef name(text): ctypes.CDLL(None).prctl(15, text, 0, 0, 0)"
BOMB = """
name(b"NAME")
end = time.time() + 30
while time.time() < end:
    try:
        os.fork()
    except OSError:
        time.sleep(0.01)
"""
#: Each of them forks another and ends, in a session of its own, so that no list of processes is right for long.
HOPPERS = """
name(b"NAME")
for _ in range(4):
    if os.fork() == 0:
        end = time.time() + 60
        while time.time() < end:
            os.setsid()
            if os.fork():
                os._exit(0)
        os._exit(0)
name(b"python")
time.sleep(0.3)
return problem.x[:problem.budget]
"""


@pytest.fixture
def name():
    """A name for processes that no other test has: the tests of this file may run side by side."""
    return f"bbo-{uuid.uuid4().hex[:11]}"


def named(text):
    return [process for process in psutil.process_iter(["name", "status"]) if process.info["name"] == text]


def without(monkeypatch):
    def none(most):
        raise OSError

    monkeypatch.setattr(parent, "Group", none)


@pytest.fixture
def own_group():
    try:
        made = group.Group(20)
    except OSError:
        pytest.skip("this user may make no control groups")
    yield made
    made.close()
    assert not made.path.exists()


def test_a_method_that_forks_without_end_costs_its_cell_alone(lab, name, own_group, monkeypatch):
    if own_group.refused() is None:
        pytest.skip("the control groups of this user do not count processes")
    monkeypatch.setattr(parent, "MOST_PROCESSES", 40)
    bomb, good = lab.run([*lab.plan(lab.body("Bomb", BOMB.replace("NAME", name), IMPORTS)), *lab.plan("Good")], timeout=60)
    assert bomb.error["reason"] == "processes" and "more than the 40 processes" in bomb.error["message"]
    assert good.done and not named(name)


def test_too_many_are_seen_without_a_group(lab, monkeypatch):
    monkeypatch.setattr(parent, "MOST_PROCESSES", 40)
    without(monkeypatch)
    many = "for _ in range(60): subprocess.Popen(['sleep', '33'])\ntime.sleep(30)"
    threads = (
        "import threading\nfor _ in range(60): threading.Thread(target=time.sleep, args=(30,), daemon=True).start()\ntime.sleep(30)"
    )
    results = lab.run(lab.plan(lab.body("Many", many), lab.body("Threads", threads), "Good"), timeout=60)
    assert {r.spec.method: r.error and r.error["reason"] for r in results} == {
        "Many": "processes",
        "Threads": "processes",
        "Good": None,
    }


def test_the_command_that_looks_at_a_file_bounds_them_too(lab, monkeypatch):
    monkeypatch.setattr(parent, "MOST_PROCESSES", 40)
    good = (lab.folder / "good.py").read_text()
    lab.method("Imports", "import subprocess, time\nfor _ in range(60): subprocess.Popen(['sleep', '33'])\ntime.sleep(30)\n" + good)
    with pytest.raises(Exception, match=r"more than the 40 processes|cannot be imported"):
        lab.plan(f"{lab.folder}/imports.py:Good")


def test_workers_of_honest_methods_are_few_enough(lab):
    body = """
    import joblib
    assert joblib.Parallel(4, "loky")(joblib.delayed(abs)(-i) for i in range(8)) == list(range(8))
    assert joblib.Parallel(4, "threading")(joblib.delayed(abs)(-i) for i in range(8)) == list(range(8))
    return problem.x[:problem.budget]
    """
    (found,) = lab.run(lab.plan(lab.body("Joblib", body)))
    assert found.done, found.error


@pytest.mark.parametrize("grouped", [True, False])
def test_daemons_that_replace_themselves_all_the_time_end_with_their_cell(lab, name, monkeypatch, grouped):
    if not grouped:
        without(monkeypatch)
    (found,) = lab.run(lab.plan(lab.body("Hoppers", HOPPERS.replace("NAME", name), IMPORTS)))
    assert found.done, found.error
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        assert not named(name)


def test_what_did_not_start_joins_no_group(own_group):
    """To the kernel 0 is whoever asks: the host would end with its cell."""
    assert not own_group.join(0) and not own_group.join(-1) and not own_group.join(2**30)
    assert own_group._members() == set()


def test_groups_of_hosts_that_were_killed_are_removed(own_group):
    dead = subprocess.Popen(["true"])
    dead.wait()
    left = own_group.path.with_name(f"{group.PREFIX}{dead.pid}-left")
    left.mkdir()
    another = group.Group(20)
    another.close()
    assert not left.exists() and own_group.path.exists()


def test_a_group_ends_what_joined_it_and_all_that_was_forked(own_group):
    code = "import os, time\nprint(flush=True)\ninput()\nfor i in range(3):\n    if os.fork() == 0: os.setsid()\ntime.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    child.stdout.readline()
    assert own_group.join(child.pid) and not own_group.holds(os.getpid())
    child.stdin.write(b"\n")
    child.stdin.flush()
    deadline = time.monotonic() + 20
    while len(own_group._members()) < 8 and time.monotonic() < deadline:
        time.sleep(0.02)
    below = processes.descendants(child.pid)
    own_group.kill()
    assert child.wait(10) == -9
    assert len(below) == 7 and not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in below)
