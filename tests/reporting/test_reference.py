"""Other people's results beside one's own: `bbo report --with`, `bbo compare A reference`."""

from __future__ import annotations

import gzip
import importlib.util
import json
import re
import shlex
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import pytest
from click.testing import CliRunner

from bbo.cli import main
from bbo.reporting.storage import cell_table, reference, sources

FLOOR = {"kind": "floor"}
spec = importlib.util.spec_from_file_location("ship_reference", Path(__file__).parents[2] / "tools" / "ship_reference.py")
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)


def bbo(*args: object):
    return CliRunner().invoke(main, [str(a) for a in args])


@pytest.fixture
def own(store, make):
    return store(
        make("t1", "random", 0, 0.5, method_facts=FLOOR), make("t1", "coms", 0, 0.6), make("t1", "mine", 0, 0.8), name="own"
    )


@pytest.fixture
def table(store, make, tmp_path):
    """A table of cells: on t1, on another version of t1, and on a task that `own` does not have."""
    theirs = store(
        make("t1", "random", 0, 0.5, method_facts=FLOOR),
        make("t1", "random", 1, 0.4, method_facts=FLOOR),
        make("t1", "coms", 0, 0.7),
        make("t1", "root", 0, 0.9, task_version="2"),
        make("t2", "root", 0, 0.9),
        name="theirs",
    )
    assert bbo("collect", theirs, "--to", tmp_path / "field.csv").exit_code == 0
    return tmp_path / "field.csv"


def test_results_on_the_same_tasks_stand_beside_ones_own(own, table) -> None:
    answer = bbo("report", own, "--with", table, "--format", "json", "--percentile", 100)
    assert answer.exit_code == 0, answer.output
    found = {row["method"]: (row["task"], row["mean"], row["n_seeds"]) for row in json.loads(answer.stdout)}
    # A floor is the same method wherever it was run: its seeds come together, and no cell is counted twice.
    assert found == {
        "coms": ("t1", 0.6, 1),
        "coms (field)": ("t1", 0.7, 1),
        "mine": ("t1", 0.8, 1),
        "random": ("t1", pytest.approx(0.45), 2),
    }
    assert f"--with {table}" in bbo("report", own, "--with", table).stdout


@pytest.fixture
def shipped(table, tmp_path, monkeypatch):
    """The package with only this table in it, under the name "field"."""
    folder = tmp_path / "shipped"
    monkeypatch.setattr(reference, "FOLDER", folder)
    monkeypatch.setattr(tool, "FOLDER", folder)
    monkeypatch.setattr("sys.argv", ["ship_reference.py", str(table), "--name", "field"])
    tool.main()
    return folder


def test_shipped_results_are_found_by_name(own, shipped) -> None:
    found = reference.beside(sources.load([own]), Path("field"))
    assert {record.spec.method for record in found.records} == {"random", "coms", "mine", "coms (field)"}
    assert "| root" in bbo("report", "field").stdout
    assert "| coms" in bbo("compare", own, "field").stdout


def test_a_cell_with_two_results_is_not_shipped(table, store, make, tmp_path, monkeypatch) -> None:
    other = store(make("t1", "coms", 0, 0.71), name="another machine")
    monkeypatch.setattr("sys.argv", ["ship_reference.py", str(table), str(other)])
    with pytest.raises(SystemExit, match="two different results of one cell: t1 / coms / seed 0 in"):
        tool.main()


def test_an_unknown_name_is_answered_by_those_that_are_there(own, shipped) -> None:
    for call in (("report", own, "--with", "feild"), ("report", "feild"), ("compare", own, "feild")):
        answer = bbo(*call)
        assert answer.exit_code == 2
        assert answer.stderr.count("\n") == 1
        assert "feild" in answer.stderr
        assert answer.stderr.endswith("by name: field\n")


def test_a_folder_of_that_name_comes_first(own, store, make, shipped, tmp_path, monkeypatch) -> None:
    store(make("t1", "other", 0, 0.3), name="field")
    monkeypatch.chdir(tmp_path)
    found = reference.beside(sources.load([own]), Path("field"))
    assert "other (field)" in {record.spec.method for record in found.records}


def test_results_on_no_task_of_ones_own_are_refused(own, store, make) -> None:
    other = store(make("t9", "coms", 0, 0.7), name="other")
    answer = bbo("report", own, "--with", other)
    assert answer.exit_code == 2
    assert answer.stderr.count("\n") == 1
    assert "holds no result on a task of yours" in answer.stderr
    assert answer.stderr.endswith("it holds: t9\n")


