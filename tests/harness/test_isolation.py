"""The obvious ways from a method to the hidden truth: each is refused, and the cell is recorded as a violation."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bbo.tasks
from bbo import data
from bbo.errors import BBOError
from bbo.harness.folder import status_of_plans
from bbo.harness.sandbox import guard, landlock
from bbo.harness.sandbox.hidden import list_hidden

SHIPPED = data.package_dir()
LOOT = "np.load({path!r}, allow_pickle=False)"

ATTEMPTS = {
    "ImportsTasks": "import bbo.tasks.tfbind8",
    "FromTasks": "from bbo import tasks",
    "ByName": "import importlib; importlib.import_module('bbo.tasks.thin_film')",
    "ByFile": f"import runpy; runpy.run_path({str(SHIPPED.parent / 'tfbind8.py')!r})",
    "ByCatalogue": "from bbo import catalogue; catalogue.load_task('tfbind8')",
    "ReadsData": LOOT.format(path=str(SHIPPED / "thin_film.npz")),
    "ReadsByLoader": "from bbo import data; data.load('thin_film.npz')",
    "ListsData": f"os.listdir({str(SHIPPED)!r})",
    "Links": f"os.symlink({str(SHIPPED)!r}, 'innocent'); open('innocent/thin_film.npz', 'rb')",
    "Copies": f"subprocess.run(['cp', {str(SHIPPED / 'thin_film.npz')!r}, 'loot'])",
    "Shell": "subprocess.run([sys.executable, '-c', 'import bbo.tasks.tfbind8'])",
    "WalksHeap": "tasks = [o for o in gc.get_objects() if hasattr(o, 'oracle')]",
    "WalksBack": "gc.get_referrers(problem)",
    "ReadsHost": "open(f'/proc/{os.getppid()}/environ', 'rb').read()",
}


GUARDED = """
import json, os, sys
import torch
from bbo.harness.sandbox import guard
import gc, os, subprocess, sys
import numpy as np
modules, paths, attempts = json.loads(sys.argv[1])
told = []
guard.watch(guard.Hidden(tuple(modules), tuple(paths)), told.append)
os.environ.pop("BBO_DATA_DIR", None)
problem, found = object(), {}
for name, text in attempts.items():
    told.clear()
    try:
        exec(text)
    except BaseException as error:
        pass
    found[name] = list(told)
