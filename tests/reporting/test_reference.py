"""Other people's results beside one's own: `bbo report --with`, `bbo compare A reference`."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from bbo.cli import main
from bbo.errors import BBOError
from bbo.reporting.storage import reference, sources

FLOOR = {"kind": "floor"}


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


def test_the_shipped_results_are_the_tables_of_a_folder(own, table) -> None:
    found = reference.beside(sources.load([own]), reference.Path("reference"), table.parent)
    assert {record.spec.method for record in found.records} == {"random", "coms", "mine", "coms (reference)"}


def test_without_such_results_a_line_says_so(own, store, make, tmp_path) -> None:
    with pytest.raises(BBOError, match="comes with no reference results yet"):
        reference.paths(reference.Path("reference"), tmp_path / "none")
    other = store(make("t9", "coms", 0, 0.7), name="other")
    answer = bbo("report", own, "--with", other)
    assert answer.exit_code == 2
    assert answer.stderr.count("\n") == 1
    assert "holds no result on a task of yours" in answer.stderr


def test_two_boards_are_compared_where_one_is_a_table(own, table) -> None:
    text = bbo("compare", own, table).stdout
    assert "| coms" in text
    assert "only in A" in text
    assert "only in B" in text
