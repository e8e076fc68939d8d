"""The determinism contract: same cell, same stack, same device type and thread count: the same designs bit for bit."""

import shutil
import sys
from dataclasses import replace
from functools import cache

import pytest
from click.testing import CliRunner

from bbo import catalogue, record
from bbo.cli import main
from bbo.errors import Unavailable
from bbo.harness import again
from bbo.harness.folder import prepare
from bbo.harness.host import Host
from bbo.harness.options import RunOptions
from bbo.harness.run import run_cells

#: Methods whose cells share the processes of one run. Each shard is one of pytest's groups, so its runs are made once.
SHARD = 4


def runnable() -> list[str]:
    found = []
    for name in catalogue.method_ids():
        try:
            catalogue.load_method(name)
        except Unavailable:
            continue
        found.append(name)
    return found


def shards():
    found = []
    names = runnable()
    for start in range(0, len(names), SHARD):
        shard = names[start : start + SHARD]
        group = pytest.mark.xdist_group(f"determinism {start // SHARD}")
        found += (pytest.param((tuple(shard), 1), name, marks=group, id=name) for name in shard)
        found += (pytest.param((tuple(shard), 2), name, marks=[group, pytest.mark.slow], id=f"{name}, 2 threads") for name in shard)
    return found


@pytest.fixture(scope="module")
def runs_of(module_lab):
    """From (methods, threads) to these methods' cells on both kinds of space, and two folders of results.

    One process runs all cells in order, another in reverse: what a cell finds in its process is never the same.
    """

    @cache
    def made(shard):
        names, threads = shard
        plans = [module_lab.plan(*names, task=task, preset="smoke") for task in ("Slope", "Letters")]
        cells = [cell for plan in plans for cell in plan]
        folders = []
        for order in (cells, cells[::-1]):
            folders.append(module_lab.folder / f"{names[0]} {threads} {len(folders)}")
            prepare(folders[-1])
            # More cells than a process takes by default, so that all cells of a run share one process.
            mode = "portable" if threads == 1 else "native"
            run_cells(order, folders[-1], RunOptions("cpu", threads, cells_per_process=1000, numerics=mode))
        return cells, folders

    return made


@pytest.mark.parametrize(("shard", "name"), shards())
def test_same_bits_in_two_processes_and_in_any_order(runs_of, module_lab, shard, name):
    cells, folders = runs_of(shard)
    mine = [cell.spec for cell in cells if cell.spec.method == name]
    if not mine:
        pytest.skip("fits neither task")
    for spec in mine:
        one, other = (module_lab.designs(spec, folder) for folder in folders)
        assert (one == other).all(), f"on {spec.task}"


UNSTABLE = "return problem.x[:problem.budget] * (0.5 + 0.1 * int.from_bytes(os.urandom(3)) / 2**24)"


def test_rerun_says_equal_or_how_far_apart_and_leaves_the_folder_alone(lab):
    results = lab.run(lab.plan("Good", lab.body("Unstable", UNSTABLE), seeds=(0, 1)))
    before = {path: path.stat().st_mtime_ns for path in lab.out.rglob("*")}
    verdicts = {(v.record.spec.method, v.record.spec.seed): v for v in again.rerun(again.in_folder(lab.out), 10)}
    assert {key: v.equal for key, v in verdicts.items()} == {(r.spec.method, r.spec.seed): r.spec.method == "Good" for r in results}
    assert "16 of 16 designs differ, a coordinate by up to" in verdicts["Unstable", 0].text
    assert verdicts["Unstable", 0].stack == {}
    assert before == {path: path.stat().st_mtime_ns for path in lab.out.rglob("*")}
    assert len(list(again.rerun(again.in_folder(lab.out), 1))) == 1


def rewritten(lab, changed, more=0.0):
    """Store a cell anew, as somebody would who also computes its digest again; with `more` added to its scores."""
    folder = record.cell_folder(lab.out, changed.spec.hash)
    stored = record.read_outcome(folder)
    shutil.rmtree(folder)
    record.write(lab.out, changed, record.Outcome(stored.designs, stored.scores + more, stored.normalised))


