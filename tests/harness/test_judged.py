"""What becomes of an answer: an oracle that fails, designs that have collapsed, texts that were not meant to be kept or shown."""

import json
import os
import subprocess
import sys

import pytest

from bbo import record, text
from bbo.harness import judge, provenance
from bbo.harness.host import Host
from bbo.harness.options import RunOptions

ORACLES = {
    "Raising": "raise ZeroDivisionError('of designs')",
    "Nan": "return x.sum(1) * float('nan')",
    "Short": "return x.sum(1)[:3]",
    "Words": "return np.array(['a'] * len(x))",
    "Memory": "raise MemoryError",
    "Exits": "raise SystemExit(3)",
}
TASKS = """

class {name}(Slope):
    spec = dataclasses.replace(Slope.spec, id="{lower}")

    def dataset(self):
        return Slope().dataset()

    def oracle(self, x):
        if len(x) == 16 and x[0, 0] > 0:
            {body}
        return x.astype(float).sum(1)
"""


def test_an_oracle_that_fails_costs_its_cell_with_the_reason(lab):
    path = lab.folder / "task.py"
    path.write_text(
        "import dataclasses\n"
        + path.read_text()
        + "".join(TASKS.format(name=n, lower=n.lower(), body=b) for n, b in ORACLES.items())
    )
    draws = lab.body("Draws", "return torch.rand(16, 3, generator=problem.generator) * 0.9 + 0.05")
    low = lab.body("Low", "return -torch.rand(16, 3, generator=problem.generator)")
    cells = [cell for name in (*ORACLES, "Slope") for cell in lab.plan(draws, low, task=name)]
    results = lab.run(cells, options=RunOptions("cpu", 1))
    assert len(results) == len(cells)
    failed = {r.spec.task: r.error for r in results if not r.done}
    assert sorted(failed) == sorted(name.lower() for name in ORACLES)
    for error in failed.values():
        assert error["reason"] == "oracle"
        assert "the oracle of" in error["message"]
    assert "ZeroDivisionError" in failed["raising"]["traceback"]
    assert all(r.done for r in results if r.spec.method == "Low")


def test_collapsed_designs_are_told_in_the_record(lab):
    same = lab.body("Same", "return problem.x[:1].repeat(16, 1)")
    most = lab.body("Most", "return torch.cat([problem.x[:4], problem.x[:1].repeat(12, 1)])")
    some = lab.body("Some", "return torch.cat([problem.x[:14], problem.x[:2]])")
    found = {r.spec.method: r.warnings for r in lab.run(lab.plan(same, most, some))}
    assert found == {"Same": ["all designs are equal"], "Most": ["75% of the designs repeat an earlier one"], "Some": []}


def test_a_methods_warnings_are_in_the_record_but_for_deprecated_code(lab):
    kinds = "(DeprecationWarning, PendingDeprecationWarning, UserWarning)"
    body = f"for kind in {kinds}:\n    warnings.warn('take care', kind)\nreturn problem.x[:problem.budget]"
    (result,) = lab.run(lab.plan(lab.body("Warns", body, "import warnings")))
    assert "UserWarning: take care" in result.warnings
    assert not [text for text in result.warnings if "Deprecation" in text]


TEXTS = {
    "Ansi": "raise ValueError('\\x1b[2J\\x1b[31mPWNED\\x07')",
    "Surrogate": "raise ValueError('bad name \\udcff here')",
    "Lines": "raise ValueError('line\\n' * 1000)",
    "NoText": "class E(Exception):\n    def __str__(self): raise RuntimeError\nraise E()",
    "Printed": "print('\\x1b[31mred', flush=True)\nraise ValueError('no')",
    "Name": "raise type('E\\x1b[2J', (Exception,), {})('x')",
}
DIRECT = "problem.notes['t'] = torch.tensor(1.0); problem.notes['n'] = float('nan'); problem.notes['s'] = '\\udcff\\x1b'\nreturn problem.x[:16]"


def test_texts_are_fit_to_be_kept_and_shown(lab):
    results = lab.run(lab.plan(*(lab.body(name, body) for name, body in TEXTS.items()), lab.body("Direct", DIRECT)))
    for result in results:
        raw = (record.cell_folder(lab.out, result.spec.hash) / "cell.json").read_text()
        json.loads(raw, parse_constant=pytest.fail)
        whole = json.dumps(record.Record.from_json(raw).to_json(), ensure_ascii=False)
        whole.encode()
        assert "\x1b" not in json.loads(whole) and "\\u001b" not in raw
    (direct,) = (r for r in results if r.spec.method == "Direct")
    assert direct.done and direct.notes["n"] is None and direct.notes["s"] == "\\udcff\\x1b"
    for words in (["status", lab.out], ["report", lab.out], ["status", lab.out, "--json"]):
        done = subprocess.run([sys.executable, "-m", "bbo.cli", *map(str, words)], capture_output=True, check=True)
        assert b"\x1b" not in done.stdout + done.stderr
        assert done.stdout.count(b"\n") < 200
        done.stdout.decode()


def test_notes_that_json_cannot_hold_are_refused_where_they_are_made(lab):
    bodies = {
        "Nan": "problem.note(x=float('nan'))",
        "Inf": "problem.note(a=[1, float('inf')])",
        "Tensor": "problem.note(x=torch.ones(1))",
    }
    for result in lab.run(lab.plan(*(lab.body(name, body) for name, body in bodies.items()))):
        assert result.error["reason"] == "error"
        assert "problem.note takes" in result.error["message"]


