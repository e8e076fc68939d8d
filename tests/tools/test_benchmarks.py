"""The runner of the benchmarks: every program is in it, what they print is read, and a second call measures nothing."""

import json
from pathlib import Path

import pytest

from bbo.errors import BBOError
from benchmarks import __main__ as runner

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
    assert kept["command"] == "python -m benchmarks.sandbox --repeats 3" and "list" in kept["output"]
    text = runner.written(tmp_path, quick=True)
    assert text.startswith("# Benchmarks (quick sizes: these numbers say nothing)")
    assert "sgemm 100 to\n100 GFLOP/s" in text and kept["output"].strip() in text
    assert "Not measured: root, surrogates, methods-bdi" in text


def test_the_share_of_sgemm_is_that_of_the_products():
    row = {
        "hidden": 100,
        "ratio": "loop of 5 / batched ensemble of 5",
        "value": 2.0,
        "goal": "",
        "milliseconds per batch": [4.0, 2.0],
    }
    (made,) = runner.surrogates(json.dumps({"ratios": [row]}), 100.0)
    work = 3 * 2 * 5 * 128 * (24 * 100 + 100 * 100 + 100 * 2)  # operations a batch, in 2 ms
    assert made.share == f"{work / 2e-3 / 100e9:.0%} of sgemm" and made.ratio == "2.00"


def test_a_program_that_fails_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(runner.PROGRAMS, "sandbox", runner.PROGRAMS["sandbox"]._replace(quick=("--no-such",)))
    with pytest.raises(BBOError, match=r"benchmark sandbox failed: .*--no-such"):
        runner.run("sandbox", True, tmp_path, 100.0)
    assert not list(tmp_path.iterdir())
    with pytest.raises(BBOError, match="holds no results"):
        runner.written(tmp_path, quick=True)
