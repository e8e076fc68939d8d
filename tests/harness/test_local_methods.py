"""The file of a user's own method is never imported in the host: every command and function that meets one, with files that would tell."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

import bbo
from bbo import catalogue, protocol
from bbo.cli import main
from bbo.described import from_plain
from bbo.errors import BBOError
from bbo.harness.engines import worker
from bbo.harness.folder import status_of_plans
from bbo.harness.options import RunOptions
from bbo.harness.run import begin
from bbo.harness.sandbox import examine, landlock
from bbo.record import read_all

#: Says where it is imported: by a file that a confined process cannot write, and by a change of how cells are scored.
TRAP = """
import os
from dataclasses import dataclass
import torch
from bbo import protocol
from bbo.method import Method, MethodSpec, setting
from bbo.surrogates.training import TrainingSettings
try:
    open({marker!r}, "w").close()
except OSError:
    pass
protocol.percentiles = lambda normalised: dict.fromkeys(("50", "100"), 9.9)
def default():
    try:
        open({marker!r}, "w").close()
    except OSError:
        pass
    return 0.5

class Flat:
    history = {{"train_loss": [[1.0], [0.5]]}}
    def predict(self, x):
        return x.sum(1), None

@dataclass(frozen=True)
class Trap(Method):
    "Forges scores where it can."
    spec = MethodSpec(id="trap", version=3, kind="search", title="A trap", spaces=("continuous", "mixed"))
    presets = {{"fast": {{"rate": 0.25}}}}
    rate: float = setting(default(), "a rate", low=0, high=1)
    def __post_init__(self):
        default()
        if self.rate == 0.125:
            raise ValueError("no eighths")
    @classmethod
    def unsuitable(cls, space, rows):
        default()
        return super().unsuitable(space, rows)
    def surrogate(self, problem):
        return Flat()
    def propose(self, problem):
        problem.note(rate=self.rate)
        problem.progress(1, 2)
        return problem.x[problem.starts()]
"""


@pytest.fixture
def trap(lab, monkeypatch):
    """Reference of the trap; afterwards nothing of it may have run here."""
    marker, percentiles = lab.folder / "was-here", protocol.percentiles
    reference = lab.method("Trap", TRAP.format(marker=str(marker)))
    yield reference
    examine.close()
    assert not marker.exists()
    assert protocol.percentiles is percentiles
    assert [name for name in sys.modules if name.startswith("bbo_local_trap")] == []


def command(*words, code=0):
    done = CliRunner().invoke(main, [*map(str, words)])
    assert done.exit_code == code, done.output
    return done.output


def test_no_command_imports_it(lab, trap):
    task, out = f"{lab.folder}/task.py:Slope", lab.out
    assert "rate = 0.5" in command("show", trap)
    command("list", "methods")
    run = ["run", "-t", task, "-b", trap, "--budget", 16, "--seeds", "0-1", "--out", out]
    command(*run, "--dry-run")
    command(*run)
    command(*run, "--set", "Trap.rate=0.75")
    assert "no eighths" in command(*run, "--set", "Trap.rate=0.125", code=2)
    assert "at most 1" in command(*run, "--set", "Trap.rate=2", code=2)
    found = read_all(out)
    assert sorted(r.spec.config["rate"] for r in found) == [0.25, 0.25, 0.75, 0.75]
    assert all(r.percentiles["100"] < 2 and r.notes["rate"] == r.spec.config["rate"] for r in found)
    for words in (["status"], ["report"], ["rescore", "--run-files"], ["rerun", "--run-files"], ["prune"]):
        command(*words, out)
    (cell, *_) = (out / "cells").glob("[!.]*")
    command("show", cell, "--run-files")
    command("run", "--cell", cell.name, "--out", out)
    rows = lab.folder / "rows.csv"
    np.savetxt(rows, np.full((16, 3), 0.5), delimiter=",")
    command("score", task, rows)


def test_neither_check_nor_diagnose_nor_a_proposal_imports_it(lab, trap):
    assert "bit for bit" in command("check", trap)
    told = command("diagnose", "branin", "--surrogate", trap, "--rows", 50, "--json", "--plot", lab.folder / "a.png")
    (row, *_) = json.loads(told[told.index("[\n") :])
    assert row["nll"] is None and row["rmse"] > 0
    table = lab.folder / "table.csv"
    x = np.random.default_rng(0).random((60, 2))
    pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": x.sum(1)}).to_csv(table, index=False)
    command("propose", table, "--target", "y", "--budget", 4, "--method", trap)
    command("backtest", table, "--target", "y", "-b", trap, "--repeats", 1)


def test_no_function_of_python_imports_it(lab, trap):
    method, task = bbo.load_method(trap, rate=0.5), bbo.load_task("branin")
    problem = task.problem(seed=0, budget=16)
    designs = method.propose(problem)
    assert torch.equal(designs, problem.x[problem.starts()])
    frame = bbo.run([f"{lab.folder}/task.py:Slope"], [trap], seeds=[0], budget=16, out=lab.out)
    assert len(frame) == 1
    assert not catalogue.is_task(trap)


def test_no_worker_of_another_machine_imports_it(lab, trap):
    orders = [cell.order() for cell in lab.plan(trap)]
    worker.run_all(orders, lab.out, RunOptions("cpu"), False)
    worker.run_one(lab.plan(trap, seeds=(1,)).__iter__().__next__().order(), lab.out, RunOptions("cpu"), False)
    worker.close_idle()
    assert [r.done for r in read_all(lab.out)] == [True, True]


def test_by_hand_gives_the_designs_of_the_cell(lab):
    good = f"{lab.folder}/good.py:Good"
    task = bbo.load_task(f"{lab.folder}/task.py:Slope")
    (cell,) = lab.plan(good)
    lab.run([cell])
    assert (bbo.load_method(good).propose(task.problem(seed=0, budget=16)).numpy() == lab.designs(cell.spec)).all()


ENDS = {
    "OsExit": ("import os\nos._exit(0)", "ended without an answer (exit code 0)"),
    "SysExit": ("import sys\nsys.exit(3)", "line 2: SystemExit: 3"),
    "Killed": ("import os\nos.kill(os.getpid(), 9)", "signal 9"),
    "Interrupted": ("raise KeyboardInterrupt", "line 1: KeyboardInterrupt"),
    "NoModule": ("import nothing_of_this_name", "line 1: ModuleNotFoundError"),
    "Syntax": ("class", "SyntaxError"),
    "Nulls": ("\0", "cannot be imported"),
    "Segfault": ("import ctypes\nctypes.string_at(0)", "signal 11"),
    "Violates": ("import bbo.tasks.tfbind8", "the method imported bbo.tasks"),
    "Deep": ("x = " + "(" * 5000, "cannot be imported"),
}


@pytest.mark.parametrize("name", ENDS)
def test_a_file_that_ends_its_process_is_one_line(lab, name):
    head, words = ENDS[name]
    with pytest.raises(BBOError) as error:
        catalogue.load_method(lab.method(name, f"{head}\nclass {name}:\n    def propose(self, problem): ...\n"))
    assert words in str(error.value) and "\n" not in str(error.value)
    assert f"{name.lower()}.py" in str(error.value)


def test_facts_are_checked_field_by_field(lab):
    """By a process that sends what it likes: here its class's facts with one of them replaced."""
    plain = json.loads(json.dumps(catalogue.load_method("coms").described.to_plain()))
    assert from_plain(plain) == catalogue.load_method("coms").described
    setting = next(iter(plain["settings"]))
    wrong = {
        "doc": 5, "name": None, "composable": 1, "bases": [["a"]], "spec": {}, "presets": {"fast": {"nothing": 1}},
        "settings": {setting: plain["settings"][setting] | {"default": None}}, "more": 1,
    }  # fmt: skip
    for key, value in wrong.items():
        with pytest.raises((ValueError, BBOError)):
            from_plain(plain | {key: value})
    assert "\x1b" not in from_plain(plain | {"doc": "\x1b[31mred"}).doc
    assert len(from_plain(plain | {"doc": "x" * 10**6}).doc) <= 2**14


