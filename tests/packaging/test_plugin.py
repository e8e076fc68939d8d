"""The example package: installed beside this one, its task and method are listed, pass the checks, and run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = Path(__file__).parents[2] / "examples" / "plugin"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Runs a Python module in an environment that also has the example package."""
    folder = tmp_path_factory.mktemp("plugin")
    source = folder / "source"  # setuptools leaves a build folder behind, which must not reach the checkout
    for path in PLUGIN.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            (source / path.relative_to(PLUGIN)).parent.mkdir(parents=True, exist_ok=True)
            (source / path.relative_to(PLUGIN)).write_bytes(path.read_bytes())
    install = ["pip", "install", "-q", "--no-deps", "--no-index", "--no-build-isolation", "--target", str(folder / "site")]
    subprocess.run([sys.executable, "-m", *install, str(source)], check=True, capture_output=True)
    environment = {**os.environ, "PYTHONPATH": str(folder / "site")}

    def run(*words):
        done = subprocess.run(
            [sys.executable, "-m", *words], capture_output=True, text=True, check=False, cwd=folder, env=environment
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_task_and_method_are_listed(run):
    for what, name in (("tasks", "two-peaks"), ("methods", "hill-climb")):
        listed = {row["id"]: row for row in json.loads(run("bbo.cli", "list", what, "--json"))}
        assert listed[name]["available"], listed[name]


@pytest.mark.slow
def test_its_own_tests_pass_and_it_runs(run):
    run("pytest", "-q", str(PLUGIN / "tests"), "-p", "no:cacheprovider")
    run("bbo.cli", "run", "-t", "two-peaks", "-b", "random", "-b", "hill-climb", "--seeds", "0-1", "--out", "runs")
    found = {row["method"]: row for row in json.loads(run("bbo.cli", "report", "runs", "--format", "json"))}
    assert found["hill-climb"]["n_seeds"] == 2 and found["hill-climb"]["failed"] == 0
