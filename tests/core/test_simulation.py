"""Simulators run in worker processes: equal scores whatever their number, and a design that fails costs itself only."""

import importlib
import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

from bbo import catalogue, workers
from bbo.errors import BBOError, Unavailable

TASK = """
import os, signal
import numpy as np
from bbo.simulation import SimulatedTask
from bbo.space import Continuous
from bbo.task import Dataset, TaskSpec

class Fragile(SimulatedTask):
    "Fails in every way near the corners of a square."
    spec = TaskSpec(
        id="fragile", version="1", title="A fragile simulator", space=Continuous.box(2, -1.0, 1.0), visible_rows=4,
        best_visible=0.0, y_min=-3.0, y_max=3.0, oracle="exact", hidden="the top", source="made up", licence="MIT", seconds=9.0,
    )
    def dataset(self):
        raise NotImplementedError
    def simulate(self, design):
        if design[0] > 0.9:
            os.kill(os.getpid(), signal.SIGSEGV)
        if design[0] < -0.9:
            raise ZeroDivisionError("no mass")
        print("a chatty simulator")
        return float("nan") if design[1] > 0.9 else float("inf") if design[1] < -0.9 else float(np.sin(design.sum(dtype=float)))

class Unmade(Fragile):
    def __init__(self):
        if "BBO_TEST_HOST" not in os.environ:
            raise OSError("no display")
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine.py").write_text(TASK)
    return tmp_path


def left(folder, *lines):
    """The task, in a file of its own, that runs these lines for designs on the left."""
    (folder / "left.py").write_text(TASK.replace('raise ZeroDivisionError("no mass")', "; ".join(lines)))
    return catalogue.load_task(f"{folder}/left.py:Fragile")


LEFT = np.array([[-1, 0]], np.float32)


def test_failures_cost_their_designs_only(folder):
    task = catalogue.load_task(f"{folder}/mine.py:Fragile")
    good = np.linspace(-0.8, 0.8, 12, dtype=np.float32).reshape(6, 2)
    bad = np.array([[1, 0], [-1, 0], [0, 1], [0, -1], [0.95, 0]], np.float32)
    said = []
    scores = task.score(np.concatenate([good[:3], bad, good[3:]]), said.append)
    assert scores[3:8].tolist() == [-3.0] * 5
    np.testing.assert_array_equal(np.delete(scores, range(3, 8)), task.oracle(good))
    (warning,) = said
    assert "failed on 5 of 11 designs, which score the task's y_min, -3 (one that works may score lower)" in warning
    assert f"the first is design 3: the process crashed (exit status {-signal.SIGSEGV})" in warning


def test_one_and_two_workers_give_the_same_bits(folder):
    task = catalogue.load_task(f"{folder}/mine.py:Fragile")
    x = task.spec.space.from_unit(np.random.default_rng(0).random((200, 2)) * 0.9 + 0.05)
    found = [workers.evaluate(workers.Simulator.of(task, ""), x, count) for count in (1, 2)]
    np.testing.assert_array_equal(found[0][0], found[1][0])
    assert found[0][1] == found[1][1] == {}
    assert len({worker._process.pid for worker in workers._idle}) >= min(2, workers.cores())


def test_a_design_that_hangs_fails(folder, monkeypatch):
    monkeypatch.setattr(workers, "DESIGN_LIMIT", 0.2)
    said = []
    scores = left(folder, "import time", "time.sleep(60)").score(np.array([[-1, 0], [0, 0]], np.float32), said.append)
    assert scores.tolist() == [-3.0, 0.0]
    assert "no answer after 0.2 s" in said[0]


@pytest.fixture
def sleeper(folder, monkeypatch):
    """A simulator that sleeps for as many seconds as the first number of a design says, under limits of 2 s, then 0.3 s."""
    monkeypatch.setattr(workers, "DESIGN_LIMIT", 2.0)
    monkeypatch.setattr(workers, "SHORT_LIMIT", 0.3)
    nap = "class Sleepy(Fragile):\n    def simulate(self, design):\n        __import__('time').sleep(float(design[0]))\n        return 1.0\n"
    (folder / "sleepy.py").write_text(TASK + nap)
    return workers.Simulator.of(catalogue.load_task(f"{folder}/sleepy.py:Sleepy"))


def naps(*seconds):
    return np.array([(one, 0) for one in seconds], np.float32)


def test_after_some_hangs_less_time_is_lost(sleeper):
    scores, reasons = workers.evaluate(sleeper, naps(9, 9, 9, 9, 9, 0), 1, usual=1e-4)
    assert list(reasons.values()) == ["no answer after 2 s"] * 3 + ["no answer after 0.3 s"] * 2
    assert scores[5] == 1.0


@pytest.mark.parametrize(("first", "usual"), [(0.6, 0.0), (9, 0.1)])
def test_a_slow_design_is_not_taken_for_one_that_hangs(sleeper, first, usual):
    """Where another one took as long, or the task says that a design does."""
    scores, reasons = workers.evaluate(sleeper, naps(first, 9, 9, 9, 0.6), 1, usual)
    assert scores[4] == 1.0 and 4 not in reasons


def test_a_worker_that_cannot_make_the_task_is_an_error_not_a_score(folder, monkeypatch):
    monkeypatch.setenv("BBO_TEST_HOST", "1")
    task = catalogue.load_task(f"{folder}/mine.py:Unmade")
    monkeypatch.delenv("BBO_TEST_HOST")
    workers._end_all()  # none that was started with the variable
    with pytest.raises(BBOError, match="a worker process cannot make Unmade: OSError: no display"):
        task.score(np.zeros((2, 2), np.float32))


def test_workers_end_with_their_owner(folder):
    catalogue.load_task(f"{folder}/mine.py:Fragile").score(np.zeros((1, 2), np.float32))
    process = workers._idle[-1]._process
    workers._end_all()
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


def test_a_worker_that_is_ended_from_outside_costs_no_design(folder):
    """By a scheduler's signal to all processes, or by the system when memory is short."""
    mark, said = folder / "mark", []
    task = left(folder, f"os.path.exists({str(mark)!r}) or (open({str(mark)!r}, 'x'), os.kill(os.getpid(), signal.SIGTERM))")
    assert task.score(LEFT, said.append) == np.sin(-1.0)
    assert mark.exists()
    assert said == []


