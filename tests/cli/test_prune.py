"""`bbo prune`: cells of older versions go, and nothing else."""

import json
import time

import pytest
from click.testing import CliRunner

from bbo.cli import main

MINE = '''
class {name}:
    """Best visible designs, from the {start}th on."""
    def propose(self, problem):
        return problem.x[problem.best(problem.budget + {start})[{start}:]]
'''


def call(*words):
    done = CliRunner().invoke(main, list(map(str, words)))
    assert done.exit_code == 0, done.output
    return done


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two versions of `Mine` (three seeds, then one) and one of `Other`, on two tasks."""
    monkeypatch.chdir(tmp_path)
    write(0)
    run("0-2")
    time.sleep(1.1)  # records know the second in which a cell was finished
    write(5)
    run("0")
    return tmp_path / "r"


def write(start):
    with open("mine.py", "w") as file:
        file.write(MINE.format(name="Mine", start=start) + MINE.format(name="Other", start=1))


def run(seeds):
    call("run", "-t", "tfbind8", "-t", "branin", "-b", "./mine.py:Mine", "-b", "./mine.py:Other", "--seeds", seeds, "--out", "r")


def cells(folder):
    found = [json.loads(path.read_text())["spec"] for path in folder.glob("cells/[!.]*/cell.json")]
    return sorted((spec["task"], spec["method"], spec["method_version"], spec["seed"]) for spec in found)


def state(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_older_versions_go_and_nothing_else(folder):
    before = cells(folder)
    newest = json.loads(call("status", folder, "--json").stdout)
    assert len(before) == 2 * (3 + 1 + 3)
    untouched = state(folder)
    for words in ([], ["--dry-run"], ["--dry-run", "--yes"]):
        shown = call("prune", folder, *words)
        assert "6 of 14 cells would be removed; nothing was" in shown.stdout
        assert "tfbind8 (version 1), Mine" in shown.stdout
        assert "3 cells" in shown.stdout
    assert state(folder) == untouched
    assert "6 of 14 cells removed, 8 left" in call("prune", folder, "--yes").stdout
    after = cells(folder)
    assert set(after) < set(before)
    assert [cell for cell in after if cell[1] == "Other"] == [cell for cell in before if cell[1] == "Other"]
    assert [cell[3] for cell in after if cell[1] == "Mine"] == [0, 0]
    kept = {path: content for path, content in state(folder).items() if path.parts[0] == "cells"}
    assert kept.items() <= untouched.items()
    status = json.loads(call("status", folder, "--json").stdout)
    assert (len(status["done"]), status["missing"]) == (8, [])
    assert {cell["hash"] for cell in status["done"]} < {cell["hash"] for cell in newest["done"]}
    assert "nothing to remove" in call("prune", folder, "--yes").stdout
    assert "6 there already, 0 to run" in run_again("Other", "0-2")
    assert "2 there already, 0 to run" in run_again("Mine", "0")


def run_again(name, seeds):
    return call("run", "-t", "tfbind8", "-t", "branin", "-b", f"./mine.py:{name}", "--seeds", seeds, "--out", "r").stderr


def test_what_was_stopped_half_way_is_finished_by_the_same_command(folder, monkeypatch):
    from bbo.harness import prune

    def stop(path):
        raise KeyboardInterrupt

    monkeypatch.setattr(prune.shutil, "rmtree", stop)
    assert CliRunner().invoke(main, ["prune", str(folder), "--yes"]).exit_code == 130
    monkeypatch.undo()
    monkeypatch.chdir(folder.parent)
    assert json.loads(call("status", folder, "--json").stdout)["missing"] == []
    assert "5 of 13 cells removed, 8 left" in call("prune", folder, "--yes").stdout
    assert len(cells(folder)) == 8
    assert list(folder.glob("cells/.*")) == []