def test_what_a_process_says_of_its_cost_is_not_believed(lab):
    fake = """
    from bbo.harness.sandbox import wire
    time.sleep(0.5)
    sum(range(3_000_000))
    channel = problem._privileged._channel
    channel.send(wire.Answer(None, {}, {"device": "cpu", "threads": 1}, {"cpu_seconds": 0.0, "peak_memory_mb": 0.0}, [], problem.x[:16].numpy()))
    os.kill(os.getpid(), signal.SIGSTOP)
    """
    (result,) = lab.run(lab.plan(lab.body("Fakes", fake)), threads=1)
    assert 0.4 < result.cost["wall_seconds"] < 60
    assert result.cost["cpu_seconds"] > 0.01
    assert result.cost["peak_memory_mb"] > 100


def test_text():
    assert text.clean("a\tb\r\nc\rd\x1b[0m\ud800\u202e") == "a\tb\nc\nd\\x1b[0m\\ud800\\u202e"
    cut = text.clean("é" * 10**6)
    assert len(cut.encode()) <= text.LONGEST and cut.endswith("... cut")
    assert text.line("a\n" * 1000, 20).count("\n") == 0
    assert text.clean_json({"a": [float("inf"), 1], 3: (True, None), "b": 2**70}) == {"a": [None, 1], "3": [True, None], "b": None}
    assert len(json.dumps(text.clean_json([list(range(10**5))] * 3))) < 2 * text.LONGEST
    assert text.bounded_list(["w" * 40_000] * 3) == ["w" * 40_000, "... cut"]


def test_a_simulator_that_fails_on_a_design_costs_no_cell(lab):
    path = lab.folder / "task.py"
    path.write_text(
        path.read_text()
        + """
from bbo.simulation import SimulatedTask

class Simulated(SimulatedTask):
    spec = Slope.spec
    dataset = Slope.dataset
    def simulate(self, design):
        return float("nan") if design[0] > 0.5 else design.astype(float).sum()
"""
    )
    draws = lab.body("Draws", "return torch.linspace(0, 0.6, 16)[:, None].repeat(1, 3)")
    (result,) = lab.run(lab.plan(draws, task="Simulated"))
    assert result.done
    assert result.warnings == [
        "the simulator failed on 3 of 16 designs, which score the task's y_min, -3 (one that works may score lower); "
        "the first is design 13: it returned nan"
    ]
    assert result.percentiles["100"] == pytest.approx((3 * 0.48 + 3) / 6)


def test_what_is_judged_while_the_run_stops_is_not_stored(lab, monkeypatch):
    """The signal that stops it may have ended the workers of a simulator."""
    (cell,) = lab.plan("Good")
    host = Host(lab.out, RunOptions("cpu"))
    monkeypatch.setattr("bbo.harness.host.judge", lambda *given: host.stop.set() or judge.judge(*given))
    try:
        assert host.run(cell) is None
    finally:
        host.close()
    assert not (lab.out / "cells").exists()


@pytest.fixture
def fresh_provenance():
    provenance.host.cache_clear()
    yield
    provenance.host.cache_clear()


def test_the_checkout_is_that_before_the_first_cell(lab, monkeypatch, fresh_provenance):
    monkeypatch.setattr(provenance, "_commit", lambda: "before")
    Host(lab.out, RunOptions())
    monkeypatch.setattr(provenance, "_commit", lambda: "after")
    assert provenance.host()["commit"] == "before"


def test_a_git_that_fails_does_not_make_a_checkout_clean(tmp_path, monkeypatch):
    (tmp_path / "git").write_text("#!/bin/sh\n[ $3 = rev-parse ] && echo 0123\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert provenance._commit() == ""


def test_points_of_a_trace_take_no_more_memory_than_designs(lab):
    """More rows than the budget are left out as they come; padding around an array is not kept with it."""
    body = """
    problem.progress(1, 3, problem.x[:16])
    problem.progress(2, 3, torch.zeros(100, 3, dtype=torch.float64))
    return problem.x[:16]
    """
    (cell,) = lab.plan(lab.body("Wide", body))
    host = Host(lab.out, RunOptions("cpu", 1, trace=True))
    try:
        result, _, trace = host.evaluate(cell)
    finally:
        host.close()
    assert result.done and trace.steps.tolist() == [1]
    assert result.warnings == ["trace: step 2 left out: it is larger than 16 designs (the budget)"]


@pytest.mark.skipif(sys.platform == "win32" or (os.cpu_count() or 1) < 2, reason="one processor")
def test_more_processors_than_threads_are_told_in_the_record(module_lab):
    """Measured from outside, children included."""
    busy = "end = time.time() + 3\nwhile time.time() < end: pass"
    body = f"children = [subprocess.Popen([sys.executable, '-c', {'import time; ' + busy!r}]) for _ in range(4)]\n"
    many = module_lab.body("Many", body + "for child in children: child.wait()\nreturn problem.x[:16]")
    one = module_lab.body("One", busy + "\nreturn problem.x[:16]")
    found = {r.spec.method: r for r in module_lab.run(module_lab.plan(many, one))}
    assert found["One"].warnings == []
    used = found["Many"].cost["cpu_seconds"] / found["Many"].cost["wall_seconds"]
    told = found["Many"].warnings == [
        f"the method and what it started used {used:.1f} processors on average and was given 1 thread"
    ]
    assert told == (used >= 1.5), (used, found["Many"].warnings)


def test_what_counts_as_too_many_processors():
    def told(cpu, wall, threads):
        return judge._busy(judge.Answer(cost={"cpu_seconds": cpu, "wall_seconds": wall}, stack={"threads": threads}))

    assert told(8.0, 2.0, 2) == ["the method and what it started used 4.0 processors on average and was given 2 threads"]
    assert told(5.9, 2.0, 2) == told(0.9, 0.2, 1) == judge._busy(judge.Answer()) == []
