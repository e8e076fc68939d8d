"""The drill, first part: every way to misbehave that we know, each beside an honest method whose designs must not change."""

import json

import pytest

from bbo import record
from bbo.harness.options import RunOptions
from tests.harness.test_bounded import CRASHES
from tests.harness.test_left_behind import END, HEAD, HONEST, LEAKS
from tests.harness.test_messages import CHANNEL, HOSTILE

pytestmark = pytest.mark.usefixtures("kept")
#: What a method may return: the last line of `propose`. Those in `TAKEN` are designs after all.
RETURNS = {
    "Bfloat": "return problem.x[:16].to(torch.bfloat16)",
    "Far": "x = problem.x[:16].double().clone(); x[0, 0] = 1e300; return x",
    "Booleans": "return problem.x[:16] > 1",
    "Complex": "return problem.x[:16].to(torch.complex64)",
    "Dates": "return np.zeros((16, 3), 'datetime64[s]')",
    "Dict": "return {'x': 1}",
    "Empty": "return np.zeros((0, 0))",
    "Half": "return problem.x[:16].to(torch.float16)",
    "Generator": "return (row for row in problem.x[:16])",
    "Graph": "return problem.x[:16].double().requires_grad_() * 1.0",
    "Lie": "return np.lib.stride_tricks.as_strided(np.zeros(1), shape=(16, 10**9), strides=(0, 0))",
    "Giant": "return torch.zeros(300_000_000, dtype=torch.uint8)",
    "Infinite": "x = problem.x[:16].clone(); x[0, 0] = float('inf'); return x",
    "NotANumber": "x = problem.x[:16].clone(); x[0, 0] = float('nan'); return x",
    "Outside": "x = problem.x[:16].clone(); x[5, 0] = 99; return x",
    "List": "return problem.x[:16].tolist()",
    "ListOfTensors": "return list(problem.x[:16])",
    "Masked": "return np.ma.masked_array(problem.x[:16].numpy(), mask=True)",
    "Meta": "return torch.empty(16, 3, device='meta')",
    "Ragged": "return [[1], [1, 2]]",
    "Scalar": "return 3",
    "TooFew": "return problem.x[:3]",
    "Sparse": "return problem.x[:16].to_sparse()",
    "Text": "return np.array([['a'] * 3] * 16)",
    "Records": "return np.zeros(16, dtype=[('a', 'f4'), ('b', 'i4')])",
    "Turned": "return problem.x[:16].T",
    "Pair": "return problem.x[:16], 3",
    "Unsigned": "x = np.zeros((16, 3), np.uint64); x[0, 0] = 2**63; return x",
}
TAKEN = {"Far": False, "Half": True, "Graph": True, "List": True, "ListOfTensors": True}
ENDS = {
    "Abort": "os.abort()",
    "ExitThree": "os._exit(3)",
    "SystemExit": "sys.exit(0)",
    "GeneratorExit": "raise GeneratorExit",
    "Interrupted": "os.kill(os.getpid(), signal.SIGINT); time.sleep(5)",
    "Terminated": "os.kill(os.getpid(), signal.SIGTERM); time.sleep(5)",
    "KillsParent": "os.kill(os.getppid(), signal.SIGKILL); time.sleep(1)",
    "ClosesAll": "os.closerange(0, 4096); time.sleep(1)",
    "Recursion": "return self.propose(problem)",
    "DeepRecursion": "sys.setrecursionlimit(10**9)\ndef f(n): return f(n + 1) + 1\nreturn f(0)",
    "AllocatesTensor": "a = torch.zeros(10**12)",
    "AllocatesArray": "a = np.ones(10**14, np.uint8)",
    "Escapes": "raise ValueError('\\x1b[2J\\x1b[31mred\\x07')",
    "Surrogate": "raise ValueError('bad \\udcff name')",
    "Markup": "raise ValueError('[red]x[/nope] <script>alert(1)</script> =1+1')",
    "Lines": "raise ValueError('line\\n' * 100_000)",
    "BrokenText": "class E(Exception):\n    def __str__(self): raise RuntimeError('in str')\nraise E()",
    "WrongText": "class E(Exception):\n    def __str__(self): return 5\nraise E()",
    "ReadsInput": "input()",
    "Privilege": "problem.privileged('y_min')",
    "SharesNumber": "problem.shared('a', {}, lambda: 3)",
    "SharesDraws": "problem.shared('a', {}, lambda: torch.rand(3, generator=problem.generator))",
    "SharesObjects": "problem.shared('a', {'x': torch.tensor(1)}, lambda: torch.zeros(3))",
    "BadDesigns": "problem.progress(3, 10, torch.zeros(3))",
    "NotesDirectly": "problem.notes['x'] = torch.tensor(1.0)",
    "NotesNaN": "problem.note(x=float('nan'))",
    "Ticks": "for i in range(3000): problem.progress(i, 3000)",
    "RawBytes": "os.write(1, b'raw\\xff\\n' * 100_000)",
    "Warns": "for i in range(20_000): warnings.warn(f'warning {i}', stacklevel=1)",
    "ManyChildren": "for i in range(60): subprocess.Popen(['sleep', '60'])",
    "Flood": "for i in range(100): os.write(1, b'x' * 1_000_000)",
    "KeepsCount": "c = sys.modules.setdefault('counter_', type(sys)('c')); c.n = getattr(c, 'n', 0) + 1",
    "Slept": "x = np.zeros(10**7)\ndel x",
}
#: What honest methods do, too, and must be able to.
IDIOMS = {
    "Pool": "import multiprocessing as mp\nwith mp.get_context('fork').Pool(2) as pool: pool.map(abs, range(10))",
    "Loader": "import torch.utils.data as d\nfor b in d.DataLoader(d.TensorDataset(problem.x, problem.y), 64, num_workers=1): pass",
    "Psutil": "import psutil; psutil.Process().memory_info(); psutil.Process().children(recursive=True)",
    "Tempfile": "tempfile.NamedTemporaryFile().write(b'x')",
    "Forked": "pid = os.fork()\nif pid == 0: os._exit(0)\nos.waitpid(pid, 0)",
    "Collects": "gc.collect()",
    "Traces": "import tracemalloc; tracemalloc.start(); tracemalloc.take_snapshot()",
}  # fmt: skip
HANGS = {
    "Loops": "while True: pass",
    "Sleeps": "time.sleep(1000)",
    "Stops": "os.kill(os.getpid(), signal.SIGSTOP)",
    "IgnoresSignals": "signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(1000)",
    "HalfAMessage": "os.write(problem._privileged._channel.pipe.fileno(), b'\\x00\\x00\\x10\\x00abc'); time.sleep(1000)",
    "Daemon": "if os.fork() == 0:\n    os.setsid()\n    os.fork() or os.execvp('sleep', ['sleep', '99'])\n    os._exit(0)\ntime.sleep(1000)",
}
REASONS = {"error", "invalid designs", "timeout", "memory", "crash", "violation"}


