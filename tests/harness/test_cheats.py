"""Cheats that need the harness itself: its pipe, its measurements, its process."""

import os
import sys
import textwrap
import time

import psutil
import pytest

from bbo.harness.sandbox import landlock

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="these are ways of Linux")
END = "\nreturn problem.x[:problem.budget]"
PIPE = "import ctypes, errno, fcntl, resource, socket, struct\nfrom bbo.harness.sandbox import wire"


@pytest.mark.skipif(landlock.abi() < 6, reason="its scopes confine signals")
def test_the_other_end_of_the_pipe_gives_no_hold_of_the_host(lab):
    """The kernel hands out a descriptor of the process that made a socket."""
    body = """
    pipe = socket.socket(fileno=os.dup(problem._privileged._channel.pipe.fileno()))
    told = []
    try:
        host = pipe.getsockopt(socket.SOL_SOCKET, 77)  # SO_PEERPIDFD
    except OSError:
        host = -1
    libc = ctypes.CDLL(None, use_errno=True)
    for attempt in (
        lambda: signal.pidfd_send_signal(host, 0),
        lambda: fcntl.ioctl(host, 0xFF03),
        lambda: libc.syscall(438, host, 0, 0) < 0 and 1 / 0,
        lambda: os.setns(host, 0x20000) if hasattr(os, "setns") else 1 / 0,
    ):
        try:
            attempt()
            told.append("done")
        except (OSError, ZeroDivisionError):
            told.append("refused")
    problem.note(told=told, host=host)
    """
    (found,) = lab.run(lab.plan(lab.body("Peer", textwrap.dedent(body) + END, PIPE)))
    assert found.done, found.error
    assert found.notes["told"] == ["refused"] * 4


def test_descriptors_sent_along_with_messages_do_not_stay_in_the_host(lab):
    body = """
    channel = problem._privileged._channel
    pipe = socket.socket(fileno=os.dup(channel.pipe.fileno()))
    opened = [os.open("/dev/null", 0) for _ in range(50)]
    for i in range(20):
        data = wire.encode(channel.ticket, wire.Progress(i, 20))
        socket.send_fds(pipe, [struct.pack("!i", len(data)) + data], opened)
    """
    lab.run(lab.plan("Good"))
    before = len(os.listdir("/proc/self/fd"))
    (found,) = lab.run(lab.plan(lab.body("Sends", textwrap.dedent(body) + END, PIPE)))
    assert found.done, found.error
    assert len(os.listdir("/proc/self/fd")) <= before + 10


def test_a_name_that_looks_like_the_kernels_answer_changes_no_measurement(lab):
    body = """
    ctypes.CDLL(None).prctl(15, b") S 1\\nVmHWM: 1", 0, 0, 0)
    end = time.process_time() + 0.5
    while time.process_time() < end: pass
    """
    (found,) = lab.run(lab.plan(lab.body("Named", textwrap.dedent(body) + END, PIPE)))
    assert found.done, found.error
    assert found.cost["peak_memory_mb"] > 50 and 0.4 < found.cost["cpu_seconds"] < 60


def test_the_kernel_dumps_no_memory(lab):
    """Into a file in its folder, or to a crash handler that runs as root outside."""
    body = """
    limits = resource.getrlimit(resource.RLIMIT_CORE)
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (2**30, 2**30))
        raised = True
    except (OSError, ValueError):
        raised = False
    child = os.fork()
    if child == 0:
        os.abort()
    problem.note(limits=list(limits), raised=raised, dumped=os.WCOREDUMP(os.waitpid(child, 0)[1]), files=os.listdir())
    """
    (found,) = lab.run(lab.plan(lab.body("Dumps", textwrap.dedent(body) + END, PIPE)))
    assert found.done, found.error
    assert found.notes == {"limits": [1, 1], "raised": False, "dumped": False, "files": []}


def test_orphans_end_though_their_method_adopts_none(lab):
    body = """
    ctypes.CDLL(None).prctl(36, 0, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execve("/bin/sleep", ["sleep", "12399"], {})
        os._exit(0)
    time.sleep(0.3)
    """
    (found,) = lab.run(lab.plan(lab.body("Orphans", textwrap.dedent(body) + END, PIPE)))
    assert found.done, found.error
    time.sleep(0.2)
    assert not [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "12399"]]


def test_objects_that_run_code_where_they_are_read_run_none(lab):
    """In designs, in an array that seeds share, in a note, in the bytes of a message."""
    mark = lab.folder / "read"
    head = f"{PIPE}\nimport pickle\nclass Evil:\n    def __reduce__(self): return (os.mkdir, ({str(mark)!r},))"
    ways = {
        "Designs": "return np.array([[Evil()] * 3] * 16, object)",
        "Shares": "problem.shared('a', {}, lambda: np.array([Evil()], object))",
        "Notes": "problem.note(x=Evil())",
        "Pickles": "problem._privileged._channel.pipe.send(Evil())\ntime.sleep(1)",
    }
    results = lab.run(lab.plan(*(lab.body(name, body + END, head) for name, body in ways.items()), "Good"))
    assert not mark.exists()
    reasons = {r.spec.method: (r.error or {}).get("reason") for r in results}
    assert reasons["Designs"] == "invalid designs" and reasons["Pickles"] == "crash" and reasons["Good"] is None
