"""The documents' code runs as it stands: Python blocks from top to end, and the commands of the shell blocks."""

import importlib.util
import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from bbo.cli import main
from bbo.proposals import model, search

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
#: A command in a fenced or indented block, with what follows a backslash at the end of its line.
COMMAND = re.compile(r"^(?: {4})?(bbo (?:.*\\\n)*.*)$", re.MULTILINE)
#: The blocks of CONTRIBUTING.md are files rather than scripts; tests/cli/test_contributing.py runs them.
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
WITH_CODE = [path for path in DOCUMENTS if BLOCK.search(path.read_text(encoding="utf-8"))]
PROPOSE, TUTORIAL = ROOT / "docs" / "propose.md", ROOT / "docs" / "tutorial.md"
EXAMPLE = "## A worked example"


def commands(text):
    """The words of each `bbo` command of a document, without comments; of fenced blocks and of those that are indented."""
    fences = re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    blocks = [block for language, block in fences if language in ("", "sh", "bash", "console")]
    blocks += re.findall(r"^(?: {4}\S.*\n)+", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    return [shlex.split(found.replace("\\\n", " "), comments=True)[1:] for block in blocks for found in COMMAND.findall(block)]


def run(words):
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, (words, done.output)
    return done.output


def run_python(path):
    names: dict[str, object] = {"__name__": "__main__"}
    for number, block in enumerate(BLOCK.findall(path.read_text(encoding="utf-8")), 1):
        exec(compile(block, f"{path.name}, block {number}", "exec"), names)


@pytest.mark.parametrize("path", WITH_CODE, ids=lambda path: path.name)
def test_its_code_runs(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run_python(path)
    # A comment after `print(..)` is what it prints.
    for said in re.findall(r"print\(error\)  # (.*)", path.read_text(encoding="utf-8")):
        assert said in capsys.readouterr().out


def test_documents_with_code_are_found():
    assert {"README.md", "python.md", "migration.md"} <= {path.name for path in WITH_CODE}
    assert len(commands(PROPOSE.read_text())) == 8 and len(commands(TUTORIAL.read_text())) >= 15


@pytest.mark.parametrize(
    "path", [*DOCUMENTS, ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("results/*.md"))], ids=lambda path: path.name
)
def test_its_commands_and_options_exist(path):
    for words in commands(path.read_text(encoding="utf-8")):
        command, context = main, click.Context(main)
        while isinstance(command, click.Group):
            name, *words = words
            command = command.get_command(context, name)
            assert command, name
            context = click.Context(command, parent=context, info_name=name)
        try:
            command.make_parser(context).parse_args(words)
        except click.UsageError as error:
            raise AssertionError(f"{path.name}: bbo {context.info_name} {' '.join(words)}: {error.message}") from None


@pytest.fixture
def quick(monkeypatch):
    """A shorter search and likelihood fit: whether a command runs does not depend on how good its proposals are."""
    monkeypatch.setattr(search, "GENERATIONS", 3)
    monkeypatch.setattr(search, "CHILDREN", 50)
    monkeypatch.setattr(model, "ITERATIONS", 5)


def briefly(words):
    """A backtest of one method, once; other commands as they stand."""
    return [*words, "--method", "random", "--repeats", "1"] if words[0] == "backtest" else words


@pytest.mark.usefixtures("quick")
def test_the_commands_for_a_table_run(tmp_path, monkeypatch):
    """Those before the worked example, on a table with the columns that the document shows."""
    spec = importlib.util.spec_from_file_location("laboratory", ROOT / "tests" / "proposals" / "laboratory.py")
    laboratory = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(laboratory)
    monkeypatch.chdir(tmp_path)
    laboratory.table(rows=60).to_csv("runs.csv", index=False)
    for words in commands(PROPOSE.read_text().partition(EXAMPLE)[0]):
        run(briefly(words))
    assert {"next.csv", "report.html", "space.toml"} <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.usefixtures("quick")
def test_the_worked_example_runs(tmp_path, monkeypatch):
    """Training runs of networks as categories, and as a mixed table with constraints."""
    monkeypatch.chdir(tmp_path)
    run_python(PROPOSE)
    for words in commands(PROPOSE.read_text().partition(EXAMPLE)[2]):
        run(briefly(words))
    assert {"next.csv", "report.html", "mixed.csv"} <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.slow
@pytest.mark.numerics
def test_the_worked_example_gives_what_it_says(tmp_path, monkeypatch):
    """About 60 seconds of one core."""
    monkeypatch.chdir(tmp_path)
    run_python(PROPOSE)
    text = PROPOSE.read_text().partition(EXAMPLE)[2]
    said = "\n".join(run(words) for words in commands(text))
    lines = [line.split() for line in said.splitlines()]
    scores = re.search(r"^percentile .*?(?=```)", text, re.DOTALL | re.MULTILINE).group().splitlines()
    assert len(scores) == 4 and all(line.split() in lines for line in scores)
    notes = re.findall(r"^- .*(?:\n  .*)*", text, re.MULTILINE)
    assert len(notes) == 2 and all(" ".join(note.split()) in " ".join(said.split()) for note in notes)
    found = [line.replace("+-", "±").split("\t")[:3] for line in said.splitlines()]
    table = [[cell.strip() for cell in line.split("|")] for line in re.findall(r"^\| (.*) \|$", text, re.MULTILINE)]
    assert len(table) == 9 and all(row in found for row in table if row[0] != "---")


@pytest.mark.slow
def test_the_tutorial_runs(tmp_path, monkeypatch):
    """Its commands in their order, at settings that take a second: about 20 seconds of one core."""
    monkeypatch.chdir(tmp_path)
    for words in commands(TUTORIAL.read_text()):
        run([*words, "--preset", "smoke"] if words[0] == "run" else words)
    assert "MyMethod" in run(["report", "runs/first"]) and "my-task" in run(["report", "runs/mine"])
