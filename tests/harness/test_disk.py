"""What a method writes to disk: a limit that ends its cell alone, and private folders that are hard to remove."""

import os
import textwrap
import time

import pytest

from bbo import files
from bbo.harness.sandbox.disk import Disk

NESTS = """
here = os.open(".", os.O_RDONLY)
for i in range(3000):
    os.mkdir("d", dir_fd=here)
    below = os.open("d", os.O_RDONLY, dir_fd=here)
    os.close(here)
    here = below
"""
FILLS = {
    "Fills": """
    for i in range(400):
        open(str(i), "wb").write(bytes(2**20))
        time.sleep(0.02)
    """,
    "FillsInvisibly": """
    kept = [open("a", "wb") for i in range(1) if not os.path.exists("b")]
    for i in range(400):
        kept.append(open(str(i), "wb"))
        kept[-1].write(bytes(2**20))
        kept[-1].flush()
        os.remove(str(i))
        time.sleep(0.02)
    """,
    "FillsByAChild": """
    program = "import os, time\\nf = [open(str(i), 'wb', 0) for i in range(40)]\\nfor one in f:\\n"
    program += "    one.write(bytes(2**21)); os.remove(one.name)\\ntime.sleep(60)"
    subprocess.run([sys.executable, "-c", program])
    """,
    "Nests": NESTS + "time.sleep(60)",
}


@pytest.mark.parametrize("name", FILLS)
def test_a_method_that_fills_the_disk_costs_its_cell_alone(lab, name):
    fills = lab.body(name, textwrap.dedent(FILLS[name]) + "\nreturn problem.x[:problem.budget]")
    failed, good = lab.run([*lab.plan(fills), *lab.plan("Good")], disk=0.03)
    assert failed.error["reason"] == "disk", failed.error
    assert ("nested too deeply" if name == "Nests" else "more than the 0.03 GB allowed") in failed.error["message"]
    assert good.done


def test_no_single_file_exceeds_the_limit(lab):
    big = lab.body("Big", "with open('a', 'wb') as file: file.truncate(2**26)\nreturn problem.x[:problem.budget]")
    (found,) = lab.run(lab.plan(big), disk=0.03)
    assert found.error["type"] == "OSError" and "File too large" in found.error["message"]
    assert lab.run(lab.plan(big, seeds=(1,)), disk=0)[0].done


def test_a_deep_folder_is_removed_after_the_cell(lab):
    """A folder nested deeper than Python's stack ended the whole run."""
    deep = lab.body("Deep", NESTS + "return problem.x[:problem.budget]")
    where = lab.body("Where", "problem.note(folder=os.getcwd())\nreturn problem.x[:problem.budget]")
    first, second = lab.run([*lab.plan(deep), *lab.plan(where)], disk=0)
    assert first.done and second.done
    assert not os.path.exists(second.notes["folder"])


def test_a_tree_is_removed_whatever_its_shape(tmp_path):
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    (tree / "a" / "b" / "c").mkdir(parents=True)
    (tree / "a" / "b" / "c" / "file").write_text("x")
    (tree / "a" / "link").symlink_to(outside)
    (tree / "gone").symlink_to("nowhere")
    os.mkfifo(tree / "a" / "pipe")
    here = os.open(tree, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    os.chmod(tree / "a" / "b", 0)
    files.remove_tree(tree)
    assert not tree.exists()
    assert (outside / "kept").read_text() == "x"
    files.remove_tree(tmp_path / "none")


def test_no_limit_and_no_use_are_nothing(tmp_path, monkeypatch):
    disk = Disk(str(tmp_path), os.getpid(), 0.001)
    assert disk.over() == 0.0  # too early to look
    start = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: start + 5)
    assert disk.over() == 0.0
    (tmp_path / "a").write_bytes(b"x" * 2_000_000)
    monkeypatch.setattr(time, "monotonic", lambda: start + 50)
    assert 0.002 <= disk.over() < 0.003
    assert Disk(str(tmp_path), os.getpid(), 0).over() == 0.0
