"""Tasks and methods used by hand: the same designs as a run's cell, and clear errors."""

import numpy as np
import pytest
import torch

import bbo
from bbo import record
from bbo.harness.options import EngineOptions, RunOptions


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Two cells on a small task, and the folder they are in."""
    out = tmp_path_factory.mktemp("face") / "runs"
    return bbo.run("branin", "random", out=out, seeds="0-1", budget=16), out


def test_a_method_by_hand_proposes_what_the_cell_of_a_run_does(results):
    frame, out = results
    problem, method = bbo.load_task("branin").problem(seed=1, budget=16), bbo.load_method("random")
    by_hand = method.propose(problem)
    (cell,) = frame[frame["seed"] == 1]["cell"]
    stored = record.read_outcome(record.cell_folder(out, cell))
    assert (by_hand.numpy() == stored.designs).all()
    assert (bbo.load_task("branin").score(by_hand) == stored.scores).all()
    assert method.propose(problem).equal(by_hand)


def test_a_run_is_one_row_a_cell_and_resumes(results):
    frame, out = results
    assert frame[["task", "method", "seed", "status"]].to_numpy().tolist() == [
        ["branin", "random", 0, "done"],
        ["branin", "random", 1, "done"],
    ]
    assert frame["score_100"].between(0.5, 1.0).all()
    again = bbo.run("branin", "random", out=out, seeds=[1], budget=16)
    assert again["cell"].tolist() == frame["cell"].tolist()[1:]
    assert again["provenance"][0] == frame["provenance"][1]  # not run again


def test_one_seed_and_numpy_integers_are_seeds_as_well(tmp_path):
    for seeds, wanted in ((1, [1]), (np.arange(2), [0, 1]), (np.int64(3), [3])):
        assert bbo.run("branin", "random", out=tmp_path, seeds=seeds, budget=np.int64(4))["seed"].tolist() == wanted
    assert len(record.read_all(tmp_path)) == 3


def test_seeds_differ_and_the_problem_carries_the_visible_table():
    task, method = bbo.load_task("tfbind8"), bbo.load_method("random")
    first, other = (task.problem(seed, budget=4) for seed in (0, 1))
    assert not method.propose(first).equal(method.propose(other))
    assert first.x.shape == (32898, 8) and first.y.max() == np.float32(task.spec.best_visible)
    assert first.privileged("y_max") == 1.0


def test_a_problem_built_by_hand_keeps_its_own_generator():
    made = bbo.load_task("branin").problem(budget=3)
    problem = bbo.Problem(made.x, made.y, made.space, 3, torch.Generator().manual_seed(5))
    method = bbo.load_method("random")
    assert not method.propose(problem).equal(method.propose(problem))


def test_a_task_in_place_of_its_problem_gets_a_clear_error():
    with pytest.raises(bbo.BBOError, match=r"such as task\.problem\(seed=0\); got ThinFilm"):
        bbo.load_method("random").propose(bbo.load_task("thin-film"))


def test_settings_are_the_presets_with_the_changes():
    method = bbo.load_method("coms", preset="smoke", steps=7)
    assert method.settings()["steps"] == 7
    assert method.settings() == {**bbo.load_method("coms", preset="smoke").settings(), "steps": 7}
    assert repr(method) == "bbo.load_method('coms', preset='smoke', steps=7)"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: bbo.load_method("coms", stepz=7), "unknown setting of coms 'stepz'"),
        (lambda: bbo.load_method("coms", steps=0.5), "coms.steps takes int"),
        (lambda: bbo.load_method("coms", preset="quick"), "unknown preset of coms 'quick'"),
        (lambda: bbo.load_task("tfbind9"), "unknown task 'tfbind9'"),
        (lambda: bbo.load_task("branin").problem(seed=-1), "a seed from 0"),
        (lambda: bbo.load_method("adalead", preset="smoke").propose(bbo.load_task("branin").problem()), "does not fit"),
        (lambda: bbo.run("branin", "random", out="x", seeds="a"), "seeds are written like"),
        (lambda: bbo.run("branin", "random", out="x", seeds=[-1]), r"seeds are whole numbers from 0 to 2\^63 - 1; got -1"),
        (lambda: bbo.run("branin", "random", out="x", seeds=2**63), r"from 0 to 2\^63 - 1; got 9223372036854775808"),
        (lambda: bbo.run("branin", "random", out="x", seeds=[1.5]), "got 1.5"),
        (lambda: bbo.run("branin", "random", out="x", seeds=[]), "the list of seeds is empty"),
        (lambda: bbo.run("branin", "random", out="x", seeds=range(100_001)), "at most 100000 seeds; got 100001"),
        (lambda: bbo.run("branin", "random", out="x", budget=4.0), "a whole number; got 4.0"),
        (lambda: bbo.run("branin", "random", out="x", settings={"coms.steps": 1}), "unknown method in --set"),
    ],
)
def test_mistakes_are_told(call, said):
    with pytest.raises(bbo.BBOError, match=said):
        call()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"numerics": "fast"}, "unknown numerics mode 'fast'"),
        ({"device": "gpu"}, "unknown device 'gpu': .*cuda"),
        ({"sandbox": "require"}, "unknown sandbox 'require': did you mean required"),
        ({"threads": 0}, "at least 1 thread, a whole number; got 0"),
        ({"threads": 1.0}, "a whole number; got 1.0"),
        ({"cells_per_process": 0}, r"at least 1 cell \(cells_per_process\), a whole number; got 0"),
        ({"timeout": -1}, "timeout is a finite number from 0, which means no limit; got -1"),
        ({"memory": float("nan")}, "memory is a finite number from 0, .*; got nan"),
        ({"disk": "20"}, "disk is a finite number from 0, .*; got '20'"),
        ({"trace": "no"}, "trace is True or False; got 'no'"),
    ],
)
def test_options_that_no_cell_can_be_run_with_are_refused(options, said):
    with pytest.raises(bbo.BBOError, match=said):
        RunOptions(**options)


def test_options_may_be_numpy_numbers():
    assert RunOptions(timeout=np.float32(2), cells_per_process=np.int64(3)).cells_per_process == 3


@pytest.mark.parametrize("jobs", [0, -1, 1.5])
def test_a_run_without_jobs_is_refused_before_anything_is_written(tmp_path, jobs):
    with pytest.raises(bbo.BBOError, match=f"at least 1 job .*, a whole number; got {jobs}"):
        bbo.run("branin", "random", out=tmp_path / "out", jobs=jobs)
    assert not (tmp_path / "out").exists()
    assert EngineOptions(np.int64(2)).jobs == 2


def test_what_a_suite_leaves_out_can_be_asked_for(tmp_path, monkeypatch):
    asked = []

    def make(request):
        asked.append(request.skip_missing)
        raise bbo.BBOError("enough")

    monkeypatch.setattr("bbo.face.running.make", make)
    for given in ({}, {"skip_missing": False}, {"skip_missing": True}):
        with pytest.raises(bbo.BBOError, match="enough"):
            bbo.run(suite="full", out=tmp_path, **given)
    assert asked == [True, False, True]