def test_a_process_that_lies_about_its_facts_is_an_error(lab):
    liar = lab.method(
        "Liar",
        """
        from bbo import described
        described.Described.to_plain = lambda self: {"name": "random", "settings": {"__class__": 1}}
        class Liar:
            def propose(self, problem): ...
        """,
    )
    with pytest.raises(BBOError, match="sent invalid facts"):
        catalogue.load_method(liar)


def test_a_file_that_was_edited_after_the_plan_was_made_is_not_run_under_its_old_version(lab):
    """Other cells are; and a plan made again runs the new text."""
    good = (lab.folder / "good.py").read_text()
    for name in ("Edited", "Removed", "Commented"):
        lab.method(name, good.replace("class Good", f"class {name}"))
    cells = begin(lab.plan("Edited", "Removed", "Commented", "Good", seeds=(0, 1)), lab.out)
    lab.method("Edited", good.replace("class Good", "class Edited").replace("torch.rand(", "0.5 * torch.rand("))
    (lab.folder / "removed.py").unlink()
    lab.method("Commented", "# a comment\n" + good.replace("class Good", "class Commented"))
    with pytest.raises(
        BBOError, match=r"slope / Edited .*was not run: .*edited.py was edited after the plan was made.*and 3 more"
    ) as error:
        lab.run(cells)
    assert "\n" not in str(error.value)
    status = status_of_plans(lab.out)
    assert {spec.method for spec in status.done} == {"Commented", "Good"} and len(status.done) == 4 and not status.failed
    assert [r.done for r in lab.run(lab.plan("Edited"))] == [True]


def test_what_a_method_is_told_of_a_file_that_it_may_not_write_and_of_no_designs(lab, tmp_path_factory):
    log = tmp_path_factory.mktemp("elsewhere") / "log.txt"
    writes, forgets = lab.body("Writes", f"open({str(log)!r}, 'w').write('x')"), lab.body("Forgets", "problem.best(1)")
    told = {result.spec.method: result.error for result in lab.run(lab.plan(writes, forgets))}
    assert told["Forgets"]["reason"] == "invalid designs"
    assert told["Forgets"]["message"] == "propose returned None; it must return the designs"
    if landlock.abi():
        assert "Permission denied" in told["Writes"]["message"]
        assert told["Writes"]["message"].endswith("(methods are confined and may write only to their temporary working folder)")
        assert not log.exists()