def test_a_worker_that_died_while_it_was_idle_is_not_asked(folder, monkeypatch):
    task = catalogue.load_task(f"{folder}/mine.py:Fragile")
    task.score(np.zeros((1, 2), np.float32))
    for worker in workers._idle:
        os.kill(worker._process.pid, signal.SIGKILL)
        os.waitid(os.P_PID, worker._process.pid, os.WEXITED | os.WNOWAIT)
    ask = workers._Worker.ask
    asked = []
    monkeypatch.setattr(workers._Worker, "ask", lambda worker, *question: asked.append(worker.alive) or ask(worker, *question))
    assert task.score(np.zeros((1, 2), np.float32)) == 0.0
    assert asked == [True]


def test_an_edited_file_is_another_simulator(folder):
    """Idle workers do not score by the text that they hold; a task that was loaded before is not scored by the new one."""
    before = catalogue.load_task(f"{folder}/mine.py:Fragile")
    assert before.score(np.full((1, 2), 0.5, np.float32)) == np.sin(1.0)
    (folder / "mine.py").write_text(TASK.replace("np.sin(", "np.cos("))
    assert catalogue.load_task(f"{folder}/mine.py:Fragile").score(np.full((1, 2), 0.5, np.float32)) == np.cos(1.0)
    with pytest.raises(BBOError, match=r"mine\.py was edited after Fragile was loaded from it; run the same command again"):
        before.score(np.zeros((1, 2), np.float32))


#: Scores one design for a minute, in a worker that leaves its number behind.
OWNER = """
import sys
import numpy as np
from bbo import catalogue
catalogue.load_task(sys.argv[1]).score(np.array([[-1, 0], [-1, 0]], np.float32))
"""


