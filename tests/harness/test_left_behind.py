"""What a method leaves behind: changed state, threads, children, daemons. The cell after it gives the designs of a clean process."""

import subprocess
import sys

import psutil
import pytest

from bbo.harness.host import Host
from bbo.harness.options import RunOptions

pytestmark = pytest.mark.usefixtures("kept")
HEAD = "import json, tempfile, threading, warnings\nfrom bbo.encoding import Encoded"
#: Touches what others may have changed; its designs show whether they did.
HONEST = """
first = [float(torch.tensor([1e-310], dtype=torch.float64).mul(0.5) > 0), float(torch.tensor(0.1).dtype == torch.float32)]
with tempfile.TemporaryDirectory() as folder:
    first += [float(os.path.isdir(folder)), float(len(os.environ.get("CUBLAS_WORKSPACE_CONFIG", "")))]
def deep(n):
    return n and 1 + deep(n - 1)
warnings.warn("a warning is no error")
import colorsys, gpytorch
first += [float(deep(300)), float(np.log(np.zeros(1))[0] < 0), float(gpytorch.settings.cholesky_jitter.value(torch.float64))]
first += [float(torch.get_num_threads()), float(os.path.basename(os.getcwd()) == "work"), float(torch.backends.mkldnn.enabled)]
first += [float(len(problem.best(5))), float(torch.is_grad_enabled()), problem.y[problem.best(1)].item(), float(len(sys.path) > 0)]
first += [float(torch.get_float32_matmul_precision() == "highest"), float(torch.is_anomaly_enabled())]
first += [float(torch.are_deterministic_algorithms_enabled()), float(torch.utils.deterministic.fill_uninitialized_memory)]
torch.manual_seed(problem.budget)
x = problem.encoded().x
weights = torch.randn(x.shape[1], 4, generator=problem.generator).requires_grad_()
(x @ weights).tanh().sum().backward()
time.sleep(0.02)
problem.note(seen=first, pid=os.getpid())
draw = torch.rand(problem.budget, 3, generator=problem.generator) + weights.grad.sum() / 7 + sum(first) / 3
return draw - draw.floor()
"""
END = "\nreturn problem.x[:problem.budget]"
LEAKS = {
    "Dtype": "torch.set_default_dtype(torch.float64)",
    "Device": "torch.set_default_device('meta')",
    "Threads": "torch.set_num_threads(2)",
    "Blas": "import threadpoolctl; threadpoolctl.threadpool_limits(2)",
    "Denormal": "torch.set_flush_denormal(True)",
    "Deterministic": "torch.use_deterministic_algorithms(False); torch.utils.deterministic.fill_uninitialized_memory = False",
    "Anomaly": "torch.autograd.set_detect_anomaly(True)",
    "Grad": "torch.set_grad_enabled(False)",
    "Mkldnn": "torch.backends.mkldnn.enabled = False",
    "Precision": "torch.set_float32_matmul_precision('medium')",
    "NumPyErrors": "np.seterr(all='raise')",
    "Recursion": "sys.setrecursionlimit(90)",
    "Warnings": "warnings.simplefilter('error')",
    "Folder": "os.chdir('/')",
    "FolderGone": "import shutil; shutil.rmtree(os.getcwd())",
    "Environment": "os.environ['CUBLAS_WORKSPACE_CONFIG'] = ''; os.environ['TMPDIR'] = '/nowhere'; tempfile.tempdir = '/nowhere'",
    "Path": "sys.path.clear()",
    "Finder": "sys.meta_path.insert(0, type('F', (), {'find_spec': staticmethod(lambda *a: (_ for _ in ()).throw(ImportError('no')))}))",
    "Alarm": "signal.signal(signal.SIGALRM, signal.SIG_DFL); signal.alarm(1)",
    "PatchesTorch": "old = torch.argsort\ntorch.argsort = lambda x, *a, **k: old(-x, *a, **k)",
    "PatchesProblem": "import bbo.problem\nbbo.problem.Problem.best = lambda self, n: torch.arange(n)",
    "PatchesSeed": "torch.manual_seed = lambda seed: None",
    "PatchesEncoding": "import bbo.encoding\nbbo.encoding.Encoded.of = None",
    "GpSettings": "import gpytorch, linear_operator\nlinear_operator.settings.cholesky_jitter._set_value(1e-2, 1e-2, 1e-2)",
    "Thread": """def spoil():
    end = time.time() + 60
    while time.time() < end:
        torch.set_default_dtype(torch.float64); torch.set_num_threads(2); time.sleep(0.0005)
threading.Thread(target=spoil, daemon=True).start()""",
    "Data": "problem.x.zero_(); problem.y.fill_(7.0)",
    "Streams": "sys.stdout.close(); sys.stderr.close(); os.close(1); os.close(2)",
    "Forks": "os.fork()",
    "ForksAndRaises": "if os.fork() == 0: raise ValueError('in the child')",
    "Child": "subprocess.Popen(['sleep', '97'])",
}
#: Those that get their own result all the same.
HARMLESS = ("Forks", "ForksAndRaises", "Child", "Thread", "Dtype", "Alarm", "Data", "Folder", "Denormal")


