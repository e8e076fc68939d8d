"""The command line as a user types it: real tasks, real methods, real files."""

import contextlib
import json
import subprocess
import sys
import time
import traceback
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bbo.cli import main

ROOT = Path(__file__).parents[2]


def bbo(*words, cwd=ROOT, code=0):
    """The command within this process, which saves most of its time; `in_a_process` is the real thing."""
    with contextlib.chdir(cwd):
        done = CliRunner().invoke(main, [*map(str, words)], prog_name="bbo")
    return checked(done, done.exit_code, code)


def in_a_process(*words, cwd=ROOT, code=0):
    done = subprocess.run([sys.executable, "-m", "bbo.cli", *map(str, words)], capture_output=True, text=True, cwd=cwd, check=False)
    return checked(done, done.returncode, code)


def checked(done, found, wanted):
    said = "".join(traceback.format_exception(done.exception)) if getattr(done, "exception", None) else ""
    assert found == wanted, f"exit code {found}, wanted {wanted}\n{done.stdout}\n{done.stderr}\n{said}"
    if wanted == 2:
        assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    out = tmp_path_factory.mktemp("results") / "r"
    methods = [word for name in ("random", "offline-best", "root", "gp-ascent", "gradient-ascent") for word in ("-b", name)]
    in_a_process(
        "run", "-t", "tfbind8", "-t", "thin-film", *methods, "--preset", "smoke", "--seeds", "0-1", "--jobs", 2, "--out", out
    )
    return out


def entries(results):
    return {(e["task"], e["method"], e["percentile"]): e for e in json.loads(bbo("report", results, "--format", "json").stdout)}


def test_leaderboard_of_a_real_run(results):
    found = entries(results)
    assert len(found) == 2 * 5 * 3
    assert all(e["n_seeds"] == 2 and not e["failed"] for e in found.values())
    floor = found["tfbind8", "offline-best", 100]
    assert floor["mean"] == pytest.approx(0.43929616)
    assert floor["std"] == 0
    assert 0.84 < found["tfbind8", "random", 100]["mean"] < 0.99
    assert found["tfbind8", "random", 50]["mean"] == pytest.approx(0.44, abs=0.03)


def test_status(results):
    status = json.loads(bbo("status", results, "--json").stdout)
    assert {key: len(cells) for key, cells in status.items()} == {"done": 20, "failed": 0, "missing": 0}
    assert "20 done, 0 failed, 0 missing" in bbo("status", results).stdout


def test_privileged_knowledge_is_marked(results):
    assert "y_max" in bbo("report", results).stdout
    cells = [json.loads(path.read_text()) for path in results.glob("cells/*/cell.json")]
    assert {c["spec"]["method"]: c["method"]["privileged"] for c in cells}["root"] == ["y_max"]


def test_designs_can_be_scored_again(results):
    for path in results.glob("cells/*/cell.json"):
        cell = json.loads(path.read_text())
        with np.load(path.with_name("designs.npz"), allow_pickle=False) as arrays:
            scores = arrays["scores"]
        again = json.loads(bbo("score", cell["spec"]["task"], path.with_name("designs.npz"), "--json").stdout)
        np.testing.assert_array_equal(again["scores"], scores)
        assert again["percentiles"] == cell["percentiles"]


