"""Shards, single cells by command, estimates, suites, traces, and two runners in one folder."""

import json
import shlex
import subprocess
import sys
import tomllib
from importlib.resources import files

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from bbo import catalogue, record
from bbo.cli import main
from bbo.errors import BBOError
from bbo.harness import estimate, plan, request
from bbo.harness.folder import shard
from bbo.harness.host import Host
from bbo.harness.options import RunOptions


def bbo(*words, code=0):
    done = subprocess.run([sys.executable, "-m", "bbo.cli", *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def many(module_lab):
    return list(module_lab.plan("Good", "random", "offline-best", seeds=tuple(range(40))))


@given(n=st.integers(1, 130), data=st.data())
def test_shards_are_disjoint_complete_even_and_do_not_depend_on_order(many, n, data):
    shares = [shard(many, i, n) for i in range(1, n + 1)]
    hashes = [cell.spec.hash for share in shares for cell in share]
    assert sorted(hashes) == sorted(cell.spec.hash for cell in many)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    shuffled = data.draw(st.permutations(many))
    assert [cell.spec.hash for cell in shard(shuffled, 1, n)] == [cell.spec.hash for cell in shares[0]]


def test_shards_and_commands_of_the_command_line(lab):
    plan_file = lab.folder / "plan.toml"
    bad = lab.body("Bad", "raise ValueError('no')")
    plan_file.write_text(
        f'tasks = ["{lab.folder}/task.py:Slope"]\nmethods = ["{lab.folder}/good.py:Good", "{bad}"]\nseeds = "0-2"\nbudget = 16\n'
    )
    dry = bbo("run", plan_file, "--out", lab.out, "--dry-run")
    assert len(dry.stdout.splitlines()) == 6
    assert "estimate: unknown" in dry.stderr
    assert not lab.out.exists()
    bbo("run", plan_file, "--shard", "1/2", "--out", lab.out, code=2)
    first = record.read_all(lab.out)
    assert len(first) == 3
    dry = bbo("run", plan_file, "--out", lab.out, "--dry-run")
    assert len(dry.stdout.splitlines()) == 3
    commands = bbo("status", lab.out, "--commands").stdout.splitlines()
    assert len(commands) == 3 + sum(not r.done for r in first)
    for line in commands:
        words = shlex.split(line)
        assert words[:2] == ["bbo", "run"]
        bad_one = any(r["hash"] in words for r in json.loads(bbo("status", lab.out, "--json").stdout)["failed"])
        assert ("--retry" in words) == bad_one
    target = next(line for line in commands if "--retry" not in line)
    name = shlex.split(target)[3]
    subprocess.run([sys.executable, "-m", "bbo.cli", *shlex.split(target)[1:]], capture_output=True, check=False)
    assert record.read_cell(record.cell_folder(lab.out, name)).spec.hash == name
    assert len(record.read_all(lab.out)) == 4
    assert "unknown cell" in bbo("run", "--cell", "0" * 20, "--out", lab.out, code=2).stderr
    assert "like 1/4" in bbo("run", plan_file, "--shard", "5/4", "--out", lab.out, code=2).stderr


def test_cells_by_name_take_a_shard_and_nothing_that_a_plan_says(lab):
    lab.plan("Good", seeds=tuple(range(5))).save(lab.out)
    cells = [word for order in plan.planned(lab.out) for word in ("--cell", order.spec.hash)]
    call = CliRunner().invoke
    planned = [call(main, ["run", *cells, "--shard", f"{i}/2", "--dry-run", "--out", str(lab.out)]).stderr for i in (1, 2)]
    assert ["3 cells planned" in planned[0], "2 cells planned" in planned[1]] == [True, True]
    for words in (
        ["-t", "x"],
        ["-b", "x"],
        ["--baseline", "x"],
        ["--seeds", "x"],
        ["--preset", "x"],
        ["--set", "x"],
        ["--suite", "x"],
        ["--budget", "9"],
        ["--skip-missing"],
        ["plan.toml"],
    ):
        refused = call(main, ["run", *cells, *words, "--out", str(lab.out)])
        option = words[0] if words[0].startswith("-") else "PLAN_FILE"
        assert refused.exit_code == 2 and f"so it cannot be combined with {option}" in refused.stderr
    assert record.read_all(lab.out) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--slurm", "partition=gpu"], "--slurm is for --engine slurm; got it with --engine local"),
        (["--engine", "slurm", "--scheduler", "tcp://a:1"], "--scheduler is for --engine dask; got it with --engine slurm"),
    ],
)
def test_options_of_another_engine_are_refused(words, said, tmp_path):
    refused = CliRunner().invoke(main, ["run", "-t", "branin", "-b", "random", *words, "--out", str(tmp_path / "out")])
    assert refused.exit_code == 2 and said in refused.stderr
    assert not (tmp_path / "out").exists()


