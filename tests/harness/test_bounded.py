"""What a method may do to its process, its memory and its time, and the record that is left of it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from bbo.harness.folder import status_of_plans

CRASHES = {
    "Segfault": ("import ctypes; ctypes.string_at(0)", "crash", "SIGSEGV"),
    "Exit": ("raise SystemExit(3)", "error", "3"),
    "HardExit": ("os._exit(0)", "crash", "exit code 0"),
    "Shot": ("os.kill(os.getpid(), signal.SIGKILL)", "crash", "ran out of memory"),
    "Interrupt": ("raise KeyboardInterrupt", "error", "KeyboardInterrupt"),
    "Words": ("return np.array(['a'] * problem.budget)", "invalid designs", "shape"),
    "Objects": ("return np.array([object()] * problem.budget)", "invalid designs", "Object"),
    "Nothing": ("return None", "invalid designs", ""),
    "Huge": ("return torch.empty(10**13)", "memory", ""),
    "Noise": (
        """
        for fd in range(3, 64):
            try:
                os.write(fd, b'garbage' * 10)
            except OSError:
                pass
        time.sleep(60)
        """,
        "crash",
        "invalid bytes",
    ),
}


def test_every_way_to_fail_is_a_record_with_its_reason(lab):
    made = lab.plan(*(lab.body(name, text) for name, (text, *_) in CRASHES.items()), "Good")
    lab.run(made, timeout=40)
    status = status_of_plans(lab.out)
    assert [spec.method for spec in status.done] == ["Good"]
    found = {r.spec.method: r.error for r in status.failed}
    for name, (_, reason, message) in CRASHES.items():
        assert (name, found[name]["reason"]) == (name, reason), found[name]
        assert message in found[name]["message"], found[name]


def test_what_a_dying_method_printed_is_kept(lab):
    lab.run(lab.plan(lab.body("Talks", "print('so far so good', flush=True); import ctypes; ctypes.string_at(0)"), "Good"))
    status = status_of_plans(lab.out)
    assert "so far so good" in status.failed[0].output
    assert "Segmentation fault" in status.failed[0].output


ENDLESS = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGINT, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"])
print(os.getpid(), child.pid, flush=True)
while True:
    pass
"""


def gone(pids: list[int], within: float = 20.0) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if not any(alive(pid) for pid in pids):
            return True
        time.sleep(0.1)
    return False


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")


@linux
def test_an_endless_loop_that_ignores_signals_is_stopped_with_its_children(lab):
    lab.run(lab.plan(lab.body("Endless", ENDLESS), "Good"), timeout=5)
    status = status_of_plans(lab.out)
    assert status.failed[0].error["reason"] == "timeout"
    assert 5 <= status.failed[0].cost["wall_seconds"] < 15
    assert len(status.done) == 1
    assert gone([int(pid) for pid in status.failed[0].output.split()])


@linux
def test_a_method_that_never_lets_go_of_the_interpreter_dies_with_its_host(lab):
    reference = lab.body("Stuck", ENDLESS.replace("while True:\n    pass", "sum(range(10**15))"))
    words = ["run", "-t", f"{lab.folder}/task.py:Slope", "-b", reference, "--seeds", "0", "--out", str(lab.out)]
    host = subprocess.Popen([sys.executable, "-m", "bbo.cli", *words], stderr=subprocess.DEVNULL)
    deadline, below = time.monotonic() + 60, []
    while len(below) < 3:  # the starter, the method and its child
        assert time.monotonic() < deadline
        time.sleep(0.1)
        below = psutil.Process(host.pid).children(recursive=True)
    time.sleep(0.5)
    host.kill()
    host.wait()
    assert gone([process.pid for process in below])


def test_memory_is_bounded_children_included(lab):
    own = lab.body("Greedy", "kept = []\nwhile True:\n    kept.append(np.ones(2_000_000))\n    time.sleep(0.005)")
    code = "import time; kept = [bytearray(1_000_000_000)]; time.sleep(600)"
    child = lab.body("Parent", f"subprocess.run([sys.executable, '-c', {code!r}])")
    lab.run(lab.plan(own, child, "Good"), memory=1.2)
    status = status_of_plans(lab.out)
    for result in status.failed:
        assert result.error["reason"] == "memory", result.error
        assert "more than the 1.2 GB allowed" in result.error["message"]
    assert len(status.failed) == 2
    assert len(status.done) == 1


def test_a_constant_stream_of_progress_does_not_put_off_the_time_limit(lab):
    reference = lab.body("Chatter", "step = 0\nwhile True:\n    step += 1\n    problem.progress(step, 1, problem.x[:16])")
    lab.run(lab.plan(reference), timeout=3, trace=True)
    assert status_of_plans(lab.out).failed[0].error["reason"] == "timeout"


def test_processes_are_replaced_after_so_many_cells_and_after_a_failure(lab, kept):
    pid = lab.body("Pid", "problem.note(pid=os.getpid())\nreturn problem.x[:problem.budget]")
    bad = lab.body("Bad", "problem.note(pid=os.getpid())\nraise ValueError('no')")
    results = lab.run(lab.plan(pid, seeds=(0, 1, 2, 3, 4)), cells_per_process=2)
    pids = [r.notes["pid"] for r in results]
    assert pids[0] == pids[1] != pids[2] == pids[3] != pids[4]
    results = lab.run(lab.plan(bad, pid, seeds=(7,)))
    assert results[0].notes["pid"] != results[1].notes["pid"]


def test_global_settings_of_one_method_do_not_reach_the_next(lab, kept):
    spoil = (
        "torch.set_default_dtype(torch.float64); torch.set_num_threads(7); torch.set_grad_enabled(False); np.seterr(all='raise')"
    )
    bad = lab.body("Spoils", f"{spoil}\nreturn problem.x[:problem.budget]")
    look = "problem.note(dtype=str(torch.get_default_dtype()), n=torch.get_num_threads(), grad=torch.is_grad_enabled(), err=np.geterr())"
    good = lab.body("Looks", f"{look}\nreturn problem.x[:problem.budget]")
    notes = lab.run(lab.plan(bad, good), threads=2, numerics="native")[1].notes
    assert (notes["dtype"], notes["n"], notes["grad"], notes["err"]["divide"]) == ("torch.float32", 2, True, "warn")


def test_the_working_folder_is_temporary_and_gone_afterwards(lab):
    reference = lab.body(
        "Litters", "open('litter', 'w').write('x'); problem.note(cwd=os.getcwd())\nreturn problem.x[:problem.budget]"
    )
    folder = Path(lab.run(lab.plan(reference))[0].notes["cwd"])
    assert folder != Path.cwd()
    assert not folder.exists()
    assert os.path.exists(lab.out)