def test_html_page(results, tmp_path):
    bbo("report", results, "--format", "html", "--out", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "gradient-ascent" in page
    assert "<svg" in page or "data:image/png" in page


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "-t", "tfbind9", "-b", "random"], "did you mean tfbind8"),
        (["run", "-t", "tfbind8", "-b", "randon"], "did you mean random"),
        (["run", "-t", "tfbind8", "-b", "root", "--set", "root.stesp=3"], "did you mean steps"),
        (["run", "-t", "tfbind8", "-b", "root", "--set", "rot.steps=3"], "did you mean root"),
        (["run", "-t", "tfbind8", "-b", "root", "--set", "steps"], "--set takes METHOD.KEY=VALUE"),
        (["run", "-t", "tfbind8", "-b", "root", "--preset", "quick"], "unknown preset of root 'quick'"),
        (["run", "-t", "tfbind8", "-b", "random", "--seeds", "3-1"], "seeds are written like"),
        (["run", "-t", "tfbind8", "-b", "random", "--seeds", "99999999999999999999999"], "are below 2^63; got '9999"),
        (["run", "-t", "tfbind8", "-b", "random", "--seeds", "9223372036854775808"], "from 0 to 2^63 - 1; got 9223372036854775808"),
        (["run", "-t", "tfbind8", "-b", "random", "--budget", "0"], "the budget must be at least 1"),
        (["run", "--suite", "quik"], "did you mean quick"),
        (["run", "-t", "tfbind8"], "no methods given"),
        (["run", "-t", "tfbind8", "-b", "./nothing.py:Mine"], "no file for"),
        (["run", "--suite", "nope"], "known: core, full, ignite-table, quick, root-table (see: bbo list suites)"),
        (["run", "-t", "tfbind8,branin", "-b", "random"], "-t takes one name and may be repeated: -t tfbind8 -t branin"),
        (["run", "-t", "tfbind8", "-b", "random, root"], "-b random -b root"),
        (["run", "-t", "tfbind8", "branin", "-b", "random"], "each method with -b: -t branin"),
        (["run", "-t", "tfbind8", "nothing.toml", "-b", "random"], "plan nothing.toml cannot be read"),
        (["run", "-t", "tfbind8", "-b", "coms", "--set", "coms.lr=1"], "did you mean learning_rate?"),
        (["run", "-t", "tfbind8", "-b", "coms", "--set", "coms.steps=1", "--set", "coms.steps=2"], "gives coms.steps twice"),
        (["run", "-t", "tfbind8", "-b", "random", "--budget", "1000000000"], "at most 100000"),
        (["run", "-t", "tfbind8", "-b", "random", "--seeds", "0-999999999"], "at most 100000 seeds"),
        (["run", "-t", "tfbind8", "-b", "root", "--set", "root.eta=nan"], "takes finite numbers"),
        (["run", "-t", "hpo-naval:foo", "-b", "random"], "has no variants"),
        (["run", "-t", "rna-x*", "-b", "random"], "did you mean rna-a, rna-b or rna-c?"),
        (["run", "-t", "tfbind8", "-b", "random", "--jobs", "0"], "invalid value for '--jobs'"),
        (["run", "-t", "tfbind8", "-b", "random", "--nothing"], "--nothing"),
        (["rnu"], "unknown command 'rnu': did you mean run?"),
    ],
)
def test_bad_input_is_one_line_and_changes_nothing(tmp_path, words, message):
    done = bbo(*words, "--out", tmp_path / "out", cwd=tmp_path, code=2)
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ('budget = "abc"', "budget in p.toml is a whole number; got 'abc'"),
        ('set = "x"', "set in p.toml is a table"),
        ("tasks = [1]", "tasks in p.toml is a list of names"),
        ("preset = 5", "preset in p.toml is a word"),
        ("seeds = 3.0", "seeds in p.toml is a whole number from 0"),
        ("seed = 3", "did you mean seeds?"),
        (b"\xff\xfe", "p.toml cannot be read: it is in UTF-16; save it as UTF-8"),
    ],
)
def test_a_wrong_plan_file_is_one_line(tmp_path, plan, message):
    (tmp_path / "p.toml").write_bytes(plan if isinstance(plan, bytes) else plan.encode())
    done = bbo("run", "p.toml", "-b", "random", "--out", "out", cwd=tmp_path, code=2)
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