@pytest.mark.parametrize("ended_by", [signal.SIGKILL, signal.SIGINT])
def test_a_simulation_ends_with_its_owner(folder, ended_by):
    """Though it holds the interpreter's lock."""
    number = folder / "number"
    left(folder, f"open({str(number)!r}, 'w').write(str(os.getpid()))", "import ctypes", "ctypes.PyDLL(None).sleep(60)")
    owner = subprocess.Popen([sys.executable, "-c", OWNER, f"{folder}/left.py:Fragile"], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not (number.exists() and number.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    worker = psutil.Process(int(number.read_text()))
    assert worker.ppid() == owner.pid
    assert os.getsid(worker.pid) == worker.pid, "a terminal's Ctrl-C would reach it"
    owner.send_signal(ended_by)
    owner.wait(10)
    psutil.wait_procs([worker], 10)
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(("engine", "reason"), [("numpy==0.1", "and version {} is installed"), ("no-such==1", "and no version is")])
def test_another_engine_is_refused_with_the_reason(folder, engine, reason):
    task = catalogue.load_task(f"{folder}/mine.py:Fragile")
    name, version = engine.split("==")
    object.__setattr__(task.spec, "engines", (engine,))
    wanted = f"its scores are those of {name} {version}, {reason.format(np.__version__)}"
    with pytest.raises(Unavailable, match=wanted) as raised:
        task.score(np.zeros((1, 2), np.float32))
    assert str(raised.value).endswith(f"pip install {engine}")
    object.__setattr__(task.spec, "engines", (f"numpy=={np.__version__}",))
    assert not task.unavailable()


def installed(folder, name, version, says=""):
    """A distribution of the module `sandglass`, in a folder; the module calls itself version `says`."""
    about = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (about / "RECORD").write_text("sandglass/__init__.py,,\n")
    (folder / "sandglass").mkdir(exist_ok=True)
    (folder / "sandglass" / "__init__.py").write_text(f"__version__ = {says or version!r}\n")
    return folder


@pytest.fixture
def on_sandglass(folder, monkeypatch):
    """A task on version 4.0 of an engine, which is looked for in the folders that this is called with."""

    def task(*places):
        for place in reversed(places):
            monkeypatch.syspath_prepend(place)
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, places)))
        workers._end_all()  # none that was started with another path
        engine = 'seconds=9.0, requires=("sandglass",), engines=("sand.glass-core==4.0",)'
        (folder / "timed.py").write_text(TASK.replace("seconds=9.0", engine))
        return catalogue.load_task(f"{folder}/timed.py:Fragile")

    yield task
    workers._end_all()


def test_the_same_module_of_another_distribution_is_refused(on_sandglass, tmp_path):
    """Its scores would be those of another engine, though the one that is wanted is installed."""
    right = installed(tmp_path / "right", "sand-glass-core", "4.0")
    task = on_sandglass(installed(tmp_path / "wrong", "sandglass", "3.2"), right)
    assert not task.unavailable()
    with pytest.raises(BBOError) as raised:
        task.score(np.zeros((1, 2), np.float32))
    said = str(raised.value)
    assert said.startswith("task 'fragile' is not available: its scores are those of sand.glass-core 4.0")
    assert f"version 3.2, from {tmp_path}/wrong/sandglass/__init__.py" in said and "pip install --force-reinstall" in said


def test_a_module_that_another_distribution_overwrote_is_refused(on_sandglass, tmp_path):
    both = installed(tmp_path / "both", "sand-glass-core", "4.0")
    with pytest.raises(BBOError, match=r"version 3\.2"):
        on_sandglass(installed(both, "sandglass", "3.2")).score(np.zeros((1, 2), np.float32))


@pytest.mark.parametrize("says", ["4.0", "3.9"])
def test_the_only_distribution_of_a_module_is_believed(on_sandglass, tmp_path, says):
    """Also where the module calls itself by an old version, as that of selfies 2.2.0 does."""
    right = installed(tmp_path / "right", "sand-glass-core", "4.0", says)
    assert on_sandglass(right).score(np.zeros((1, 2), np.float32)) == 0.0


@pytest.mark.parametrize("home", ["script", "current folder", "function"])
def test_a_class_that_no_worker_can_find_is_refused_with_what_to_do(tmp_path, monkeypatch, home):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "beside_the_script.py").write_text(TASK)
    module = importlib.import_module("beside_the_script")
    monkeypatch.delitem(sys.modules, "beside_the_script")
    task = module.Fragile()
    if home == "script":
        module.Fragile.__module__ = "__main__"
    elif home == "function":
        module.Fragile.__qualname__ = "make.<locals>.Fragile"
    else:
        monkeypatch.setitem(sys.modules, "beside_the_script", module)
    with pytest.raises(BBOError, match=r"put the class at the top of a file and load it as \./file\.py:Fragile$"):
        task.score(np.zeros((2, 2), np.float32))


def test_a_package_that_an_installed_task_lacks_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    workers._end_all()  # none that was started with another path
    (tmp_path / "needy.py").write_text("import no_such_package")
    with pytest.raises(BBOError, match="No module named 'no_such_package'"):
        workers.evaluate(workers.Simulator("needy", "Task"), np.zeros((1, 2), np.float32), 1)
    workers._end_all()
