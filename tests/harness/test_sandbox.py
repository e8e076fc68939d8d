"""The kernel's part: ways to the oracle that no guard in Python could close. Each is tried in a confined process, with no guard at all."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import bbo.tasks
from bbo import data
from bbo.errors import BBOError
from bbo.harness.host import Host
from bbo.harness.options import RunOptions
from bbo.harness.sandbox import landlock
from bbo.harness.sandbox.hidden import list_hidden
from bbo.harness.sandbox.reach import list_allowed
from bbo.reporting.documents import marks

pytestmark = pytest.mark.skipif(landlock.abi() == 0, reason="this kernel has no Landlock")

ATTACKS = {
    "file": "open(TASK).read()",
    "data": "open(DATA, 'rb').read(9)",
    "descriptor of a folder": "os.open(os.path.basename(TASK), os.O_RDONLY, dir_fd=os.open(os.path.dirname(TASK), os.O_PATH))",
    "symbolic link": "os.symlink(TASK, 'link'); open('link').read()",
    "hard link": "os.link(TASK, 'hard'); open('hard').read()",
    "renamed": "os.rename(RESULT, 'mine')",
    "bind mount": "os.mkdir('m'); must(libc.mount(os.path.dirname(TASK).encode(), b'm', None, 4096, None)); os.listdir('m')",
    "a namespace of its own": "subprocess.run(['unshare', '-rm', 'cat', TASK], check=True, **QUIET)",
    "child process": "subprocess.run(['cat', TASK], check=True, **QUIET)",
    "Python as a child": "subprocess.run([sys.executable, '-c', 'import bbo.tasks.tfbind8'], check=True, **QUIET)",
    "forked child": (
        "pid = os.fork()\nif pid == 0:\n    try:\n        open(TASK).read(); os._exit(0)\n    except OSError:\n        os._exit(1)\n"
        "must(-os.waitpid(pid, 0)[1])"
    ),
    "fork server": "mp = multiprocessing.get_context('forkserver')\nwith mp.Pool(1) as pool: pool.map(open, [TASK])",
    "ctypes": "libc.fopen.restype = ctypes.c_void_p\nmust(0 if libc.fopen(DATA.encode(), b'r') else -1)",
    "NumPy's own reader": "np.fromfile(DATA, np.uint8)",
    "git's objects": "subprocess.run(['git', '-C', os.path.dirname(TASK), 'show', 'HEAD:tasks/tfbind8.py'], check=True, **QUIET)",
    "earlier results": "open(RESULT).read()",
    "the user's home": "os.listdir(HOME)",
    "environment of the host": "open(f'/proc/{HOST}/environ').read()",
    "memory of the host": "open(f'/proc/{HOST}/mem', 'rb').seek(0)",
    "open files of the host": "os.readlink(f'/proc/{HOST}/fd/1')",
    "folder of the host": "os.listdir(f'/proc/{HOST}/cwd/')",
    "memory of the machine": "open('/proc/kcore', 'rb').read(9)",
    "disks": "os.mknod('disk', 0o600 | stat.S_IFBLK, os.makedev(254, 0)); open('disk', 'rb').read(9)",
    "tracing": "must(libc.ptrace(16, HOST, None, None))",
    "reading another process": "must(libc.process_vm_readv(HOST, ctypes.byref(IOVEC), 1, ctypes.byref(IOVEC), 1, 0))",
    "signals": "os.kill(HOST, 0)",
    "network": "socket.create_connection(('127.0.0.1', PORT), 5)",
    "abstract socket": "socket.socket(socket.AF_UNIX).connect('\\0bbo-test-' + str(HOST))",
    "writing": "open(RESULT, 'w')",
    "removing": "os.remove(RESULT)",
    "module of Python": "open(os.path.join(os.path.dirname(np.__file__), 'new.py'), 'w')",
    "a new privilege": "os.setuid(12345); os.setuid(0)",
}
ORDINARY = {
    "libraries": "import scipy.optimize, bbo.method, importlib.util; open(importlib.util.find_spec('bbo.baselines.root').origin).read()",
    "its folder": "np.save('a.npy', np.zeros(3)); np.load('a.npy'); os.mkdir('d'); os.rename('a.npy', 'd/b.npy'); os.remove('d/b.npy')",
    "temporary files": "tempfile.NamedTemporaryFile().write(b'x')",
    "programs": "subprocess.run([sys.executable, '-c', 'print(1)'], check=True, **QUIET)",
    "facts of the machine": "open('/proc/self/status').read(), open('/proc/cpuinfo').read(), os.urandom(3), open('/dev/null', 'w').write('x')",
    "worker processes": "with multiprocessing.get_context('fork').Pool(2) as pool: pool.map(abs, [1, 2])",
    "signals to children": "child = subprocess.Popen(['sleep', '60']); child.kill(); child.wait()",
    "its own method": "open(OWN).read()",
}
TRY = """
import ctypes, json, multiprocessing, os, socket, stat, subprocess, sys, tempfile
from pathlib import Path
import numpy as np
from bbo.harness.sandbox import landlock
allowed, attempts, names = json.loads(sys.argv[1])
globals().update(names)
class IoVec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
BUFFER = ctypes.create_string_buffer(8)
IOVEC = IoVec(ctypes.addressof(BUFFER), 8)
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
libc = ctypes.CDLL(None, use_errno=True)
def must(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
found = {}
landlock.confine(landlock.Allowed(*map(tuple, allowed)))
for name, text in attempts.items():
    try:
        exec(text, globals())
        found[name] = ""
    except Exception as error:
        found[name] = f"{type(error).__name__}: {error}"
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def tried(tmp_path_factory):
    """What became of each attempt: empty if it succeeded, else the error."""
    folder = tmp_path_factory.mktemp("sandbox")
    work, result, own = folder / "work", folder / "out" / "cells" / "a.json", folder / "own.py"
    work.mkdir()
    result.parent.mkdir(parents=True)
    result.write_text("a score")
    own.write_text("# a method")
    allowed = list_allowed(list_hidden(folder / "out").paths, str(own), (work,))
    tasks = Path(bbo.tasks.__file__).parent
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind(f"\0bbo-test-{os.getpid()}")
        abstract.listen()
        names = {
            "TASK": str(tasks / "tfbind8.py"), "DATA": str(data.package_dir() / "thin_film.npz"), "RESULT": str(result), "OWN": str(own),
            "HOST": os.getpid(), "HOME": str(Path.home()), "PORT": server.getsockname()[1],
        }  # fmt: skip
        words = json.dumps([[allowed.read, allowed.look, allowed.write, allowed.devices], ATTACKS | ORDINARY, names])
        environment = os.environ | {"TMPDIR": str(work), "HOME": str(work), "OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-c", TRY, words], capture_output=True, text=True, check=False, cwd=work, env=environment, timeout=120
        )
    assert done.returncode == 0, done.stderr
    assert result.read_text() == "a score"
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", ATTACKS)
def test_no_way_to_the_oracle(tried, name):
    if name == "network" and landlock.abi() < 4:
        pytest.skip("this kernel's Landlock knows no TCP")
    if name in ("signals", "abstract socket") and landlock.abi() < 6:
        pytest.skip("this kernel's Landlock has no scopes")
    assert tried[name]


