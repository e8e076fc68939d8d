"""What seeds share: made once, found by the others, never half-written, never in the way of a result."""

import types

import numpy as np
import pytest
from filelock import FileLock

from bbo.harness import shelf
from bbo.harness.again import in_folder, rerun
from bbo.harness.host import Host
from bbo.harness.options import RunOptions
from bbo.harness.sandbox import wire
from bbo.harness.sandbox.child import SharedByHost
from bbo.harness.shelf import SharedArrays

SLOW = """
noise = problem.shared("mean", {"of": "y"}, lambda: (time.sleep(1.0), problem.y.mean())[1])
return (torch.rand(problem.budget, 3, generator=problem.generator) * noise.sign()).clamp(-1, 1)
"""


def how(records):
    return sorted(r.notes["shared"]["mean"] for r in records)


def test_made_once_whoever_asks(lab):
    """Three processes ask at the same time; two wait for what the first makes."""
    method = lab.body("Slow", SLOW)
    records = lab.run(lab.plan(method, seeds=(0, 1, 2)), jobs=3)
    assert [r.error for r in records] == [None] * 3
    assert how(records) == ["found", "found", "made"]
    assert how(lab.run(lab.plan(method, seeds=(3,)))) == ["found"]
    assert how(lab.run(lab.plan(method, seeds=(3,)), out=lab.folder / "other")) == ["made"]


def test_sharing_changes_no_result(lab):
    method = lab.body("Slow", SLOW)
    lab.run(lab.plan(method, seeds=(0, 1)))
    assert all(verdict.equal for verdict in rerun(in_folder(lab.out), sample=2))


def test_an_array_of_many_megabytes_is_shared(lab):
    """Larger than all texts of a message, so that only the limit for shared arrays lets it through."""
    method = lab.body("Large", 'problem.shared("mean", {}, lambda: torch.zeros(5_000_000))\nreturn problem.x[:problem.budget]')
    records = lab.run(lab.plan(method, seeds=(0, 1)))
    assert [r.error for r in records] == [None] * 2
    assert how(records) == ["found", "made"]


def test_other_data_other_settings_other_threads(lab):
    method = lab.body(
        "Setting", 'problem.shared("mean", {"of": problem.budget}, problem.y.mean)\nreturn problem.x[:problem.budget]'
    )
    found = [
        lab.run(lab.plan(method)),
        lab.run(lab.plan(method, task="Letters")),
        lab.run(lab.plan(method, budget=17)),
        lab.run(lab.plan(method, seeds=(1,)), threads=2, numerics="native"),
        lab.run(lab.plan(method, seeds=(2,))),
    ]
    assert [how(records) for records in found] == [["made"]] * 4 + [["found"]]


def test_a_maker_that_dies_is_followed_by_another(lab):
    """Seeds cannot be told from inside, so the first to come leaves a mark."""
    body = f"""
    mark = {str(lab.folder / "mark")!r}
    def make():
        if not os.path.exists(mark):
            open(mark, "w").close()
            time.sleep(1.0)
            os._exit(3)
        return problem.y.mean()
    problem.shared("mean", {{}}, make)
    return problem.x[:problem.budget]
    """
    records = lab.run(lab.plan(lab.body("Dying", body), seeds=(0, 1, 2)), jobs=3, sandbox="none")  # for its mark
    assert sorted((r.error or {}).get("reason", "") for r in records) == ["", "", "crash"]
    assert how([r for r in records if r.done]) == ["found", "made"]


def test_what_draws_from_the_generator_cannot_be_shared(lab):
    body = 'problem.shared("noise", {}, lambda: torch.rand(3, generator=problem.generator))\nreturn problem.x[:problem.budget]'
    (record,) = lab.run(lab.plan(lab.body("Draws", body)))
    assert "must not draw from problem.generator" in record.error["message"]


def test_one_makes_others_wait(tmp_path):
    first, second = SharedArrays(tmp_path), SharedArrays(tmp_path)
    assert first.fetch("k") == "make"
    assert second.fetch("k") == "wait"
    assert second.fetch("another") == "make"
    first.let_go()
    assert second.fetch("k") == "make"
    second.keep("k", np.arange(3))
    assert np.array_equal(first.fetch("k"), np.arange(3))


def test_an_array_that_is_not_stored_keeps_no_one_waiting(lab, monkeypatch):
    """Neither one that is too large nor one that may hold privileged knowledge: other cells make theirs at once."""
    sent = []
    channel = types.SimpleNamespace(ask=lambda message: "make", send=sent.append)
    with monkeypatch.context() as patch:
        patch.setattr(wire, "SHARED", 10)
        SharedByHost(channel, []).fetch("k", lambda: np.zeros(3))
    assert [message.array for message in sent] == [None]

    body = """
    channel = problem._privileged._channel
    for key in "ab":
        channel.ask(wire.Fetch(key))
        if key == "b":
            problem.privileged("y_max")
        channel.send(wire.Keep(key, None if key == "a" else np.zeros(3)))
    problem.progress(3, 3)
    return problem.x[:problem.budget]
    """
    (cell,) = lab.plan(lab.body("Unstored", body, "from bbo.harness.sandbox import wire"))
    free = []

    def look(cell, step, total):
        locks = [FileLock(path) for path in (lab.out / "shared").glob("*.lock")]
        for lock in locks:
            with lock.acquire(blocking=False):
                free.append(step)

    host = Host(lab.out, RunOptions("cpu"), on_progress=look)
    try:
        result, _, _ = host.evaluate(cell)
    finally:
        host.close()
    assert result.done
    assert free == [3, 3]


@pytest.mark.parametrize("text", [b"", b"\x93NUMPY", b"no array"])
def test_a_damaged_array_is_made_again(tmp_path, text):
    store = SharedArrays(tmp_path)
    store.fetch("k")
    store.keep("k", np.arange(3))
    (path,) = (tmp_path / "shared").glob("*.npz")
    path.write_bytes(text)
    assert store.fetch("k") == "make"
    store.keep("k", np.arange(3))
    assert np.array_equal(store.fetch("k"), np.arange(3))


def test_without_room_the_cell_goes_on(tmp_path):
    (tmp_path / "shared").write_text("a file where the folder should be")
    store = SharedArrays(tmp_path)
    assert store.fetch("k") == "make"
    store.keep("k", np.arange(3))
    assert store.fetch("k") == "make"


def test_more_than_a_cell_may_share_costs_the_cell(lab, monkeypatch):
    monkeypatch.setattr(shelf, "MOST", 10_000)
    many = "for i in range(5): problem.shared(str(i), {}, lambda: torch.zeros(300, dtype=torch.float64))\nreturn problem.x[:problem.budget]"
    few = many.replace("range(5)", "range(4)")
    results = {r.spec.method: r.error for r in lab.run(lab.plan(lab.body("Many", many), lab.body("Few", few)))}
    assert results["Few"] is None
    assert results["Many"]["reason"] == "crash" and "a cell shares at most" in results["Many"]["message"]