print(json.dumps(found))
"""


def test_every_obvious_way_in_is_refused_even_if_the_method_swallows_it(tmp_path):
    hidden = list_hidden(tmp_path)
    arguments = json.dumps([hidden.modules, hidden.paths, ATTEMPTS])
    done = subprocess.run([sys.executable, "-c", GUARDED, arguments], capture_output=True, text=True, check=True, cwd=tmp_path)
    found = json.loads(done.stdout)
    assert [name for name in ATTEMPTS if not found[name]] == []
    assert not list(tmp_path.glob("loot"))


def test_a_violation_is_a_failed_record_and_the_run_goes_on(lab):
    names = []
    for name in ("ImportsTasks", "ReadsData", "Copies"):
        swallow = "try:\n    " + ATTEMPTS[name] + "\nexcept BaseException:\n    pass\nreturn problem.x[:problem.budget]"
        names.append(lab.body(name, swallow))
    lab.run(lab.plan(*names, "Good"))
    status = status_of_plans(lab.out)
    assert [spec.method for spec in status.done] == ["Good"]
    assert [r.error["reason"] for r in status.failed] == ["violation"] * 3
    assert "the method imported bbo.tasks" in status.failed[0].error["message"]


def test_data_folder_results_and_local_tasks_are_hidden_too(lab, monkeypatch):
    mine = lab.folder / "data"
    mine.mkdir()
    name = next(iter(data.manifest()))
    (mine / name).parent.mkdir(parents=True, exist_ok=True)
    np.savez(mine / name, x=np.zeros(3))
    monkeypatch.setenv("BBO_DATA_DIR", str(mine))
    looks = lab.body("Looks", "problem.note(env=os.environ.get('BBO_DATA_DIR', 'none'))\nreturn problem.x[:problem.budget]")
    (result,) = lab.run(lab.plan(looks))
    assert result.notes["env"] == "none"
    stored = lab.out / "cells" / result.spec.hash / "designs.npz"
    for path in (mine / name, stored, lab.folder / "task.py"):
        reads = lab.body(f"Reads{path.stem.title().replace('_', '')}", f"return open({str(path)!r}, 'rb').read()")
        lab.run(lab.plan(reads))
    failed = status_of_plans(lab.out).failed
    assert [r.error["reason"] for r in failed] == ["violation"] * 3


def test_the_process_holds_no_task_and_no_hidden_row(lab):
    look = """
    modules = sorted(m for m in sys.modules if m.startswith("bbo.tasks") or m == "bbo.harness.host")
    rows = [a.shape for m in list(sys.modules.values()) for a in list(vars(m).values()) if isinstance(a, np.ndarray) and len(a) > 200]
    frame, held = sys._getframe(), []
    while frame:
        held += [type(v).__name__ for v in frame.f_locals.values() if hasattr(v, "oracle") or hasattr(v, "y_max")]
        frame = frame.f_back
    problem.note(modules=modules, held=held, best=float(problem.y.max()), rows=len(problem.y))
    return problem.x[:problem.budget]
    """
    notes = lab.run(lab.plan(lab.body("Looks", look)))[0].notes
    assert notes["modules"] == []
    assert notes["held"] == []
    assert notes["rows"] == 200


def test_privileged_knowledge_stays_with_the_host_until_it_is_asked_for_and_every_use_is_recorded(lab):
    asks = lab.body("Asks", "problem.note(y=problem.privileged('y_max'))\nreturn problem.x[:problem.budget]")
    sneaks = lab.body(
        "Sneaks", "problem.note(y=problem._privileged['y_max'])\nproblem.privileged_used.clear()\nreturn problem.x[:16]"
    )
    modest = lab.body("Modest", "problem.note(names=list(problem._privileged))\nreturn problem.x[:16]")
    results = {r.spec.method: r for r in lab.run(lab.plan(asks, sneaks, modest))}
    assert results["Asks"].notes["y"] == results["Sneaks"].notes["y"] == 3.0
    assert {name: r.method["privileged"] for name, r in results.items()} == {"Asks": ["y_max"], "Sneaks": ["y_max"], "Modest": []}


def test_a_class_with_a_spec_gets_only_the_privileged_knowledge_that_it_declares(lab):
    text = """
    from bbo.harness.sandbox import wire
    from bbo.method import Method, MethodSpec

    class {name}(Method):
        "Asks."
        spec = MethodSpec(id="asks", version=1, kind="search", title="t", spaces=("continuous",){more})

        def propose(self, problem):
            problem.note(y={ask})
            return problem.x[:problem.budget]
    """
    ask, send = "problem.privileged('y_max')", "problem._shelf._channel.ask(wire.Ask('y_max'))"
    says = lab.method("Says", text.format(name="Says", more=", privileged=('y_max',)", ask=ask))
    silent = lab.method("Silent", text.format(name="Silent", more="", ask=ask))
    forges = lab.method("Forges", text.format(name="Forges", more="", ask=send))
    results = {r.spec.method: r for r in lab.run(lab.plan(says, silent, forges))}
    assert results["Says"].notes["y"] == 3.0 and results["Says"].method["privileged"] == ["y_max"]
    assert (
        "no privileged knowledge 'y_max' here; available: nothing. A run on a task has it for methods whose spec declares it"
        in results["Silent"].error["message"]
    )
    assert results["Forges"].error["reason"] == "crash" and "y" not in results["Forges"].notes


def test_what_methods_do_all_day_is_no_violation(lab):
    ordinary = """
    import json, sklearn.linear_model, scipy.optimize, gpytorch
    np.savez("mine.npz", x=problem.x.numpy())
    np.load("mine.npz")["x"]
    subprocess.run([sys.executable, "-c", "print(1)"], check=True)
    open("/proc/self/status").read(), open("/proc/cpuinfo").read(), gc.collect()
    if CONFINED:
        import psutil
        from joblib import Parallel, delayed
        gc.get_objects(), psutil.Process().children(recursive=True), [p.pid for p in psutil.process_iter()]
        Parallel(n_jobs=2)(delayed(abs)(i) for i in range(4))
    torch.nn.Linear(3, 1)(problem.x).sum().backward()
    return problem.x[:problem.budget]
    """
    (result,) = lab.run(lab.plan(lab.body("Ordinary", ordinary, f"CONFINED = {landlock.abi() > 0}")))
    assert result.done, result.error


def test_a_task_and_a_method_in_one_file_are_refused(lab):
    reference = lab.body("Both", "return problem.x[:problem.budget]")
    text = (lab.folder / "both.py").read_text()
    (lab.folder / "task.py").write_text((lab.folder / "task.py").read_text() + text)
    with pytest.raises(BBOError, match="in the same file as a task"):
        lab.plan(reference.replace("both.py", "task.py"))


def test_hidden_names_real_files():
    hidden = list_hidden(Path("results"))
    assert "bbo.tasks" in hidden.modules
    assert os.path.realpath(Path(bbo.tasks.__file__).parent) in hidden.paths
    assert os.path.realpath("results/cells") in hidden.paths


def test_the_guard_lets_a_neighbour_of_a_hidden_folder_be_read(tmp_path):
    """In a process of its own: an audit hook cannot be taken away again."""
    (tmp_path / "cells2").mkdir()
    (tmp_path / "cells2" / "a").write_text("fine")
    code = f"""
import torch
from bbo.harness.sandbox import guard
told = []
guard.watch(guard.Hidden(("json.tool",), ({str(tmp_path / "cells")!r},)), told.append)
print(open({str(tmp_path / "cells2" / "a")!r}).read())
import json
try:
    import json.tool
except guard.Violation as error:
    print(told == [str(error)])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["fine", "True"]
    assert issubclass(guard.Violation, OSError)
