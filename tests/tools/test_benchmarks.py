"""The runner of the benchmarks: every program is in it, what they print is read, and a second call measures nothing."""

import json
from pathlib import Path

import pytest
import torch

from bbo.errors import BBOError
from benchmarks import __main__ as runner
from benchmarks._timing import beside, gflop

HERE = Path(runner.__file__).parent


def test_every_program_is_run():
    modules = {program.module for program in runner.PROGRAMS.values()}
    files = {f"benchmarks.{path.stem}" for path in HERE.glob("*.py") if not path.stem.startswith("_")}
    assert modules == files | {"benchmarks.methods"}
    names = {path.stem for path in (HERE / "methods").glob("*.py") if not path.stem.startswith("_")}
    assert {f"methods-{name}" for name in names} <= runner.PROGRAMS.keys()
    assert set(runner.QUICK_METHODS) <= runner.PROGRAMS.keys()


def test_a_program_is_measured_once_and_the_page_says_what_is_missing(tmp_path):
    runner.run("sandbox", True, tmp_path, 100.0)
    kept = json.loads((tmp_path / "sandbox.json").read_text())
    assert kept["command"] == "python -m benchmarks.sandbox --json --repeats 3" and kept["cpu_seconds"] > 0
    text = runner.written(tmp_path, quick=True)
    assert text.startswith("# Benchmarks (quick sizes: these numbers say nothing)")
    assert "sgemm 100 to\n100 GFLOP/s" in text and "process: list of what it may open" in text
    in_tables = [line.count("|") for line in text.splitlines() if line.startswith("|")]
    assert in_tables == 7 * [7] + 3 * [5]  # a head and five rows of six columns, then the programs
    assert "Not measured: root, surrogates, methods-bdi" in text


def test_the_share_of_sgemm_is_that_of_the_products():
    row = {"hidden": 100, "ratio": "ignite / plain", "value": 2.0, "goal": "", "milliseconds per batch": [4.0, 2.0], "gflop": 0.05}
    (made,) = runner.surrogates(json.dumps({"ratios": [row]}), 100.0)  # 25 GFLOP/s of 100
    assert made.share == "25% of sgemm" and made.ratio == "2.00"


def test_a_missed_goal_is_said(tmp_path):
    row = {
        "hidden": 9,
        "ratio": "ignite / plain",
        "value": 3.0,
        "goal": "<= 3.2",
        "milliseconds per batch": [3.0, 1.0],
        "gflop": 0.0,
    }
    rows = [row, row | {"hidden": 99, "value": 4.0}, row | {"ratio": "loop / batch", "goal": ">= 1.5", "value": 1.21}]
    machine = {"cpu": "C", "cores": 1}
    kept = {"command": "c", "output": json.dumps({"ratios": rows}), "sgemm_gflops": 1.0, "seconds": 1, "cpu_seconds": 1}
    (tmp_path / "surrogates.json").write_text(json.dumps(kept | {"machine": machine, "load": 0.0}))
    said = "Goals that are missed: width 99: ignite / plain (4.00, goal <= 3.2); width 9: loop / batch (1.21, goal >= 1.5).\n"
    assert said in runner.written(tmp_path, quick=True)


def test_both_sides_are_timed_and_our_products_counted():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(100, 200, generator=generator), torch.randn(200, 50, generator=generator, requires_grad=True)
    made = beside(lambda: torch.zeros(1), lambda: (a @ b).sum().backward(), "a product", 3.0)
    # Forward, and backward to b alone.
    assert made["our_gflop"] == pytest.approx(2 * 2 * 100 * 200 * 50 / 1e9)
    assert made["authors_seconds"] >= 0 and made["our_seconds"] > 0 and made["what"] == "a product"
    # The gradient of a leaf alone: forward, and backward to it.
    leaf = torch.randn(1, 100, generator=generator, requires_grad=True)
    assert gflop(lambda: torch.autograd.grad((leaf @ a).sum(), leaf)) == pytest.approx(2 * 2 * 100 * 200 / 1e9)
    with pytest.raises(AssertionError):
        beside(lambda: torch.zeros(1), lambda: torch.ones(1), "not equal", check=torch.testing.assert_close)


def test_a_program_that_fails_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(runner.PROGRAMS, "sandbox", runner.PROGRAMS["sandbox"]._replace(quick=("--no-such",)))
    with pytest.raises(BBOError, match=r"benchmark sandbox failed: .*--no-such"):
        runner.run("sandbox", True, tmp_path, 100.0)
    assert not list(tmp_path.iterdir())
    with pytest.raises(BBOError, match="holds no results"):
        runner.written(tmp_path, quick=True)


def test_after_a_failure_the_others_are_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(runner.PROGRAMS, "root", runner.PROGRAMS["root"]._replace(quick=("--no-such",)))
    monkeypatch.setattr("sys.argv", ["benchmarks", "root", "sandbox", "--quick", "--folder", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        runner.main()
    assert ended.value.code == 1 and "benchmark root failed" in capsys.readouterr().err
    assert "| sandbox |" in (tmp_path / "README.md").read_text()
