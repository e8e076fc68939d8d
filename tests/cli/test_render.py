"""`bbo show`: pictures of designs, and options that do not apply."""

import pytest
from click.testing import CliRunner

from bbo.cli import main


def call(*words):
    return CliRunner().invoke(main, list(map(str, words)))


@pytest.mark.parametrize("name", ["thin-film", "cassini2", "rna-ab-50", "molecule-mpo", "ant", "dkitty"])
def test_pictures_differ_from_design_to_design(name, tmp_path):
    files = [tmp_path / "best.png", tmp_path / "first.png"]
    assert call("show", name, "--render", files[0]).exit_code == 0
    assert call("show", name, "--render", files[1], "--design", 0).exit_code == 0
    pictures = [file.read_bytes() for file in files]
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
    assert pictures[0] != pictures[1]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["tfbind8", "--render", "x.png"], "task 'tfbind8' has no picture of its designs"),
        (["thin-film", "--render", "x.gif"], "--render writes .png, .pdf, .svg; got x.gif"),
        (["thin-film", "--render", "x.png", "--design", "12000"], "has 12000 visible designs"),
        (["root", "--render", "x.png"], "--render draws a row of a task's visible table; root is a method"),
        (["cell", "--render", "x.png", "--design", "3"], "--design shows a row of a task's visible table; cell is a cell"),
        (["cell", "--all"], "--all lists the variants of a task; cell is a cell"),
        (["root", "--best", "5"], "--best counts designs of a cell; root is a method"),
        (["thin-film", "--run-files"], "--run-files runs the file of a cell's task; thin-film is a task"),
        (["tfbind8", "--all", "--design", "3"], "--all lists variants, --design is about one design"),
    ],
)
def test_what_cannot_be_drawn_or_shown_is_refused_in_one_line(words, reason, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cell").mkdir()
    (tmp_path / "cell" / "cell.json").write_text("{}")
    result = call("show", *words)
    assert result.exit_code == 2
    assert reason in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["cell"]
