"""A disk that fills up: a clear stop, nothing half-written, and the same command finishes later."""

import contextlib
import os
import resource
import subprocess
import sys

import pytest

from bbo import record
from bbo.errors import BBOError
from bbo.harness.folder import prepare


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 KB; needs the right to mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("no right to mount a small file system; the limit on file sizes is tested in any case")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_stops_the_run_and_room_lets_it_finish(lab, small_disk):
    out = small_disk / "out"
    made = lab.plan("Good", seeds=tuple(range(8)))
    prepare(out)
    ballast = small_disk / "ballast"
    with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    os.truncate(ballast, ballast.stat().st_size - 48 * 1024)  # room for a few cells
    with pytest.raises(BBOError, match=r"cannot write results into .*No space left on device.*run the same command again"):
        lab.run(made, out)
    stored = record.read_all(out)
    assert 1 <= len(stored) < 8
    assert all(r.done for r in stored)
    assert not list(out.glob("cells/.tmp-*"))
    for result in stored:
        record.read_outcome(record.cell_folder(out, result.spec.hash))
    with pytest.raises(BBOError, match="cannot write"):
        lab.run(lab.plan("Good", seeds=tuple(range(9))), out)
    ballast.unlink()
    lab.run(made, out)
    assert len(record.read_all(out)) == 8


def test_a_limit_on_file_sizes_is_a_clear_stop(lab):
    """As a quota would: writing fails in the middle of a file. In a process of its own, whose limits may be spoilt."""
    loud = lab.body("Loud", "problem.note(text='x' * 10_000)\nreturn problem.x[:problem.budget]")
    words = ["run", "-t", f"{lab.folder}/task.py:Slope", "-b", loud, "--seeds", "0-2", "--budget", "16", "--out", str(lab.out)]
    command = [sys.executable, "-B", "-m", "bbo.cli", *words]
    stopped = subprocess.run(
        command,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4200, 4200)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert stopped.returncode == 2, stopped.stderr
    assert "cannot write results into" in stopped.stderr
    assert "File too large" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert record.read_all(lab.out) == []
    assert not list(lab.out.glob("cells/.*"))
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert len(record.read_all(lab.out)) == 3
