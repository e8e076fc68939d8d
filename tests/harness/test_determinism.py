"""The determinism contract: same cell, same stack, same device type and thread count: the same designs bit for bit."""

import numpy as np
import pytest

from bbo import catalogue
from bbo.errors import Unavailable
from bbo.harness import again
from bbo.harness.folder import prepare
from bbo.harness.host import Host
from bbo.harness.options import RunOptions
from bbo.harness.run import run_cells

# All of this file on one of pytest's workers: the three runs are made once.
pytestmark = pytest.mark.xdist_group("determinism")


def runnable() -> list[str]:
    found = []
    for name in catalogue.method_ids():
        try:
            catalogue.load_method(name)
        except Unavailable:
            continue
        found.append(name)
    return found


@pytest.fixture(scope="module", params=[1, pytest.param(2, marks=pytest.mark.slow)], ids=["1 thread", "2 threads"])
def three_runs(request, module_lab):
    """Every method on both kinds of space: twice in the same order in two processes, and once in another order in a third."""
    lab, threads = module_lab, request.param
    plans = [lab.plan(*runnable(), task=task, preset="smoke") for task in ("Slope", "Letters")]
    cells = [cell for made in plans for cell in made]
    for name, order in (("first", cells), ("second", cells), ("other order", cells[::-1])):
        out = lab.folder / f"{name} {threads}"
        prepare(out)
        # More cells than a process takes by default, so that all cells of a run share one process.
        run_cells(order, out, RunOptions("cpu", threads, cells_per_process=1000))
    return lab, cells, threads


@pytest.mark.parametrize("name", runnable())
@pytest.mark.parametrize("task", ["slope", "letters"])
def test_same_bits_in_two_processes_and_in_any_order(three_runs, name, task):
    lab, cells, threads = three_runs
    (spec,) = (c.spec for c in cells if (c.spec.method, c.spec.task) == (name, task))
    first, second, other = (lab.designs(spec, lab.folder / f"{name} {threads}") for name in ("first", "second", "other order"))
    assert (first == second).all()
    assert (first == other).all()


UNSTABLE = "return problem.x[:problem.budget] * (0.5 + 0.1 * (time.time_ns() % 1000) / 1000)"


def test_rerun_says_equal_or_how_far_apart_and_leaves_the_folder_alone(lab):
    results = lab.run(lab.plan("Good", lab.body("Unstable", UNSTABLE), seeds=(0, 1)))
    before = {path: path.stat().st_mtime_ns for path in lab.out.rglob("*")}
    verdicts = {(v.record.spec.method, v.record.spec.seed): v for v in again.rerun(lab.out, 10)}
    assert {key: v.equal for key, v in verdicts.items()} == {(r.spec.method, r.spec.seed): r.spec.method == "Good" for r in results}
    assert "16 of 16 designs differ, a coordinate by up to" in verdicts["Unstable", 0].text
    assert verdicts["Unstable", 0].stack == {}
    assert before == {path: path.stat().st_mtime_ns for path in lab.out.rglob("*")}
    assert len(list(again.rerun(lab.out, 1))) == 1


def test_rerun_names_what_differs_in_the_stack_and_what_cannot_be_run(lab):
    (result,) = lab.run(lab.plan("Good"))
    cell = lab.out / "cells" / result.spec.hash / "cell.json"
    cell.write_text(cell.read_text().replace(f'"torch": "{result.provenance["packages"]["torch"]}"', '"torch": "1.0"'))
    (verdict,) = again.rerun(lab.out, 1)
    assert verdict.stack == {"packages.torch": ("1.0", result.provenance["packages"]["torch"])}
    (lab.folder / "good.py").write_text((lab.folder / "good.py").read_text().replace("problem.budget, 3", "problem.budget, 3 + 0"))
    (verdict,) = again.rerun(lab.out, 1)
    assert not verdict.equal
    assert "the version of the method is" in verdict.text


def test_rescore_matches_and_notices_an_altered_score(lab):
    results = lab.run(lab.plan("Good", seeds=(0, 1)))
    assert all(v.equal for v in again.rescore(lab.out))
    path = lab.out / "cells" / results[0].spec.hash / "designs.npz"
    with np.load(path) as arrays:
        stored = dict(arrays)
    np.savez(path, **{**stored, "scores": stored["scores"] + 0.5})
    wrong = [v for v in again.rescore(lab.out) if not v.equal]
    assert [v.record.spec.seed for v in wrong] == [0]
    assert "differ by up to 0.5" in wrong[0].text


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
        host = Host(lab.out, RunOptions(threads=2))
        judged = host.evaluate(next(iter(made)))
        host.close()
        notes.append(judged[0].notes)
    assert set(notes[0]["threads"]) == {2}
    assert notes[0] == notes[1]