PROPOSE = "    def propose(self, problem):\n        return problem.x[:problem.budget]\n"
DATACLASS = "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass A:\n"
PLUGINS = {
    "no class": ("a = 1\n", "mine.py 'A': known: none"),
    "an instance": (f"class B:\n{PROPOSE}\nA = B()\n", "is not a class"),
    "no propose": ("class A:\n    pass\n", "needs a method propose(self, problem)"),
    "a setting without a default": (f"{DATACLASS}    rate: float\n{PROPOSE}", "setting A.rate needs a default value"),
    "arguments": (f"class A:\n    def __init__(self, rate):\n        pass\n{PROPOSE}", "missing 1 required positional argument"),
    "settings that refuse each other": (
        f"{DATACLASS}    rate: float = -1.0\n    def __post_init__(self):\n        raise ValueError('no rate')\n{PROPOSE}",
        "A refuses its settings: ValueError: no rate",
    ),
    "an infinite default": (f"{DATACLASS}    rate: float = float('inf')\n{PROPOSE}", "takes finite numbers; got inf"),
    "a path as setting": (
        f"import pathlib\n{DATACLASS}    p: pathlib.Path = pathlib.Path()\n{PROPOSE}",
        "a setting is one of bool",
    ),
    "presets that are a list": (f"{DATACLASS}    presets = ['fast']\n{PROPOSE}", "must be a dict of dicts"),
    "a preset that is nothing": (f"{DATACLASS}    presets = {{'fast': None}}\n{PROPOSE}", "must be a name with a dict"),
    "a preset of unknown settings": (
        f"{DATACLASS}    rate: float = 1.0\n    presets = {{'fast': {{'rat': 1}}}}\n{PROPOSE}",
        "did you mean rate?",
    ),
    "a syntax error": ("class A\n", "cannot be imported: SyntaxError"),
    "null bytes": ("class A:\0\n", "cannot be imported"),
    "an import error": ("import nope_nope\n", "line 1: ModuleNotFoundError"),
    "an exit": ("import sys\nsys.exit(3)\n", "line 2: SystemExit: 3"),
    "an interrupt": ("raise KeyboardInterrupt\n", "line 1: KeyboardInterrupt"),
}


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_plugin_that_cannot_be_used_is_one_line(tmp_path, plugin):
    text, message = PLUGINS[plugin]
    (tmp_path / "mine.py").write_text(text)
    done = bbo("run", "-t", "tfbind8", "-b", "mine.py:A", "--seeds", "0", "--out", "out", cwd=tmp_path, code=2)
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_patterns_stand_for_what_they_match(tmp_path):
    words = ["-t", "hpo-*", "-t", "tfbind8:SIX6*", "-b", "gradient-*", "-b", "random", "--seeds", "0", "--out", tmp_path / "out"]
    done = bbo("run", *words, "--dry-run", "--skip-missing")
    labels = done.stdout.splitlines()
    pairs = {tuple(label.split(" / ")[:2]) for label in labels}
    tasks, methods = {task for task, _ in pairs}, {method for _, method in pairs}
    assert len(labels) == len(pairs) == len(tasks) * len(methods)
    assert {"hpo-naval", "hpo-slice"} < tasks
    # The variants need files that may be there or not.
    assert all(
        name in tasks or f"skipped: task '{name}'" in done.stderr for name in ("tfbind8:SIX6_REF_R2", "tfbind8:SIX6_T165A_R1")
    )
    assert "PAX7" not in done.stderr + done.stdout
    assert methods == {"gradient-ascent", "gradient-ascent-mean", "gradient-ascent-min", "random"}
    everything = bbo(
        "run", "-t", "branin", "-b", "all", "--seeds", "0", "--out", tmp_path / "out", "--dry-run", "--skip-missing"
    ).stdout
    listed = json.loads(bbo("list", "methods", "--json").stdout)
    assert len(everything.splitlines()) == sum("continuous" in method["spaces"] and method["available"] for method in listed)
    assert not (tmp_path / "out").exists()