@pytest.mark.parametrize("name", ORDINARY)
def test_what_methods_do_all_day_still_works(tried, name):
    assert tried[name] == ""


def test_a_process_with_threads_is_not_confined_by_halves():
    code = (
        "import threading, time\nthreading.Thread(target=time.sleep, args=(1,)).start()\nfrom bbo.harness.sandbox import landlock\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code + "landlock.confine(landlock.Allowed(()))"], capture_output=True, text=True, check=False
    )
    assert "before it starts threads" in done.stderr


def test_records_say_how_methods_were_confined_and_none_leaves_a_footnote(lab):
    confined, free = lab.run(lab.plan("Good")) + lab.run(lab.plan("Good", seeds=(1,)), sandbox="none")
    assert confined.provenance["sandbox"] == f"landlock-{landlock.abi()}"
    assert free.provenance["sandbox"] == "none"
    assert marks.unconfined([confined]) == []
    (text,) = marks.unconfined([confined, free])
    assert "not confined" in text


def test_the_host_confines_the_methods_it_runs(lab):
    """By the C library, which the guard within Python does not see."""
    body = f"""
    libc = ctypes.CDLL(None)
    problem.note(task=libc.open({str(lab.folder / "task.py")!r}.encode(), 0), own=libc.open(__file__.encode(), 0) > 0)
    return problem.x[:problem.budget]
    """
    peeks = lab.body("Peeks", body, "import ctypes")
    confined, free = lab.run(lab.plan(peeks)) + lab.run(lab.plan(peeks, seeds=(1,)), sandbox="none")
    assert confined.notes == {"task": -1, "own": True}
    assert free.notes["task"] > 0


def test_required_refuses_where_there_is_none(lab, monkeypatch):
    monkeypatch.setattr(landlock, "abi", lambda: 0)
    with pytest.raises(BBOError, match="--sandbox required"):
        Host(lab.out, RunOptions(sandbox="required")).confinement  # noqa: B018
    assert Host(lab.out, RunOptions()).confinement == "none"


def test_a_method_starts_with_a_fresh_process_per_file_and_after_privileged_knowledge(lab):
    pid = "problem.note(pid=os.getpid())\nreturn problem.x[:problem.budget]"
    asks = lab.body("Asks", "problem.privileged('y_max')\n" + pid)
    other = lab.body("Other", pid)
    results = lab.run([*lab.plan(other, seeds=(0, 1)), *lab.plan(asks, seeds=(0, 1)), *lab.plan(other, seeds=(2,))])
    pids = [r.notes["pid"] for r in results]
    assert pids[0] == pids[1]
    assert len(set(pids)) == 4
