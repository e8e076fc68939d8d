"""Finding tasks and methods."""

import json
import re
import subprocess
import sys

import pytest
from click.testing import CliRunner

from bbo import catalogue
from bbo.cli import main
from bbo.errors import BBOError, Unavailable
from bbo.harness import plan
from bbo.harness.request import Request
from bbo.harness.sandbox import hidden


@pytest.mark.parametrize("reference", ["gradient-acsent", "", "root:x"])
def test_unknown_methods_are_errors(reference):
    with pytest.raises(BBOError, match="unknown method"):
        catalogue.load_method(reference)


def test_near_matches_are_named():
    with pytest.raises(BBOError, match="did you mean tfbind8"):
        catalogue.load_task("tfbind-8")
    with pytest.raises(BBOError, match="did you mean root"):
        catalogue.load_method("roots")


def test_cards_say_what_the_classes_say():
    for name in catalogue.method_ids():
        if catalogue.method_card(name).unavailable:
            continue
        card, loaded = catalogue.method_card(name), catalogue.load_method(name)
        assert (card.spec, card.summary) == (loaded.spec, loaded.summary)
        assert loaded.version.startswith(f"{card.spec.version}.")


def test_local_files(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("class Mine:\n    def propose(self, problem):\n        return problem.x[:problem.budget]\nclass Other: pass\n")
    found = catalogue.load_method(f"{path}:Mine")
    assert found.local
    assert found.id == "Mine"
    text = path.read_text()
    path.write_text("# a comment\n" + text + "class Third:\n    size = 1\n")
    assert catalogue.load_method(f"{path}:Mine").version == found.version
    path.write_text(text.replace("x[:", "x[0:"))
    assert catalogue.load_method(f"{path}:Mine").version != found.version
    path.write_text(text)
    with pytest.raises(BBOError, match="did you mean Mine"):
        catalogue.load_method(f"{path}:Mime")
    with pytest.raises(BBOError, match="needs a method propose"):
        catalogue.load_method(f"{path}:Other")
    with pytest.raises(BBOError, match="must derive from"):
        catalogue.load_task(f"{path}:Mine")
    with pytest.raises(BBOError, match="no file"):
        catalogue.load_method(f"{tmp_path}/nothing.py:Mine")
    path.write_text("import nothing_of_this_name\n")
    with pytest.raises(BBOError, match=r"cannot be imported: line 1: ModuleNotFoundError"):
        catalogue.load_method(f"{path}:Mine")


@pytest.mark.parametrize("words", [["--help"], ["list", "tasks"], ["list", "methods"], ["list", "tasks", "--json"]])
def test_torch_is_not_imported_for(words):
    code = "import sys; from bbo.cli import main\ntry: main()\nfinally: assert 'torch' not in sys.modules, 'torch was imported'"
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "torch was imported" not in done.stderr


def test_a_composed_local_name_is_a_method(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("class Mine:\n    def propose(self, problem):\n        return problem.x[:problem.budget]\n")
    assert not catalogue.is_task(f"{path}:Mine+ignite")
    with pytest.raises(BBOError, match="'Mine' takes no sharpness regulariser"):
        catalogue.load_method(f"{path}:Mine+ignite")


@pytest.mark.parametrize("statement", ["raise KeyboardInterrupt", "raise SystemExit(3)", "import nothing_of_this_name"])
def test_a_local_file_that_ends_while_it_is_imported_is_an_error_with_its_line(statement, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(f"'A file.'\n{statement}\n")
    with pytest.raises(BBOError, match=r"mine\.py cannot be imported: line 2: \w+") as error:
        catalogue.load_method(f"{path}:Mine")
    assert not str(error.value).endswith(": ")


def test_the_authors_code_is_named_with_its_commit_or_release():
    codes = {card.spec.id: card.spec.code for card in catalogue.cards() if card.spec.code}
    assert len(codes) > 20
    assert {id: code for id, code in codes.items() if not re.search(r" (@[0-9a-f]{7}|\d+\.\d+\.\d+)", code)} == {}


def test_patterns_expand_to_what_they_match():
    assert catalogue.expand_tasks("rna-*") == ["rna-a", "rna-ab-50", "rna-b", "rna-c"]
    variants = catalogue.expand_tasks("tfbind8:*")
    assert len(variants) == len(catalogue.load_task("tfbind8").variants())
    assert all(name.startswith("tfbind8:") for name in variants)
    assert catalogue.expand_methods("all") == catalogue.method_ids()
    assert catalogue.expand_methods("gradient-ascent+ignite") == ["gradient-ascent+ignite"]
    with pytest.raises(BBOError, match="did you mean rna-a, rna-b or rna-c"):
        catalogue.expand_tasks("rna-x*")


def test_a_local_task_that_exits_while_it_is_made_is_an_error(tmp_path):
    path = tmp_path / "task.py"
    path.write_text(
        "from bbo.task import Task\nclass Mine(Task):\n    def __init__(self): raise SystemExit(3)\n    dataset = oracle = None\n"
    )
    with pytest.raises(BBOError, match="Mine cannot be used as a task: SystemExit: 3"):
        catalogue.load_task(f"{path}:Mine")


BROKEN = """
from bbo.task import Task

class Plain: pass

def function(): pass

class Bare(Task):
    def dataset(self): raise RuntimeError("no data")
    def oracle(self, x): pass

class Init(Bare):
    def __init__(self): raise RuntimeError("no object")

class NoTable(Bare):
    @property
    def spec(self): return __import__("bbo").load_task("branin").spec

class NoDataset(NoTable):
    def dataset(self): return None

class Exits(NoTable):
    def dataset(self): raise SystemExit(4)
"""
POINTS = """
[bbo.tasks]
x-raises = broken_at_its_top:A
x-exits = broken_by_an_exit:A
x-below = broken_at_its_top.below:A
x-absent = broken_tasks:Nothing
x-plain = broken_tasks:Plain
x-function = broken_tasks:function
x-init = broken_tasks:Init
x-bare = broken_tasks:Bare
x-table = broken_tasks:NoTable
x-none = broken_tasks:NoDataset
x-ends = broken_tasks:Exits
[bbo.baselines]
x-method = broken_at_its_top:M
"""


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """An installed package whose tasks and methods are broken in every way."""
    caches = (catalogue._points, catalogue._listed, hidden._tasks)
    (tmp_path / "broken-1.dist-info").mkdir()
    (tmp_path / "broken-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (tmp_path / "broken-1.dist-info" / "entry_points.txt").write_text(POINTS)
    (tmp_path / "broken_tasks.py").write_text(BROKEN)
    (tmp_path / "broken_by_an_exit.py").write_text("raise SystemExit(3)\n")
    (tmp_path / "broken_at_its_top.py").write_text(
        "class M:\n    def propose(self, problem): pass\nraise RuntimeError('at the\\ntop')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for cached in caches:
        cached.cache_clear()
    yield
    monkeypatch.undo()
    for cached in caches:
        cached.cache_clear()
    for module in [name for name in sys.modules if name.startswith("broken_")]:
        del sys.modules[module]


@pytest.mark.usefixtures("broken")
def test_a_broken_package_is_unavailable_and_disturbs_no_other():
    listed = {row["id"]: row for row in json.loads(CliRunner().invoke(main, ["list", "tasks", "--json"]).stdout)}
    assert listed["branin"]["available"]
    assert listed["x-raises"]["why_not"] == "'x-raises' cannot be loaded: RuntimeError: at the top"
    for name, said in {
        "x-exits": "SystemExit: 3",
        "x-below": "RuntimeError: at the top",
        "x-absent": "has no attribute 'Nothing'",
        "x-plain": "must derive from bbo.task.Task; got <class",
        "x-function": "must derive from bbo.task.Task; got <function",
        "x-init": "RuntimeError: no object",
        "x-bare": "has no attribute 'spec'",
    }.items():
        assert not listed[name]["available"] and said in listed[name]["why_not"], name
    for name in ("x-plain:a", "x-raises:a"):
        with pytest.raises(Unavailable):
            catalogue.load_task(name)
    made = plan.make(Request(("branin", "x-*"), ("random", "x-method"), (0,), skip_missing=True))
    assert [cell.spec.label() for cell in made] == ["branin / random / seed 0"]
    assert len(made.skipped) == 12 and made.skipped["x-table"].endswith("cannot be made: RuntimeError: no data")
    assert "bbo.tasks.tfbind8" in hidden.list_hidden(None).modules