def cells(lab, name, body, seeds=(0,)):
    return list(lab.plan(lab.body(name, body + END, HEAD), seeds=seeds))


QUICK = ("Dtype", "Denormal", "PatchesProblem", "Thread", "Forks")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("names", [QUICK, pytest.param(tuple(n for n in LEAKS if n not in QUICK), marks=pytest.mark.slow)])
def test_no_state_that_a_method_changes_reaches_the_next_cell(lab, names):
    honest = list(lab.plan(lab.body("Honest", HONEST, HEAD), seeds=tuple(range(len(names)))))
    planned = []
    for cell, name in zip(honest, names, strict=True):
        planned += [*cells(lab, name, LEAKS[name]), cell]
    clean = lab.folder / "clean"
    for out, order in ((clean, honest), (lab.out, planned)):
        results = lab.run(order, out, options=RunOptions("cpu", 1, timeout=100))
    by_seed = {r.spec.seed: r for r in results if r.spec.method == "Honest"}
    assert len(by_seed) == len(names)
    for cell, name in zip(honest, names, strict=True):
        assert by_seed[cell.spec.seed].done, (name, by_seed[cell.spec.seed].error)
        assert (lab.designs(cell.spec) == lab.designs(cell.spec, clean)).all(), (name, by_seed[cell.spec.seed].notes)
    assert {r.spec.method: r.error for r in results if not r.done and r.spec.method in HARMLESS} == {}


def test_honest_cells_share_a_process(lab):
    """The fingerprint does not take what libraries do when they are first used for a change."""
    host, used = Host(lab.out, RunOptions("cpu", 1)), []
    try:
        for cell in lab.plan("coms", "gp-ascent", "gradient-ascent", preset="smoke"):
            used.append(host.evaluate(cell) and host._process)
    finally:
        host.close()
    assert len(set(map(id, used))) == 1 and used[0] is not None
    first, second = lab.run(lab.plan(lab.body("Honest", HONEST, HEAD), seeds=(0, 1)), options=RunOptions("cpu", 1))
    assert first.notes["pid"] == second.notes["pid"]


