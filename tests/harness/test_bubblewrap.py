"""bubblewrap in the place of Landlock: the same attacks fail, the same work goes on, and a run looks the same."""

import psutil
import pytest

from bbo.harness.sandbox import bubblewrap, confinement, examine, landlock, seccomp
from tests.harness.test_sandbox import ATTACKS, FILTERED, ORDINARY, SILENT, TRY, attempt

pytestmark = pytest.mark.skipif(bool(bubblewrap.refusal()), reason=bubblewrap.refusal() or "it works")
#: Folders that can be listed: what is seen there are the ways to what may be opened.
EMPTY = ("the user's home", "files of other cells")


@pytest.fixture(scope="module")
def tried(tmp_path_factory):
    """What became of each attempt: empty if it succeeded, else the error."""
    program = TRY.replace("landlock.confine(landlock.Allowed(*map(tuple, allowed)))", "os.chdir(WORK)\nlandlock.restrain()")
    assert "restrain" in program
    return attempt(tmp_path_factory.mktemp("wrapped"), program, bubblewrap.words)


@pytest.mark.parametrize("name", {**ATTACKS, **(FILTERED if seccomp.available() else {})})
def test_no_way_to_the_oracle(tried, name):
    assert tried[name] or name in EMPTY


@pytest.mark.parametrize("name", {**ORDINARY, **SILENT})
def test_what_methods_do_all_day_still_works(tried, name):
    if name in SILENT and "RESULT" in SILENT[name]:
        pytest.skip("there is no result to be seen")
    assert tried[name] == ""


@pytest.fixture
def without_landlock(monkeypatch):
    monkeypatch.setattr(landlock, "abi", lambda: 0)
    examine.close()
    yield
    examine.close()


def test_a_run_is_confined_by_it(lab, without_landlock):
    body = f"""
    told = ctypes.CDLL(None).open({str(lab.folder / "task.py")!r}.encode(), 0)  # which the guard within Python does not see
    problem.note(told=told, pids=sorted(int(name) for name in os.listdir("/proc") if name.isdigit()), own=len(open(__file__).read()))
    subprocess.Popen(["sleep", "98"], start_new_session=True)
    return problem.x[:problem.budget]
    """
    (found,) = lab.run(lab.plan(lab.body("Peeks", body, "import ctypes")), memory=8.0)
    assert found.done, found.error
    assert found.provenance["sandbox"] == confinement.name() and confinement.name().startswith("bubblewrap")
    assert found.notes["told"] == -1 and max(found.notes["pids"]) < 1000 and found.notes["own"] > 100
    assert found.cost["cpu_seconds"] > 0 and found.cost["peak_memory_mb"] > 100
    assert not [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "98"]]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_failures_are_told_apart_and_designs_are_those_of_a_run_by_landlock(lab, without_landlock, monkeypatch):
    crash, slow = lab.body("Crash", "os._exit(3)"), lab.body("Slow", "time.sleep(100)")
    planned = lab.plan(crash, slow, "Good")
    results = {r.spec.method: r for r in lab.run(planned, timeout=8)}
    assert {name: (r.error or {}).get("reason") for name, r in results.items()} == {
        "Crash": "crash",
        "Slow": "timeout",
        "Good": None,
    }
    assert "exit code 3" in results["Crash"].error["message"]
    (good,) = lab.plan("Good")
    monkeypatch.undo()
    (again,) = lab.run([good], lab.folder / "other")
    assert not again.provenance["sandbox"].startswith("bubblewrap")
    assert (lab.designs(good.spec) == lab.designs(good.spec, lab.folder / "other")).all()


def test_the_reason_why_it_cannot_be_used_is_told(monkeypatch, tmp_path):
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\necho 'bwrap: no namespaces here' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "no namespaces here" in bubblewrap.refusal.__wrapped__()
    program.write_text("#!/bin/sh\nexit 0\n")
    assert bubblewrap.refusal.__wrapped__() == ""
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    assert bubblewrap.refusal.__wrapped__() == "bubblewrap is not installed"
