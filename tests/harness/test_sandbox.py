"""The kernel's part: ways to the oracle that no guard in Python could close. Each is tried in a confined process, with no guard at all."""

import json
import os
import shutil
import site
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import bbo.tasks
from bbo import data
from bbo.cli import main
from bbo.errors import BBOError
from bbo.harness.host import Host
from bbo.harness.options import RunOptions
from bbo.harness.sandbox import confinement, environment, examine, landlock, parent, reach, seccomp
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
    "a program that changes the user": "subprocess.run(['su', '-c', f'cat {TASK}'], check=True, stdin=subprocess.DEVNULL, **QUIET)",
    "torch's own reader": "import torch; torch.from_file(DATA, size=9, dtype=torch.uint8)",
    "memory map": "import mmap; mmap.mmap(os.open(DATA, os.O_RDONLY), 9)",
    "a database": "import sqlite3; sqlite3.connect(DATA).execute('select * from sqlite_master')",
    "a library's loader": "ctypes.CDLL(DATA)",
    "a system call by its number": "must(libc.syscall(437, -100, DATA.encode(), ctypes.create_string_buffer(24), 24))",
    "a path through /proc": "open('/proc/self/root' + TASK).read()",
    "the root of the host": "open(f'/proc/{HOST}/root' + TASK).read()",
    "a descriptor of the host": "open(f'/proc/{HOST}/fd/0').read()",
    "memory map of the host": "open(f'/proc/{HOST}/maps').read()",
    "a spawned process": "mp = multiprocessing.get_context('spawn')\nwith mp.Pool(1) as pool: pool.map(open, [TASK])",
    "joblib's workers": "import joblib; joblib.Parallel(2, 'loky')(joblib.delayed(open)(TASK) for _ in range(2))",
    "files of other cells": "os.listdir(os.path.dirname(WORK))",
    "data in a cache": "os.listdir(CACHE)",
    "a search path's hook": "open(os.path.join(SITE, 'new.pth'), 'w')",
    "a compiled module": "open(os.path.join(os.path.dirname(np.__file__), '__pycache__', 'new.pyc'), 'w')",
    "its own file, which its version is of": "open(OWN, 'a')",
    "a program in memory": (
        "fd = os.memfd_create('a', 0); os.write(fd, open('/bin/cat', 'rb').read())\n"
        "subprocess.run([f'/proc/self/fd/{fd}', TASK], pass_fds=[fd], check=True, **QUIET)"
    ),
    "a program by its loader": "import glob; subprocess.run([glob.glob('/lib*/ld-linux*.so.*')[0], '/bin/cat', TASK], check=True, **QUIET)",
    "its peak of memory": "open('/proc/self/clear_refs', 'w')",
    "its turn when memory runs out": "open('/proc/self/oom_score_adj', 'w')",
    "its control group": "open([*Path('/sys/fs/cgroup').glob('cgroup.procs'), *Path('/sys/fs/cgroup').glob('*/cgroup.procs')][0], 'a')",
    "a signal by a descriptor of the process": "import signal; signal.pidfd_send_signal(os.pidfd_open(HOST), 0)",
    "namespaces of the host": "import fcntl; fcntl.ioctl(os.pidfd_open(HOST), 0xFF03)",
    "facts of the host's descriptors": "os.listdir(f'/proc/{HOST}/fdinfo')",
    "what the host does": "open(f'/proc/{HOST}/syscall').read()",
    "the terminal": "[os.open(path, os.O_RDWR) for path in ('/dev/tty', '/dev/console')]",
    "real-time priority": "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))",
    "a better priority": "os.nice(-5)",
    "jobs for later": "open('/var/spool/cron/crontabs/root', 'a')",
    "the user's start-up files": "open(os.path.join(HOME, '.profile'), 'a')",
}
#: Closed by the filter of system calls, which Landlock does not reach.
FILTERED = {
    "UDP": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', PORT))",
    "netlink": "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "packets": "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "virtual machines' sockets": "socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)",
    "asynchronous calls": "must(libc.syscall(425, 4, ctypes.create_string_buffer(120)))",
    "descriptors of the host": "must(libc.syscall(438, os.pidfd_open(HOST), 0, 0))",
    "limits of the host": "resource.prlimit(HOST, resource.RLIMIT_CORE, (0, 0))",
    "processors of the host": "os.sched_setaffinity(HOST, os.sched_getaffinity(HOST))",
    "priority of the host": "os.setpriority(os.PRIO_PROCESS, HOST, os.getpriority(os.PRIO_PROCESS, HOST))",
    "priority of the user": "os.setpriority(os.PRIO_USER, 0, 0)",
    "a signal by a descriptor": "import fcntl; fcntl.fcntl(os.pipe()[0], fcntl.F_SETOWN, HOST)",
    "System V memory": "must(libc.shmget(7, 4096, 0o1600))",
    "System V messages": "must(libc.msgget(7, 0o1600))",
    "a message queue": "must(libc.mq_open(b'/bbo-test', os.O_CREAT | os.O_RDWR, 0o600, None))",
    "mounts by descriptors": "must(libc.syscall(428, -100, os.path.dirname(TASK).encode(), 1))",
    "handles of files": "must(libc.name_to_handle_at(-100, TASK.encode(), ctypes.create_string_buffer(200), ctypes.byref(ctypes.c_int()), 0))",
    "a namespace by unshare": "must(libc.unshare(0x10000000))",
    "a namespace by clone": "must(libc.syscall(CLONE, 0x10000000 | 17, None, None, None, None))",
    "clone3": "must(libc.syscall(435, ctypes.create_string_buffer(88), 88))",
    "comparing processes": "must(libc.syscall(KCMP, os.getpid(), HOST, 0, 0, 0))",
    "keys": "must(libc.syscall(KEYCTL, 0, -3, 1))",
    "programs in the kernel": "must(libc.syscall(BPF, 0, None, 0))",
    "counters": "must(libc.syscall(PERF, None, 0, -1, -1, 0))",
    "page faults": "must(libc.syscall(UFFD, 1))",
    "another root": "os.chroot('/')",
    "a watch on the results": "must(libc.inotify_add_watch(libc.inotify_init(), os.path.dirname(RESULT).encode(), 0xFFF))",
    "extended attributes by a path": "must(libc.syscall(463, -100, RESULT.encode(), 0, b'user.a', ctypes.create_string_buffer(16), 16))",
    "flags of a file by its path": "must(libc.syscall(469, -100, RESULT.encode(), ctypes.create_string_buffer(24), 24, 0))",
    "flags of a file": "import fcntl; fcntl.ioctl(os.open(OWN, 0), 0x40086602, b'\\0' * 8)",
    "a lease of a file": "import fcntl; fcntl.fcntl(os.open(OWN, 0), 1024, 0)",
    "signals when a folder is used": "import fcntl; fcntl.fcntl(os.open(os.path.dirname(np.__file__), 0), 1026, 1)",
    "typing on a terminal": (
        "import errno, fcntl\ntry: fcntl.ioctl(os.open('/dev/null', 0), 0x5412, b'x')\n"
        "except OSError as error:\n    if error.errno == errno.EPERM: raise"
    ),
    "calls of the second table": "must(-1 if arm else libc.syscall(0x40000000 + 39))",
    "calls of 32 bits": (
        "import mmap\nm = mmap.mmap(-1, 4096, prot=7); m.write(bytes.fromhex('b814000000cd80c3'))\n"
        "call = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(m)))\n"
        "pid = os.fork()\nif pid == 0: os._exit(arm or call() < 0)\nmust(-os.waitpid(pid, 0)[1])"
    ),
    "extended attributes": "os.setxattr(WORK, 'user.a', b'x')",
}
#: Calls that report success and do nothing.
SILENT = {
    "modes": "os.chmod(RESULT, 0)",
    "modes by descriptor": "os.chmod(os.open(WORK, os.O_RDONLY), 0o777)",
    "times": "os.utime(RESULT, (0, 0))",
    "owner": "os.chown(RESULT, 12345, 12345)",
}
ORDINARY = {
    "libraries": "import scipy.optimize, bbo.method, importlib.util; open(importlib.util.find_spec('bbo.baselines.root').origin).read()",
    "its folder": "np.save('a.npy', np.zeros(3)); np.load('a.npy'); os.mkdir('d'); os.rename('a.npy', 'd/b.npy'); os.remove('d/b.npy')",
    "temporary files": "tempfile.NamedTemporaryFile().write(b'x')",
    "programs": "subprocess.run([sys.executable, '-c', 'print(1)'], check=True, **QUIET)",
    "facts of the machine": "open('/proc/self/status').read(), open('/proc/cpuinfo').read(), os.urandom(3), open('/dev/null', 'w').write('x')",
    "copies of files": "import shutil; open('a', 'w').write('x'); shutil.copy2('a', 'b'); os.mkdir('c'); shutil.copytree('c', 'e')",
    "its own limits": "resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); os.sched_setaffinity(0, os.sched_getaffinity(0)); os.nice(0)",
    "joblib": "import joblib; assert joblib.Parallel(2, 'loky')(joblib.delayed(abs)(-i) for i in range(4)) == [0, 1, 2, 3]",
    "a fork server": "with multiprocessing.get_context('forkserver').Pool(1) as pool: pool.map(abs, [1])",
    "a manager": "with multiprocessing.Manager() as manager: manager.list([1])",
    "shared memory": "from multiprocessing.shared_memory import SharedMemory; m = SharedMemory(create=True, size=9); m.close(); m.unlink()",
    "threads": "import concurrent.futures as c; list(c.ThreadPoolExecutor(4).map(abs, range(9)))",
    "torch": "import torch; torch.rand(200, 200) @ torch.rand(200, 200); torch.save({}, 'a.pt'); torch.load('a.pt')",
    "torch's workers": (
        "from torch.utils.data import DataLoader, TensorDataset\n"
        "for _ in DataLoader(TensorDataset(torch.rand(64, 3)), batch_size=16, num_workers=2): pass"
    ),
    "an event loop": "import asyncio; asyncio.run(asyncio.sleep(0))",
    "worker processes": "with multiprocessing.get_context('fork').Pool(2) as pool: pool.map(abs, [1, 2])",
    "signals to children": "child = subprocess.Popen(['sleep', '60']); child.kill(); child.wait()",
    "its own method": "open(OWN).read()",
}
TRY = """
import ctypes, json, multiprocessing, os, platform, resource, socket, stat, subprocess, sys, tempfile
from pathlib import Path
import numpy as np
from bbo.harness.sandbox import examine, landlock, seccomp
allowed, attempts, names = json.loads(sys.argv[1])
globals().update(names)
class IoVec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
BUFFER = ctypes.create_string_buffer(8)
IOVEC = IoVec(ctypes.addressof(BUFFER), 8)
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
libc = ctypes.CDLL(None, use_errno=True)
arm = platform.machine() == "aarch64"
CLONE, KCMP, KEYCTL, BPF, PERF, UFFD = (220, 272, 219, 280, 241, 282) if arm else (56, 312, 250, 321, 298, 323)
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
    return attempt(tmp_path_factory.mktemp("sandbox"), TRY)


def attempt(folder, program):
    """Try everything in a process that `program` confines."""
    work, result, own = folder / "work", folder / "out" / "cells" / "a.json", folder / "own.py"
    work.mkdir()
    result.parent.mkdir(parents=True)
    result.write_text("a score")
    own.write_text("# a method")
    allowed = list_allowed(list_hidden(folder / "out").paths, str(own), (work,))
    tasks = Path(bbo.tasks.__file__).parent
    before = result.stat()
    assert len({**ATTACKS, **FILTERED, **SILENT, **ORDINARY}) == sum(map(len, (ATTACKS, FILTERED, SILENT, ORDINARY)))
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind(f"\0bbo-test-{os.getpid()}")
        abstract.listen()
        names = {
            "TASK": str(tasks / "tfbind8.py"), "DATA": str(data.package_dir() / "thin_film.npz"), "RESULT": str(result), "OWN": str(own),
            "HOST": os.getpid(), "HOME": str(Path.home()), "PORT": server.getsockname()[1],
            "WORK": str(work), "CACHE": str(data.cache_dir()), "SITE": site.getsitepackages()[0],
        }  # fmt: skip
        words = json.dumps(
            [[allowed.read, allowed.look, allowed.write, allowed.devices], ATTACKS | FILTERED | SILENT | ORDINARY, names]
        )
        environment = os.environ | {"TMPDIR": str(work), "HOME": str(work), "OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-c", program, words],
            capture_output=True,
            text=True,
            check=False,
            cwd=work,
            env=environment,
            timeout=300,
        )
    assert done.returncode == 0, done.stderr
    assert result.read_text() == "a score"
    after = result.stat()
    assert (after.st_mode, after.st_mtime, after.st_uid) == (before.st_mode, before.st_mtime, before.st_uid)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", ATTACKS)
def test_no_way_to_the_oracle(tried, name):
    if name == "network" and landlock.abi() < 4:
        pytest.skip("this kernel's Landlock knows no TCP")
    if name in ("signals", "abstract socket") and landlock.abi() < 6:
        pytest.skip("this kernel's Landlock has no scopes")
    assert tried[name]


@pytest.mark.skipif(not seccomp.available(), reason="no filter for this kernel or machine")
@pytest.mark.parametrize("name", FILTERED)
def test_no_system_call_beside_the_files(tried, name):
    assert tried[name]


@pytest.mark.skipif(not seccomp.available(), reason="no filter for this kernel or machine")
@pytest.mark.parametrize("name", SILENT)
def test_modes_owners_and_times_outside_stay_as_they_are(tried, name):
    """The fixture compares those of a result before and after; the calls themselves report success, so that copying works."""
    assert tried[name] == ""


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
    assert confined.provenance["sandbox"].removesuffix("+mounts") == confinement.name() != "none"
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


def test_tasks_of_another_checkout_on_the_search_path_are_left_out(tmp_path, monkeypatch):
    for name in ("bbo/__init__.py", "bbo/task.py", "bbo/other.py", "tasks/__init__.py", "tasks/tfbind8.py", "tools/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    read = list_allowed((), "", ()).read
    of_it = {path for path in read if path.startswith(str(tmp_path))}
    assert of_it == {str(tmp_path / "bbo"), str(tmp_path / "tools")}


def test_a_wheel_unpacked_on_the_search_path_works_and_what_lies_beside_it_stays_closed(tmp_path, monkeypatch):
    """As `pip install --target` leaves it: compiled modules, their libraries, parts of namespaces, data of packages, metadata."""
    library = next((Path(np.__file__).parent / "random").glob("_pcg64*.so"))
    theirs = [
        *("made/__init__.py", "made/table.csv", "made.libs/liba-1f2e.so.1.2", "_fast.cpython-311-x86_64-linux-gnu.so", "single.py"),
        *("space/part/__init__.py", "space/part/table.npz", "space/plain.py", "made-1.0.data/x.txt", "made-1.0.dist-info/METADATA"),
    ]
    beside = ["scores.csv", "space/scores.npz", "notes/a.txt", "results/cells/a/cell.json"]
    for name in (*theirs, *beside):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(
            "Metadata-Version: 2.1\nName: made\nVersion: 1.0\n" if name.endswith("METADATA") else "x = 1\n"
        )
    shutil.copy(library, tmp_path / "made.libs" / library.name)
    names = [*theirs, "../../bin/made", "/etc/shadow", "made.libs/" + library.name]
    (tmp_path / "made-1.0.dist-info" / "RECORD").write_text("".join(f"{name},sha256=a,1\n" for name in names))
    monkeypatch.syspath_prepend(str(tmp_path))
    allowed = list_allowed((str(tmp_path / "single.py"),), "", ())  # a task's file among them stays closed
    assert not [path for path in allowed.read if path.endswith(("bin/made", "shadow"))]
    code = """