def test_estimates_come_from_past_cells(lab):
    made = list(lab.plan("Good", "random", seeds=(0, 1)))

    def past(method, task, preset, seconds):
        cell = next(c for c in made if c.spec.method == method)
        spec = record.CellSpec(**{**{k: getattr(cell.spec, k) for k in cell.spec.__dataclass_fields__}, "task": task})
        return record.Record(spec, "done", method={"preset": preset}, cost={"wall_seconds": seconds})

    preset = made[0].preset
    assert estimate.estimate(made, []) == estimate.Estimate(0.0, 4)
    found = estimate.estimate(
        made, [past("Good", "slope", preset, 2.0), past("Good", "slope", preset, 4.0), past("Good", "x", preset, 90.0)]
    )
    assert found == estimate.Estimate(6.0, 2)
    assert estimate.estimate(made, [past("random", "elsewhere", preset, 5.0)]) == estimate.Estimate(10.0, 2)
    assert [estimate.duration(s) for s in (40, 720, 12600, 181440)] == ["40 s", "12 min", "3.5 h", "2.1 days"]


@pytest.mark.parametrize("name", request.suites())
def test_suites_name_what_exists(name):
    text = tomllib.loads(files("bbo").joinpath("suites", f"{name}.toml").read_text())
    assert set(text) <= {"tasks", "methods", "seeds", "preset", "budget", "set", "skip_missing"}
    assert request.read_suite(name)["tasks"]
    suite = request.read_suite(name)
    tasks = [one for pattern in suite["tasks"] for one in catalogue.expand_tasks(pattern)]
    methods = [one for pattern in suite["methods"] for one in catalogue.expand_methods(pattern)]
    assert set(tasks) <= set(catalogue.task_ids())
    for reference in methods:
        if reference in catalogue.method_ids() and catalogue.method_card(reference).unavailable:
            assert suite["skip_missing"], f"{reference} is not installed here, and would end the run of {name}"
            continue
        catalogue.load_method(reference).config(suite["preset"], tasks[0], {})
    if name == "full":
        assert set(tasks) == set(catalogue.task_ids())
        assert set(catalogue.method_ids()) <= set(methods)


def test_a_trace_is_scored_thinned_and_stored_beside_the_designs(lab):
    climbs = """
    x = problem.x[:problem.budget]
    for step in range(1, 1001):
        problem.progress(step, 1000, torch.full_like(x, step / 1000))
    problem.progress(1000, 1000)
    return x
    """
    (result,) = lab.run(lab.plan(lab.body("Climbs", climbs)), trace=True)
    folder = record.cell_folder(lab.out, result.spec.hash)
    trace = record.read_trace(folder)
    assert 45 <= len(trace.steps) <= 52
    assert (np.diff(trace.steps) > 0).all()
    assert trace.normalised.shape == (len(trace.steps), 16)
    np.testing.assert_allclose(trace.normalised, np.repeat(trace.steps[:, None] / 2000 + 0.5, 16, 1), atol=1e-6)
    assert not result.warnings


def test_no_trace_unless_asked_for_and_a_bad_point_is_a_warning(lab):
    strays = "problem.progress(1, 2, problem.x[:problem.budget] + 9)\nproblem.progress(2, 2, problem.x[:3])\nreturn problem.x[:problem.budget]"
    made = lab.plan(lab.body("Strays", strays), "gradient-ascent", preset="smoke")
    plain, traced = lab.folder / "plain", lab.folder / "traced"
    assert all(record.read_trace(record.cell_folder(plain, r.spec.hash)) is None for r in lab.run(made, plain))
    strays, ascent = lab.run(made, traced, trace=True)
    assert strays.done
    assert "step 1 left out" in strays.warnings[0]
    assert record.read_trace(record.cell_folder(traced, strays.spec.hash)) is None
    assert record.read_trace(record.cell_folder(traced, ascent.spec.hash)).normalised.shape[1] == 16
    assert (lab.designs(ascent.spec, plain) == lab.designs(ascent.spec, traced)).all()


def test_what_another_runner_has_done_meanwhile_is_not_done_again(lab):
    made = lab.plan("Good")
    lab.run(made)
    host = Host(lab.out, RunOptions())
    (cell,) = made
    there = host.run(cell)
    assert host._process is None
    assert there.spec == cell.spec


def test_writers_of_one_cell_do_not_mix_and_a_failed_one_gives_way(lab):
    (good,) = lab.run(lab.plan("Good"))
    outcome = record.read_outcome(record.cell_folder(lab.out, good.spec.hash))
    other = lab.folder / "other"
    failed = record.Record(good.spec, "failed", error={"reason": "crash", "type": "", "message": "", "traceback": ""})
    record.write(other, failed, None)
    record.write(other, good, outcome)
    assert record.read_all(other)[0].done
    record.write(other, failed, None, replace_failed=True)
    assert record.read_all(other)[0].done
    assert [p.name for p in (other / "cells").iterdir()] == [good.spec.hash]


def test_an_order_of_another_version_is_refused(lab):
    (cell,) = lab.plan("Good")
    order = cell.order()
    assert plan.look_up(order).spec == cell.spec
    (lab.folder / "good.py").write_text((lab.folder / "good.py").read_text().replace("problem.budget, 3", "problem.budget, 3 + 0"))
    with pytest.raises(BBOError, match="version of the method"):
        plan.look_up(order)
