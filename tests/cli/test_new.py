"""`bbo new` writes files that pass the checks, and overwrites nothing."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from bbo.catalogue import load_method, load_task
from bbo.cli import main
from bbo.testing import methods, tasks, verdicts


def new(*words):
    return CliRunner().invoke(main, ["new", *map(str, words)])


@pytest.mark.parametrize("kind", ["table", "function", "data"])
def test_a_new_task_passes_every_check(kind, tmp_path):
    done = new("task", "my-own", "--kind", kind, "--to", tmp_path)
    assert done.exit_code == 0, done.output
    reference = f"{tmp_path}/my_own.py:MyOwn"
    assert f"bbo check {reference}" in done.output
    assert [v for v in verdicts(tasks.checks(load_task(reference))) if v.failure] == []
    assert (tmp_path / "my_own.csv").exists() == (kind != "function")


@pytest.mark.parametrize(("copies", "message"), [(0, "1 of 320 designs have no finite score"), (2, "my_own.csv has two rows of")])
def test_a_table_with_a_row_too_few_or_twice_fails_its_check(copies, message, tmp_path):
    new("task", "my-own", "--kind", "table", "--to", tmp_path)
    table = tmp_path / "my_own.csv"
    head, first, *rest = table.read_text().splitlines(keepends=True)
    table.write_text("".join([head, *copies * [first], *rest]))
    told = {v.check: v.failure for v in verdicts(tasks.checks(load_task(f"{tmp_path}/my_own.py:MyOwn")))}
    assert any(message in failure for failure in told.values())
    assert told["whole table: a finite score for every design"]


def test_a_new_method_passes_every_check(tmp_path):
    assert new("method", "my-own", "--to", tmp_path).exit_code == 0
    found = verdicts(methods.checks(load_method(f"{tmp_path}/my_own.py:MyOwn")))
    assert [v for v in found if v.failure] == []


@pytest.mark.slow
def test_the_tests_that_are_written_pass(tmp_path):
    for words in (("method", "my-method"), *(("task", f"my-{kind}", "--kind", kind) for kind in ("table", "function", "data"))):
        assert new(*words, "--to", tmp_path).exit_code == 0
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_nothing_is_overwritten_and_names_are_checked(tmp_path):
    new("method", "mine", "--to", tmp_path)
    (tmp_path / "mine.py").write_text("changed")
    again = new("method", "mine", "--to", tmp_path)
    assert again.exit_code == 2 and "is there already" in again.output
    assert (tmp_path / "mine.py").read_text() == "changed"
    odd = new("task", "My_Task", "--to", tmp_path)
    assert odd.exit_code == 2 and "lower-case words with dashes, like my-task; got 'My_Task'" in odd.output
    nowhere = new("method", "other", "--to", tmp_path / "mine.py" / "below")
    assert nowhere.exit_code == 2 and "cannot write" in nowhere.output


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["method", "random"], "random.py would hide Python's own module"),
        (["method", "none"], "None is a word of Python's own language"),
        (["task", "class"], "class is a word of Python's own language"),
        (["method", "bbo"], "bbo.py would hide the installed package"),
        (["method", "torch"], "torch.py would hide the installed package"),
        (["task", "dataset"], "the class Dataset would hide what its file imports"),
        (["task", "table-task", "--kind", "table"], "the class TableTask would hide"),
        (["method", "method-spec"], "the class MethodSpec would hide"),
    ],
)
def test_names_that_are_taken_are_refused(words, why, tmp_path):
    refused = new(*words, "--to", tmp_path)
    assert refused.exit_code == 2 and why in refused.output and f"choose another name than '{words[1]}'" in refused.output
    assert not list(tmp_path.iterdir())