import ctypes, importlib.metadata, json, sys
allowed, folder, names, library = json.loads(sys.argv[1])
from bbo.harness.sandbox import landlock
sys.path.insert(0, folder)
landlock.confine(landlock.Allowed(*map(tuple, allowed)))
import made, space.part, space.plain
assert importlib.metadata.version("made") == "1.0"
ctypes.CDLL(library)
opened = []
for name in names:
    try:
        open(f"{folder}/{name}").close()
        opened.append(name)
    except OSError:
        pass
print(json.dumps(opened))
"""
    words = [[allowed.read, allowed.look, allowed.write, allowed.devices], str(tmp_path), [*theirs, *beside]]
    words.append(str(tmp_path / "made.libs" / library.name))
    done = subprocess.run([sys.executable, "-c", code, json.dumps(words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [name for name in theirs if name != "single.py"]


def test_undoing_the_guard_opens_nothing(lab):
    """A method that empties what the guard refuses, within reach of Python, is no violation any more; the kernel refuses all the same."""
    body = f"""
    from bbo.harness.sandbox import guard
    sys.meta_path[:] = [f for f in sys.meta_path if type(f).__module__ != guard.__name__]
    for found in gc.get_objects():
        if type(found) is guard.Hidden:
            object.__setattr__(found, "paths", ())
            object.__setattr__(found, "modules", ())
    told = []
    for attempt in (
        lambda: open({str(lab.folder / "task.py")!r}).read(),
        lambda: os.listdir({str(lab.out)!r}),
        lambda: __import__("bbo.tasks.tfbind8"),
        lambda: subprocess.run(["cat", {str(lab.folder / "task.py")!r}], check=True, capture_output=True),
    ):
        try:
            attempt()
            told.append("")
        except BaseException as error:
            told.append(type(error).__name__)
    problem.note(told=told)
    return problem.x[:problem.budget]
    """
    (found,) = lab.run(lab.plan(lab.body("Undoes", body)))
    assert found.done, found.error
    assert "" not in found.notes["told"]


def test_the_process_inherits_nothing_of_the_host(lab, monkeypatch):
    """Its descriptors are the three standard ones, its pipe and its lifeline; no variable names the results or the data."""
    monkeypatch.setenv("BBO_DATA_DIR", str(lab.folder))
    body = """
    links = [os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{n}")]
    problem.note(links=sorted(link.partition(":")[0] for link in links), work=os.getcwd(), variables=dict(os.environ))
    return problem.x[:problem.budget]
    """
    notes = lab.run(lab.plan(lab.body("Lists", body)))[0].notes
    output = str(Path(notes["work"]).with_name("output"))
    assert notes["links"] == sorted(["/dev/null", output, output, "pipe", "socket"])
    assert not [name for name, value in notes["variables"].items() if str(lab.folder) in value]


def test_only_listed_variables_reach_a_method(lab, monkeypatch):
    """No secrets, no jobs' and no git's variables, whatever they hold; those of numerical libraries do."""
    hidden = (
        "AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "SLURM_JOB_ID", "GIT_DIR", "GIT_AUTHOR_NAME", "SSH_AUTH_SOCK", "XDG_RUNTIME_DIR",
        "NVIDIA_API_KEY", "PYTHON_KEYRING_BACKEND", "MY_OWN", "BBO_DATA_DIR", "OLDPWD", "DBUS_SESSION_BUS_ADDRESS",
    )  # fmt: skip
    passed = ("LC_TIME", "CUDA_VISIBLE_DEVICES", "MALLOC_ARENA_MAX", "PATH", "TORCH_LOGS")
    for name in (*hidden, *passed[:-2]):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("TORCH_LOGS", "-dynamo")
    shows = lab.body("Shows", "problem.note(variables=dict(os.environ))\nreturn problem.x[:problem.budget]")
    (found,) = lab.run(lab.plan(shows), device="cpu")
    variables = found.notes["variables"]
    assert not set(hidden) & set(variables)
    assert set(passed) <= set(variables)
    assert variables["HOME"] == variables["TMPDIR"] == variables["PWD"] != os.environ["HOME"]
    assert all(environment.passes(name) or name in ("HOME", "TMPDIR", "PWD", parent.MARK) for name in variables)


def test_a_method_cannot_forge_the_machine_it_ran_on(lab):
    """By answering for the harness, with an answer of its own making."""
    body = """
    from bbo.harness.sandbox import wire
    frame = sys._getframe()
    while "channel" not in frame.f_locals:
        frame = frame.f_back
    lies = {"device": "cpu", "device_name": "another", "threads": 1, "fingerprint": "0" * 12, "numerics": "native", "cpu_capability": "none"}
    designs = problem.x[:problem.budget].numpy()
    frame.f_locals["channel"].send(wire.Answer(None, {}, lies, {"cpu_seconds": 0.0, "peak_memory_mb": 0.0}, [], designs))
    time.sleep(60)
    """
    forged, honest = lab.run([*lab.plan(lab.body("Forges", body)), *lab.plan("Good")], device="cpu")
    for name in ("device_name", "fingerprint", "numerics", "cpu_capability"):
        assert not forged.done or forged.provenance[name] == honest.provenance[name]
    assert not forged.done or forged.cost["peak_memory_mb"] > 50


def test_of_folders_of_libraries_only_libraries_are_readable(tmp_path, monkeypatch):
    for name in ("liba.so", "libb.so.12.1", "score.json", "notes.so.txt"):
        (tmp_path / name).write_text("")
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{tmp_path}:.:")
    wanted = set(reach._wanted())
    assert {path for path in wanted if path.startswith(str(tmp_path))} == {
        str(tmp_path / "liba.so"),
        str(tmp_path / "libb.so.12.1"),
    }
    assert not wanted & {"/", "/share", "/targets", "/ssl", "", "."}


def test_a_cell_on_the_cpu_opens_no_gpu(monkeypatch):
    monkeypatch.setattr(reach, "GPUS", ("/dev/nul*",))
    monkeypatch.setattr(reach, "DEVICES", ("/dev/zero",))
    assert list_allowed((), "", ()).devices == ("/dev/zero", "/dev/null")
    assert list_allowed((), "", (), gpu=False).devices == ("/dev/zero",)


def test_required_refuses_before_a_file_is_looked_at(lab, monkeypatch):
    monkeypatch.setattr(landlock, "abi", lambda: 0)
    monkeypatch.setattr(examine, "describe", lambda reference: pytest.fail("it was looked at"))
    words = ["run", "-t", f"{lab.folder}/task.py:Slope", "-b", f"{lab.folder}/good.py:Good", "--out", str(lab.out)]
    done = CliRunner().invoke(main, [*words, "--sandbox", "required"])
    assert done.exit_code == 2 and "--sandbox required" in done.output


def test_a_run_without_a_sandbox_says_so_once_and_its_table_has_a_footnote(lab):
    words = [
        "run",
        "-t",
        f"{lab.folder}/task.py:Slope",
        "-b",
        f"{lab.folder}/good.py:Good",
        "--out",
        str(lab.out),
        "--budget",
        "16",
    ]
    done = CliRunner().invoke(main, [*words, "--seeds", "0-1", "--sandbox", "none"])
    assert done.exit_code == 0 and done.output.count("methods run unconfined") == 1
    assert "not confined" in CliRunner().invoke(main, ["report", str(lab.out)]).output
    confined = [*words, "--seeds", "0-1", "--out", str(lab.out) + "-confined"]
    done = CliRunner().invoke(main, confined)
    assert done.exit_code == 0 and "unconfined" not in done.output
    assert "not confined" not in CliRunner().invoke(main, ["report", str(lab.out) + "-confined"]).output


def test_what_a_method_leaves_in_shared_memory_is_gone_and_services_are_hidden(lab):
    """Where the system lets a process have mounts of its own."""
    body = """
    import socket
    left = sorted(os.listdir("/dev/shm"))
    open("/dev/shm/bbo-test-left", "w").write("what it was told")
    try:
        socket.socket(socket.AF_UNIX).connect(NAME)
        reached = True
    except OSError:
        reached = False
    problem.note(left=left, reached=reached, pid=os.getpid(), mounts=open("/proc/self/mounts").read())
    problem.privileged("y_max")  # so that the next cell has a process of its own
    return problem.x[:problem.budget]
    """
    with socket.socket(socket.AF_UNIX) as service:
        service.bind(str(lab.folder / "socket"))
        service.listen()
        name = lab.body("Leaves", body.replace("NAME", repr(str(lab.folder / "socket"))))
        first, second = lab.run(lab.plan(name, seeds=(0, 1)))
        assert first.done, first.error
        if not first.provenance["sandbox"].endswith("+mounts"):
            Path("/dev/shm/bbo-test-left").unlink()
            pytest.skip("processes may not have mounts of their own here")
    assert not Path("/dev/shm/bbo-test-left").exists()
    assert first.notes["left"] == second.notes["left"] == []
    assert first.notes["pid"] != second.notes["pid"]
    assert not first.notes["reached"] and "tmpfs /run tmpfs" in first.notes["mounts"]


def test_required_refuses_where_there_is_none(lab, monkeypatch):
    monkeypatch.setattr(landlock, "abi", lambda: 0)
    with pytest.raises(BBOError, match="--sandbox required"):
        Host(lab.out, RunOptions(sandbox="required")).confinement  # noqa: B018
    assert Host(lab.out, RunOptions()).confinement == "none"


def test_each_cell_of_a_local_method_has_a_fresh_process(lab):
    """Whatever it keeps, in modules of its own making too, no later seed finds it."""
    keeps = """
    found = sys.modules.setdefault("counter_", type(sys)("counter_"))
    found.number = getattr(found, "number", 0) + 1
    problem.note(number=found.number)
    return problem.x[found.number : found.number + problem.budget]
    """
    results = lab.run(lab.plan(lab.body("Keeps", keeps), seeds=(0, 1, 2)))
    assert [r.notes["number"] for r in results] == [1, 1, 1]


def test_a_kept_process_is_of_one_file_and_ends_after_privileged_knowledge(lab, kept):
    pid = "problem.note(pid=os.getpid())\nreturn problem.x[:problem.budget]"
    asks = lab.body("Asks", "problem.privileged('y_max')\n" + pid)
    other = lab.body("Other", pid)
    results = lab.run([*lab.plan(other, seeds=(0, 1)), *lab.plan(asks, seeds=(0, 1)), *lab.plan(other, seeds=(2,))])
    pids = [r.notes["pid"] for r in results]
    assert pids[0] == pids[1]
    assert len(set(pids)) == 4