def test_what_is_missing_is_left_out_on_request(tmp_path, monkeypatch):
    """With no data folder at all some tasks of the suite `full` cannot be used."""
    monkeypatch.setenv("BBO_DATA_DIR", str(tmp_path / "empty"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    words = ["run", "-t", "all", "-b", "random", "--seeds", "0", "--out", tmp_path / "out", "--dry-run"]
    refused = bbo(*words, code=2)
    assert "leave out all that is missing with --skip-missing" in refused.stderr
    done = bbo(*words, "--skip-missing")
    skipped = [line for line in done.stderr.splitlines() if line.startswith("skipped: ")]
    missing = [task["id"] for task in json.loads(bbo("list", "tasks", "--json").stdout) if not task["available"]]
    assert len(skipped) == len(missing) > 0
    assert all(any(f"'{name}'" in line for line in skipped) for name in missing)
    assert not {label.split(" / ")[0] for label in done.stdout.splitlines()} & set(missing)
    only = bbo("run", "-t", missing[0], "-b", "random", "--out", tmp_path / "out", "--skip-missing", code=2)
    assert "nothing to run: all tasks were skipped" in only.stderr


@pytest.mark.extras
@pytest.mark.parametrize("address", ["garbage::", "host:port", "tcp://127.0.0.1:1"])
def test_a_wrong_scheduler_is_noticed_at_once(tmp_path, address):
    pytest.importorskip("distributed")
    words = ["run", "-t", "branin", "-b", "random", "--seeds", "0", "--engine", "dask", "--scheduler", address]
    done = bbo(*words, "--out", tmp_path, code=2)
    line = done.stderr.strip().splitlines()[-1]
    assert "is written like tcp://host:8786" in line or "no Dask scheduler answers at tcp://127.0.0.1:1" in line


def test_unwritable_folder(tmp_path):
    (tmp_path / "file").write_text("")
    done = in_a_process("run", "-t", "tfbind8", "-b", "random", "--out", tmp_path / "file" / "out", code=2)
    assert "cannot write into" in done.stderr


def test_a_half_deleted_cell_is_named_and_the_rest_kept(tmp_path):
    words = ["run", "-t", "tfbind8", "-b", "random", "--seeds", "0-1", "--out", tmp_path]
    bbo(*words)
    victim = next(tmp_path.glob("cells/*"))
    (victim / "designs.npz").unlink()
    for command in (words, ["status", tmp_path], ["report", tmp_path]):
        done = bbo(*command, code=2)
        assert victim.name in done.stderr
        assert "designs.npz is missing" in done.stderr
    assert len(list(tmp_path.glob("cells/*/cell.json"))) == 2


@pytest.mark.parametrize(
    ("task", "designs", "message"),
    [
        ("tfbind8", np.zeros((3, 7), int), "shape (n, 8); got (3, 7)"),
        ("tfbind8", np.full((3, 8), 4), "allowed 0 to 3"),
        ("thin-film", np.full((2, 60), np.nan), "must be finite"),
        ("thin-film", np.full((2, 60), 2.0), "allowed [-1, 1]"),
        ("tfbind8", np.zeros((0, 8), int), "holds no designs"),
    ],
)
def test_score_refuses_bad_designs(tmp_path, task, designs, message):
    np.savez(tmp_path / "d.npz", designs=designs)
    assert message in bbo("score", task, tmp_path / "d.npz", code=2).stderr


def test_score_refuses_bad_files(tmp_path):
    assert "no file" in bbo("score", "tfbind8", tmp_path / "none.npz", code=2).stderr
    (tmp_path / "text.npz").write_text("hello")
    assert "cannot be read as npz" in bbo("score", "tfbind8", tmp_path / "text.npz", code=2).stderr
    np.savez(tmp_path / "two.npz", a=np.zeros(1), b=np.zeros(1))
    assert "name the one to score 'designs'" in bbo("score", "tfbind8", tmp_path / "two.npz", code=2).stderr


def test_a_failing_method_ends_with_code_2_and_a_record(tmp_path):
    (tmp_path / "mine.py").write_text("class Mine:\n    'Returns too few.'\n    def propose(self, p):\n        return p.x[:3]\n")
    words = ["run", "-t", "tfbind8", "-b", "./mine.py:Mine", "-b", "random", "--seeds", "0", "--out", "r"]
    done = in_a_process(*words, cwd=tmp_path, code=2)
    assert "exactly 128 designs (the budget); got 3" in done.stderr
    assert "failed" in bbo("report", "r", cwd=tmp_path).stdout
    assert {e["method"]: e["failed"] for e in json.loads(bbo("report", "r", "--format", "json", cwd=tmp_path).stdout)}["Mine"] == 1


def test_list_is_quick_and_says_what_is_there():
    started = time.monotonic()
    tasks = json.loads(in_a_process("list", "tasks", "--json").stdout)
    assert time.monotonic() - started < 5, "list must not import torch"
    assert {"tfbind8", "thin-film"} <= {t["id"] for t in tasks if t["available"]}
    missing = [b for b in json.loads(bbo("list", "methods", "--json").stdout) if not b["available"]]
    assert {b["id"]: b["why_not"] for b in missing}.keys() <= {"nevergrad-ngopt"}  # its NumPy is older than the pinned one


@pytest.mark.parametrize("id", ["tfbind8", "thin-film", "root", "gradient-ascent", "random"])
def test_show(id):
    assert id in bbo("show", id).stdout


def test_root_shows_presets_and_deviations():
    text = bbo("show", "root").stdout
    assert "Deviations from the authors' code" in text
    for name in ("paper:tfbind8", "paper:tfbind10", "paper:ant", "paper:dkitty", "fast", "smoke"):
        assert f"preset {name}" in text


def test_cli_script_of_a_checkout():
    done = subprocess.run([sys.executable, ROOT / "cli.py", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("bbo, version")
