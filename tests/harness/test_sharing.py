"""What cells may share through `problem.shared`: nothing of another method, and nothing that only privileged knowledge could tell."""

import contextlib
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

from bbo import versions
from bbo.harness import host, plan
from bbo.harness.request import Request
from bbo.harness.sandbox import wire
from bbo.harness.seeds import cell_seed

SHARES = """
x = problem.shared("a", {"size": 3}, lambda: torch.full((3,), float(os.getpid())))
problem.note(value=x[0].item(), pid=os.getpid())
return problem.x[:problem.budget]
"""


def test_an_array_is_found_by_later_cells_of_its_method_and_by_no_other(lab):
    mine, other = lab.body("Mine", SHARES), lab.body("Other", SHARES)
    first, second, theirs = lab.run(list(lab.plan(mine, seeds=(0, 1))) + list(lab.plan(other)))
    assert second.notes["value"] == first.notes["value"] == first.notes["pid"]
    assert theirs.notes["value"] == theirs.notes["pid"] != first.notes["pid"]
    assert (first.notes["shared"]["a"], second.notes["shared"]["a"], theirs.notes["shared"]["a"]) == ("made", "found", "made")
    changed = lab.body("Mine", SHARES + "\n# changed\nx = 1")
    (third,) = lab.run(lab.plan(changed, seeds=(2,)))
    assert third.notes["shared"]["a"] == "made"


def test_a_table_that_one_task_shows_is_gone_when_another_task_comes(lab, kept):
    remembers = lab.body(
        "Remembers",
        "seen = list(TABLES)\nTABLES.append(problem.x.sum().item())\nproblem.note(seen=seen)\nreturn problem.x[:16]",
        "TABLES = []",
    )
    cells = [*lab.plan(remembers, seeds=(0, 1)), *lab.plan(remembers, task="Letters"), *lab.plan(remembers, seeds=(2,))]
    assert [len(r.notes["seen"]) for r in lab.run(cells)] == [0, 1, 0, 0]


def test_a_key_of_another_method_is_out_of_reach_even_by_raw_messages(lab):
    """The host adds whose arrays they are; a process may name any key it likes."""
    raw = """
    from bbo.harness.sandbox import wire
    reply = problem._privileged._channel.ask(wire.Fetch("the key"))
    found = isinstance(reply, np.ndarray)
    if not found:
        problem._privileged._channel.send(wire.Keep("the key", np.arange(5.0)))
    problem.note(found=found)
    return problem.x[:problem.budget]
    """
    names = [lab.body(name, raw) for name in ("One", "Two")]
    found = {r.spec.method: r for r in lab.run([*lab.plan(*names), *lab.plan(names[0], seeds=(1,))]) if r.spec.seed == 0}
    assert not found["One"].notes["found"] and not found["Two"].notes["found"]
    assert lab.run(lab.plan(names[0], seeds=(2,)))[0].notes["found"]


def test_a_new_version_of_shared_code_finds_no_array_of_the_old_one(lab, monkeypatch):
    """Whatever module it is of; two methods of one package still find each other's."""
    request = Request((f"{lab.folder}/task.py:Slope",), ("root", "root-corrected"), (0,), "smoke")
    one, two = plan.make(request)
    key = host._shared_key(one, "a", {})
    assert host._shared_key(two, "a", {}) == key
    version_of = versions._version_of
    for module in ("bbo.surrogates.training", "bbo.generative.walk_family", "bbo.search.ascent", "bbo.encoding"):
        monkeypatch.setattr(versions, "_version_of", lambda name, module=module: version_of(name) + (name == module))
        assert host._shared_key(one, "a", {}) != key
    monkeypatch.setattr(versions, "_version_of", version_of)
    assert host._shared_key(one, "a", {}) == key


def test_what_was_made_after_a_request_for_privileged_knowledge_reaches_no_cell_that_did_not_make_it(lab):
    seeds = [cell_seed(cell.spec) for cell in lab.plan(lab.body("Smuggles", "pass"), seeds=(0, 1, 2, 3))]
    body = f"""
    def make():
        if seed in {[seeds[0], seeds[1], seeds[3]]}:
            problem.privileged("y_max")
        return torch.tensor([float(seed in {[seeds[0], seeds[1], seeds[3]]})])
    seed = problem.generator.initial_seed()
    if seed in {[seeds[1], seeds[3]]}:
        problem.privileged("y_max")
    problem.note(value=problem.shared("a", {{}}, make).item())
    return problem.x[:problem.budget]
    """
    name = lab.body("Smuggles", body)
    late, early, never, again = lab.run(lab.plan(name, seeds=(0, 1, 2, 3)))
    assert late.notes["shared"]["a"] == early.notes["shared"]["a"] == "made"
    assert never.notes["value"] == 0.0 and never.method["privileged"] == []
    assert again.notes["shared"]["a"] == "found" and again.method["privileged"] == ["y_max"]


KEPT = {
    "Unasked": "channel.send(wire.Keep('never asked', np.zeros(3)))",
    "Twice": "channel.ask(wire.Fetch('b')); channel.send(wire.Keep('b', np.zeros(3))); channel.send(wire.Keep('b', np.ones(3)))",
    "Text": "channel.ask(wire.Fetch('c')); channel.send(wire.Keep('c', np.array(['text'])))",
    "Many": "[channel.ask(wire.Fetch(str(i))) for i in range(101)]",
    "ManyKept": "for i in range(101): channel.ask(wire.Fetch(str(i))); channel.send(wire.Keep(str(i), np.zeros(3)))",
}


def test_an_array_that_was_not_asked_for_costs_the_cell(lab):
    head = "from bbo.harness.sandbox import wire"
    end = "\ntime.sleep(0.3)\nreturn problem.x[:problem.budget]"
    names = [lab.body(name, f"channel = problem._privileged._channel\n{text}{end}", head) for name, text in KEPT.items()]
    assert {r.spec.method: r.error and r.error["reason"] for r in lab.run(lab.plan(*names))} == dict.fromkeys(KEPT, "crash")


@pytest.mark.parametrize("array", [np.array(["a"]), np.zeros(1, complex), np.zeros((1,) * 9), np.zeros(1, "M8[s]")])
def test_a_shared_array_is_of_numbers_and_of_few_dimensions(array):
    with pytest.raises(wire.Garbage, match="array of numbers"):
        wire.decode(wire.encode("t", wire.Keep("key", array)))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no subreaper")
def test_a_daemon_ends_though_the_host_was_killed(lab):
    body = """
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execve("/bin/sleep", ["sleep", "98765"], {})
        os._exit(0)
    time.sleep(600)
    """
    words = ["run", "-t", f"{lab.folder}/task.py:Slope", "-b", lab.body("Daemon", body), "--seeds", "0", "--out", str(lab.out)]
    runner = psutil.Popen([sys.executable, "-m", "bbo.cli", *words], stderr=subprocess.DEVNULL)

    def daemons():
        found = []
        for process in psutil.process_iter(["cmdline", "status"]):
            if process.info["cmdline"] == ["sleep", "98765"] and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process)
        return found

    try:
        deadline = time.monotonic() + 120
        while not daemons():
            assert time.monotonic() < deadline and runner.poll() is None
            time.sleep(0.2)
        runner.kill()
        deadline = time.monotonic() + 20
        while daemons() and time.monotonic() < deadline:
            time.sleep(0.2)
        assert daemons() == []
    finally:
        runner.kill()
        runner.wait()
        for process in daemons():
            with contextlib.suppress(psutil.Error):
                process.kill()