DAEMON = """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvpe("sleep", ["sleep", "{seconds}"], {environment})
    os._exit(0)
os.wait()
{then}
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only what carries the mark is found")
def test_daemons_end_with_their_cell_however_it_ends(lab):
    endings = {"Answers": "", "Overstays": "time.sleep(600)", "Raises": "raise ValueError", "Crashes": "os._exit(3)"}
    names, marked = [], "dict(os.environ)"
    for i, (name, then) in enumerate(endings.items()):
        names.append(lab.body(name, DAEMON.format(seconds=123450 + i, environment=marked, then=then) + END))
    names.append(lab.body("Unmarked", DAEMON.format(seconds=123459, environment="{'PATH': os.environ['PATH']}", then="") + END))
    results = lab.run(lab.plan(*names, "Good"), timeout=8)
    assert {r.spec.method: (r.error or {}).get("reason") for r in results} == {
        "Answers": None, "Overstays": "timeout", "Raises": "error", "Crashes": "crash", "Unmarked": None, "Good": None,
    }  # fmt: skip
    alive = [p.info["cmdline"] for p in psutil.process_iter(["cmdline"]) if (p.info["cmdline"] or [""])[-1].startswith("12345")]
    assert alive == []


ASK = """
import io, json
channel = problem._privileged._channel
say = channel.send
def ask(i): return channel.ask(wire.Fetch(str(i)))
def raw(i, pad, array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    facts = json.dumps([channel.ticket, "Progress", {"step": i, "total": 200}]).encode()
    channel.pipe.send_bytes(pad + facts + b"\\n" + buffer.getvalue())
"""
FLOODS = {
    "Output": "for i in range(600): os.write(1, b'x' * 1_000_000)",
    "Progress": "channel = problem._privileged._channel\nfor i in range(20_000): channel.send(wire.Progress(i, 20_000))",
    "Arrays": "channel = problem._privileged._channel\nfor i in range(20): channel.send(wire.Progress(i, 20, np.zeros(10**8, np.uint8)))",
    "Points": "for i in range(20_000): problem.progress(i, 10**9 + i, problem.x[:16])",
    "Kept": "channel = problem._privileged._channel\nfor i in range(30): channel.send(wire.Keep(str(i), np.zeros(10**7)))",
    "Promised": f"{ASK}for i in range(30): ask(i)\nsay(wire.Keep('0', np.zeros(3 * 10**7)))",
    "Unread": f"{ASK}if ask(0) == 'make': say(wire.Keep('0', np.ones(12 * 10**6)))\nfor i in range(20): say(wire.Fetch('0'))\ntime.sleep(60)",
    "Padded": f"{ASK}for i in range(200): raw(i, b' ' * 2_000_000, np.zeros((16, 3)))",
    "Shared": "for i in range(3): problem.shared(f'{i}', {}, lambda: torch.ones(3, 4 * 10**6, dtype=torch.float64).T.contiguous().T)",
    "Designs": "return torch.zeros(3 * 10**7, 3)",
    "Error": "raise ValueError('x' * 30_000_000)",
    "Notes": "problem.note(x='y' * 50_000_000)",
    "NotesOfLists": "problem.note(x=list(range(3_000_000)))",
    "Warnings": "for i in range(3000): warnings.warn('w' * 4000 + str(i))",
}

HOST = """
import sys
from pathlib import Path
from bbo.harness.options import Listener, RunOptions
from bbo.harness.request import Request
from bbo.harness.run import run_plan
from bbo.harness.sandbox import parent
folder, names = Path(sys.argv[1]), sys.argv[2:]
wanted = Request((f"{folder}/task.py:Slope",), tuple(names), (0,), budget=16)
def peak():
    return next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmHWM")) / 1024
def end(cell, result):
    print(cell.spec.method, (result.error or {}).get("reason"), round(peak()), sep="|", flush=True)
parent.READ = 5.0
run_plan(wanted, folder / "out", RunOptions("cpu", 1, timeout=120, trace=True), listener=Listener(end=end))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_floods_do_not_reach_the_hosts_memory_or_the_record(lab):
    names = [lab.body(name, body + END, HEAD + "\nfrom bbo.harness.sandbox import wire") for name, body in FLOODS.items()]
    words = [sys.executable, "-c", HOST, str(lab.folder), f"{lab.folder}/good.py:Good", *names]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stderr
    lines = [line.split("|") for line in done.stdout.splitlines()]
    assert [line[0] for line in lines] == ["Good", *FLOODS]
    first, *others = (int(line[2]) for line in lines)
    assert max(others) - first < 200, done.stdout
    reasons = {line[0]: line[1] for line in lines}
    assert {n for n, reason in reasons.items() if reason == "None"} == {
        "Good", "Output", "Progress", "Points", "Padded", "Shared", "Notes", "NotesOfLists", "Warnings",
    }  # fmt: skip
    assert (reasons["Designs"], reasons["Error"]) == ("invalid designs", "error")
    for path in (lab.out / "cells").glob("*/cell.json"):
        assert path.stat().st_size < 500_000, path.read_text()[:200]