def run_beside(lab, bodies, honest, **options):
    """Each body's cell, then a cell of the honest method; the records of the bodies, by name, and how many honest cells were equal."""
    clean = list(lab.plan(honest, seeds=tuple(range(len(bodies)))))
    name = clean[0].spec.method
    lab.run(clean, lab.folder / "clean", options=RunOptions("cpu", 1))
    planned = []
    for cell, (hostile, reference) in zip(clean, bodies.items(), strict=True):
        (bad,) = lab.plan(reference)
        assert bad.spec.method == hostile
        planned += [bad, cell]
    results = lab.run(planned, options=RunOptions("cpu", 1, **{"timeout": 120, **options}))
    good = [r for r in results if r.spec.method == name]
    assert len(good) == len(bodies) and len(results) == 2 * len(bodies)
    for cell, hostile in zip(clean, bodies, strict=True):
        (found,) = [r for r in good if r.spec.seed == cell.spec.seed]
        assert found.done, (hostile, found.error)
        stored = record.read_outcome(record.cell_folder(lab.out, cell.spec.hash))
        before = record.read_outcome(record.cell_folder(lab.folder / "clean", cell.spec.hash))
        for a, b in zip(vars(stored).values(), vars(before).values(), strict=True):
            assert a.dtype == b.dtype and a.tobytes() == b.tobytes(), hostile
    for path in (lab.out / "cells").glob("*/cell.json"):
        whole = path.read_text(encoding="utf-8")
        json.loads(whole, parse_constant=pytest.fail)
        assert len(whole) < 600_000 and "\x1b" not in whole
    found = {r.spec.method: r for r in results if r.spec.method != name}
    assert {(r.error or {}).get("reason") for r in found.values()} <= {*REASONS, None}
    return found


def tell(record_property, what, found):
    failed = sum(not r.done for r in found.values())
    record_property(
        "drill", f"{what}: {len(found)} faults, {failed} failed records, {len(found)} honest cells equal to an undisturbed run"
    )


@pytest.mark.drill
@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_what_methods_return(lab, record_property):
    found = run_beside(lab, {name: lab.body(name, body) for name, body in RETURNS.items()}, "Good")
    tell(record_property, "what methods return", found)
    for name, r in found.items():
        assert r.done == TAKEN.get(name, False), (name, r.error)
        assert r.done or r.error["reason"] == "invalid designs", (name, r.error)
    assert "99" in found["Outside"].error["message"]


@pytest.mark.drill
@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("part", range(2))
def test_how_methods_end(lab, record_property, part):
    names = list({**ENDS, **IDIOMS})[part::2]
    bodies = {name: lab.body(name, {**ENDS, **IDIOMS}[name] + END, HEAD) for name in names}
    found = run_beside(lab, bodies, "Good", trace=True)
    tell(record_property, f"how methods end, {part + 1} of 2", found)
    assert {name: r.error for name, r in found.items() if name in IDIOMS and not r.done} == {}


@pytest.mark.drill
@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_methods_that_do_not_end(lab, record_property):
    bodies = {name: lab.body(name, body + END) for name, body in HANGS.items()}
    found = run_beside(lab, bodies, "Good", timeout=6)
    tell(record_property, "methods that do not end", found)
    assert {r.error["reason"] for r in found.values()} == {"timeout"}


@pytest.mark.drill
@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_what_methods_say_into_the_pipe(lab, record_property):
    bodies = {
        name: lab.body(name, f"channel, say = tools(problem)\n{body}\nreturn problem.x[:16]", f"import io, json\n{CHANNEL}")
        for name, body in HOSTILE.items()
    }
    found = run_beside(lab, bodies, "Good")
    tell(record_property, "what methods say into the pipe", found)
    assert not any(r.done for r in found.values())


@pytest.mark.drill
@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_what_methods_leave_behind(lab, record_property):
    bodies = {name: lab.body(name, body + END, HEAD) for name, body in LEAKS.items()}
    tell(record_property, "what methods leave behind", run_beside(lab, bodies, lab.body("Honest", HONEST, HEAD)))


@pytest.mark.drill
@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_crashes(lab, record_property):
    bodies = {name: lab.body(name, body) for name, (body, *_) in CRASHES.items()}
    found = run_beside(lab, bodies, "Good", timeout=40)
    tell(record_property, "crashes", found)
    assert {name: r.error["reason"] for name, r in found.items()} == {name: reason for name, (_, reason, _) in CRASHES.items()}
