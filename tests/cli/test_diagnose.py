"""`bbo diagnose`, run as a user would."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from bbo import catalogue, diagnosis
from bbo.cli import main

SMALL = """
import numpy as np
from bbo.space import Continuous
from bbo.task import Dataset, Task, TaskSpec

class Small(Task):
    spec = TaskSpec("small", "1", "bowl with a step", Continuous.box(3, -1, 1), 300, -0.5, -3.0, 3.0, "exact", "top", "none", "MIT")

    def oracle(self, x):
        y = -np.square(x.astype(np.float64)).sum(1)
        return np.where(y > -0.5, y + 3, y)  # a plateau no visible row speaks of

    def dataset(self):
        x = np.random.default_rng(0).uniform(-1, 1, (2000, 3)).astype(np.float32)
        y = self.oracle(x)
        low = y <= -0.5
        return Dataset(x[low][:300], y[low][:300].astype(np.float32))
HIDDEN
"""
HIDDEN = """
    def hidden(self):
        x = np.random.default_rng(1).uniform(-0.3, 0.3, (50, 3)).astype(np.float32)
        return Dataset(x, self.oracle(x).astype(np.float32))
"""


def test_methods_with_a_surrogate_are_found_in_the_sources():
    """Those whose class has the method `surrogate`, inherited or not, and that can be used here."""
    here = [card.spec.id for card in catalogue.cards() if not card.unavailable]
    assert diagnosis.able() == [name for name in here if hasattr(catalogue.load_method(name).cls, "surrogate")]
    assert {"bdi", "cliqueformer"} <= set(diagnosis.able())
    assert not {"bootgen", "reinforce"} & set(diagnosis.able())
    rows = json.loads(CliRunner().invoke(main, ["list", "methods", "--json"]).stdout)
    assert [row["id"] for row in rows if row["surrogate"] and row["available"]] == diagnosis.able()


def call(*arguments):
    return CliRunner().invoke(main, ["diagnose", *map(str, arguments)])


@pytest.fixture
def task(tmp_path):
    (tmp_path / "small.py").write_text(SMALL.replace("HIDDEN", ""))
    (tmp_path / "kept.py").write_text(SMALL.replace("HIDDEN", HIDDEN))
    return tmp_path


LEARN = ["--set", "gradient-ascent+ignite.max_updates=300", "--preset", "smoke"]


def test_errors_on_held_out_rows_and_beyond_the_best_visible(task):
    result = call(f"{task}/small.py:Small", "--surrogate", "gradient-ascent+ignite", "--surrogate", "coms", *LEARN, "--json")
    assert result.exit_code == 0, result.output
    rows = {(row["surrogate"], row["rows"]): row for row in json.loads(result.stdout)}
    assert len(rows) == 6
    held, uniform = rows["gradient-ascent+ignite", "held out"], rows["gradient-ascent+ignite", "uniform designs"]
    assert (held["n"], uniform["n"]) == (30, 2000)
    assert held["spearman"] > 0.8
    above = rows["gradient-ascent+ignite", "uniform, above best visible"]
    assert 0 < above["n"] < uniform["n"]
    assert above["rmse"] > 3 * held["rmse"]
    assert above["nll"] > held["nll"]
    assert above["bias"] < -1
    assert rows["coms", "held out"]["nll"] is None
    assert rows["coms", "held out"]["rmse"] > 0


def test_hidden_rows_are_used_where_the_task_keeps_them_and_runs_repeat(task):
    arguments = [f"{task}/kept.py:Small", "--surrogate", "gradient-ascent+ignite", *LEARN, "--json"]
    first, second = call(*arguments), call(*arguments)
    assert first.stdout == second.stdout
    assert [(row["rows"], row["n"]) for row in json.loads(first.stdout)] == [
        ("held out", 30),
        ("hidden", 50),
        ("hidden, above best visible", 50),
    ]


def test_training_is_drawn_from_a_diagnosis_and_from_a_stored_cell(task, tmp_path):
    picture = tmp_path / "a.png"
    result = call(f"{task}/small.py:Small", "--surrogate", "gradient-ascent+ignite", *LEARN, "--plot", picture)
    assert result.exit_code == 0, result.output
    assert picture.read_bytes().startswith(b"\x89PNG")
    out = tmp_path / "r"
    run = ["run", "-t", "tfbind8", "-b", "gradient-ascent-min+ignite", "--seeds", "0", "--preset", "smoke", "--out", str(out)]
    assert CliRunner().invoke(main, run).exit_code == 0
    (cell,) = (out / "cells").iterdir()
    assert call(cell).exit_code == 2
    assert call(cell, "--plot", tmp_path / "b.svg").exit_code == 0
    text = (tmp_path / "b.svg").read_text()
    assert text.startswith("<?xml")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tfbind8"], "no surrogate given; add --surrogate METHOD, or METHOD+ignite; methods that have one: adalead, "),
        (["tfbind8", "--surrogate", "random"], "no method surrogate(self, problem); methods that have one: adalead, "),
        (["tfbind9", "--surrogate", "coms"], "did you mean tfbind8"),
        (["tfbind8", "--surrogate", "coms", "--set", "steps=3"], "--set takes METHOD.KEY=VALUE"),
        (["tfbind8", "--surrogate", "coms", "--set", "coms.step=3"], "did you mean steps"),
        (["tfbind8", "--surrogate", "coms", "--set", "root.steps=3"], "unknown method in --set 'root': known: coms"),
        (["tfbind8", "--surrogate", "coms", "--seed", "-1"], "'--seed': -1 is not in the range"),
        (["tfbind8", "--surrogate", "coms", "--seed", "99999999999999999999999"], "is not in the range"),
    ],
)
def test_bad_input_is_one_line(arguments, message):
    result = call(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_cuda_without_a_device_is_one_line(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    result = call("tfbind8", "--surrogate", "coms", "--device", "cuda")
    assert result.exit_code == 2
    assert result.stderr == "error: --device cuda: torch sees no CUDA device here; use --device cpu\n"


def test_drawing_leaves_the_backend_alone():
    code = "import sys, bbo.diagnosis as d; d.plot({'a': {'train_loss': [[1.0], [0.5]]}}, 'PATH'); assert 'matplotlib.pyplot' not in sys.modules"
    import subprocess
    import sys
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-c", code.replace("PATH", f"{folder}/a.png")], check=True)


def test_a_cell_without_a_training_has_nothing_to_plot(tmp_path):
    out = tmp_path / "r"
    run = ["run", "-t", "tfbind8", "-b", "random", "--seeds", "0", "--out", str(out)]
    assert CliRunner().invoke(main, run).exit_code == 0
    (cell,) = (out / "cells").iterdir()
    result = call(cell, "--plot", tmp_path / "c.png")
    assert result.exit_code == 2
    assert "nothing to plot" in result.stderr