def test_rerun_names_what_differs_in_the_stack_and_what_cannot_be_run(lab):
    (result,) = lab.run(lab.plan("Good"))
    older = {**result.provenance, "packages": {**result.provenance["packages"], "torch": "1.0"}}
    rewritten(lab, replace(result, provenance=older))
    (verdict,) = again.rerun(again.in_folder(lab.out), 1)
    assert verdict.stack == {"packages.torch": ("1.0", result.provenance["packages"]["torch"])}
    (lab.folder / "good.py").write_text((lab.folder / "good.py").read_text().replace("problem.budget, 3", "problem.budget, 3 + 0"))
    (verdict,) = again.rerun(again.in_folder(lab.out), 1)
    assert verdict.state == "not run"
    assert "the version of the method is" in verdict.text


def test_rescore_matches_and_notices_an_altered_score(lab):
    results = lab.run(lab.plan("Good", seeds=(0, 1)))
    assert all(v.equal for v in again.rescore(lab.out))
    rewritten(lab, results[0], 0.5)
    wrong = [v for v in again.rescore(lab.out) if not v.equal]
    assert [v.record.spec.seed for v in wrong] == [0]
    assert "differ by up to 0.5" in wrong[0].text


def test_an_oracle_that_exits_fails_its_cell_in_rescore(lab, monkeypatch):
    lab.run(lab.plan("Good"))
    monkeypatch.setattr("bbo.task.Task.score", lambda *given: sys.exit(3))
    (verdict,) = again.rescore(lab.out)
    assert (verdict.state, verdict.text) == ("failed", "the oracle failed: SystemExit: 3")


def test_rescore_needs_no_method_and_counts_what_it_cannot_score(lab):
    def command():
        return CliRunner().invoke(main, ["rescore", str(lab.out), "--run-files"])

    lab.run(lab.plan("Good"))
    (lab.folder / "good.py").write_text((lab.folder / "good.py").read_text().replace("problem.budget, 3", "problem.budget, 3 + 0"))
    assert command().output == "1 of 1 cells match their stored scores\n"
    lab.run(lab.plan(lab.body("Copies", "return problem.x[:problem.budget]"), task="Letters"))
    file = lab.folder / "task.py"
    file.write_text(file.read_text().replace('id="letters", version="1"', 'id="letters", version="2"'))
    answer = command()
    assert answer.exit_code == 0
    assert answer.output.count("letters / Copies / seed 0") == 1 and "the version of the task is" in answer.output
    assert answer.output.endswith("1 of 2 cells match their stored scores; 1 cannot be scored here\n")


def test_provenance_is_complete(lab):
    (result,) = lab.run(lab.plan("Good"))
    found = result.provenance
    wanted = {"packages", "commit", "python", "os", "cpu", "cores", "finished", "device", "device_name", "threads", "blas"}
    assert wanted <= set(found)
    assert {"offline-bbo", "torch", "gpytorch", "botorch", "numpy", "scipy"} <= set(found["packages"])
    assert found["blas"]
    assert set(result.cost) == {"wall_seconds", "cpu_seconds", "peak_memory_mb"}
    assert result.cost["peak_memory_mb"] > 50
    assert len(result.spec.data_hash) == 64


def test_threads_and_hash_seed_are_settled_before_libraries_load(lab):
    look = "from threadpoolctl import threadpool_info\n"
    look += (
        "problem.note(threads=[p['num_threads'] for p in threadpool_info()], order=hash('a'))\nreturn problem.x[:problem.budget]"
    )
    made = lab.plan(lab.body("Looks", look), seeds=(0,))
    notes = []
    for _ in range(2):
        host = Host(lab.out, RunOptions(threads=2, numerics="native"))
        judged = host.evaluate(next(iter(made)))
        host.close()
        notes.append(judged[0].notes)
    assert set(notes[0]["threads"]) == {2}
    assert notes[0] == notes[1]