def test_what_their_results_say_besides_scores_comes_along(own, store, make, tmp_path) -> None:
    """A method that does not fit a task has a dash there and no gap; a table too old to notice an altered number says so."""
    store(make("t2", "mine", 0, 0.5), name="own")
    theirs = store(make("t1", "coms", 0, 0.7), make("t2", "root", 0, 0.9), name="theirs")
    reasons = [{"task": "t2", "method": name, "reason": "needs letters"} for name in ("coms", "never")]
    (theirs / "plans").mkdir()
    (theirs / "plans" / "0.json").write_text(json.dumps({"unsuitable": reasons}))
    found = reference.beside(sources.load([own]), theirs)
    assert found.unsuitable == (("t2", "coms (theirs)", "needs letters"),)
    (row,) = (r for r in found.records if r.spec.method == "coms (theirs)")
    assert found.outcome(row).normalised.max() == 0.7
    old = tmp_path / "old.csv"
    assert bbo("collect", theirs, "--to", old).exit_code == 0
    old.write_text(re.sub(r",(sum|[0-9a-f]{16})$", "", old.read_text().replace("\n4,", "\n2,"), flags=re.MULTILINE))
    assert "note: " + str(old) in bbo("report", own, "--with", old).stderr


def test_their_rows_say_where_each_can_be_run_again(own, table, tmp_path) -> None:
    page = tmp_path / "page.html"
    assert bbo("report", own, "--with", table, "--format", "html", "--out", page).exit_code == 0
    stored = {r.spec.method: r.spec.hash for r in sources.load([table]).records if r.spec.task == "t1" and r.spec.seed == 0}
    assert f'"h":["{stored["coms"]}"]' in page.read_text()
    assert f'"from":"{table}"' in page.read_text()
    assert bbo("rerun", table, "--cell", stored["coms"], "--list").exit_code == 0
    assert f"Of a row METHOD (NAME), RESULTS is {table}, and -b METHOD alone." in bbo("report", own, "--with", table).stdout
    assert "METHOD (NAME)" not in bbo("report", own).stdout


def test_the_page_says_which_results_to_run_again(own, table, tmp_path, drive) -> None:
    page, moved = tmp_path / "page.html", tmp_path / "it's a table" / table.name
    moved.parent.mkdir()
    table.rename(moved)
    assert bbo("report", own, "--with", moved, "--format", "html", "--out", page).exit_code == 0
    driven = drive(page)
    for method, results in (("coms (field)", str(moved)), ("mine", "RESULTS")):
        driven.open(f"cell?{urlencode({'m': method, 't': 't1'})}")
        text = driven.one("#cell-body").text
        command = driven.one("#cell-body code").text
        assert shlex.split(command)[:4] == ["bbo", "rerun", results, "--cell"]
        assert ("where RESULTS is" in text) == (results == "RESULTS")


def test_another_result_of_a_floor_is_named_and_ones_own_is_kept(own, store, make) -> None:
    other = store(make("t1", "random", 0, 0.55, method_facts=FLOOR), name="other")
    answer = bbo("report", own, "--with", other, "--format", "json", "--percentile", 100)
    assert "other results of cells that are here too, which are left out: 1, such as t1 / random / seed 0" in answer.stderr
    assert {row["method"]: row["mean"] for row in json.loads(answer.stdout)}["random"] == 0.5


def test_a_damaged_table_is_one_line(own, shipped) -> None:
    path = shipped / "field.csv.gz"
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:20] + b"xxxx" + whole[24:], b"task,seed"):
        path.write_bytes(damaged)
        answer = bbo("report", own, "--with", "field")
        assert answer.exit_code == 2
        assert "cannot be read" in answer.stderr
        assert answer.stderr.count("\n") == 1


def test_packing_keeps_every_cell_but_not_its_command(store, make) -> None:
    record, outcome = make("t1", "coms", 0, 1 / 3)
    record = replace(record, provenance=record.provenance | {"command": "bbo run --out /home/somebody"})
    made = store((record, outcome), make("t1", "root", 1, error={"reason": "crash", "type": "", "message": "killed"}))
    data = tool.packed([made])
    assert data == tool.packed([made])
    text = gzip.decompress(data).decode()
    assert "somebody" not in text
    found = cell_table.from_csv(text).records
    assert [(r.spec.method, r.status, r.percentiles.get("100")) for r in found] == [
        ("coms", "done", 1 / 3),
        ("root", "failed", None),
    ]


def test_what_is_shipped_is_small_and_can_be_read() -> None:
    assert "reference" in reference.names()
    assert sum((reference.FOLDER / f"{name}{reference.SUFFIX}").stat().st_size for name in reference.names()) <= tool.MOST
    for name in reference.names():
        assert any(record.done for record in sources.load([reference.path(Path(name))]).records)


def test_two_boards_are_compared_where_one_is_a_table(own, table) -> None:
    text = bbo("compare", own, table).stdout
    assert "| coms" in text
    assert "only in A" in text
    assert "only in B" in text
