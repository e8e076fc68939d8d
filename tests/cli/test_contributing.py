"""CONTRIBUTING.md works as it stands: its examples pass the checks and run."""

import contextlib
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from bbo.cli import main

TEXT = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def bbo(*words, cwd):
    with contextlib.chdir(cwd):
        done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("contributing")
    method, declared, task = EXAMPLES
    (folder / "mine.py").write_text(method)
    (folder / "many.py").write_text(declared)
    (folder / "sphere.py").write_text(task)
    return folder


def test_the_method_passes_and_appears(here):
    assert "all" in bbo("check", "./mine.py:Mutate", cwd=here)
    bbo("run", "-t", "tfbind8", "-b", "random", "-b", "./mine.py:Mutate", "--seeds", "0-1", "--out", "runs/mine", cwd=here)
    assert "Mutate" in bbo("report", "runs/mine", cwd=here)
    found = {e["method"]: e for e in json.loads(bbo("report", "runs/mine", "--format", "json", cwd=here))}
    assert found["Mutate"]["n_seeds"] == 2


def test_the_declared_method_passes_and_does_not_apply_to_a_box(here):
    assert "all" in bbo("check", "./many.py:MutateMany", cwd=here)
    run = (
        "run",
        "-t",
        "hpo-naval",
        "-t",
        "branin",
        "-b",
        "./many.py:MutateMany",
        "--seeds",
        "0",
        "--set",
        "MutateMany.positions=3",
    )
    bbo(*run, "--out", "runs/many", cwd=here)
    assert json.loads(bbo("status", "runs/many", "--json", cwd=here))["failed"] == []


def test_the_task_passes_and_runs(here):
    assert "all" in bbo("check", "./sphere.py:Sphere", cwd=here)
    bbo("run", "-t", "./sphere.py:Sphere", "-b", "random", "--seeds", "0", "--out", "runs/sphere", cwd=here)
    assert "sphere" in bbo("report", "runs/sphere", cwd=here)
