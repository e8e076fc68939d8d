"""Finding tasks and methods."""

import subprocess
import sys

import pytest

from bbo import catalogue
from bbo.errors import BBOError


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


def test_patterns_expand_to_what_they_match():
    assert catalogue.expand_tasks("rna-*") == ["rna-a", "rna-ab-50", "rna-b", "rna-c"]
    variants = catalogue.expand_tasks("tfbind8:*")
    assert len(variants) == len(catalogue.load_task("tfbind8").variants())
    assert all(name.startswith("tfbind8:") for name in variants)
    assert catalogue.expand_methods("all") == catalogue.method_ids()
    assert catalogue.expand_methods("gradient-ascent+ignite") == ["gradient-ascent+ignite"]
    with pytest.raises(BBOError, match="did you mean rna-a, rna-b or rna-c"):
        catalogue.expand_tasks("rna-x*")
