"""The generated pages of the documentation say what the declarations say."""

import importlib.util
from pathlib import Path

import pytest

from bbo import catalogue

ROOT = Path(__file__).parents[2]


def load(name):
    spec = importlib.util.spec_from_file_location(f"docs_{name}", ROOT / "tools" / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_methods_page_has_facts_presets_settings_and_published_scores():
    text = load("methods").page(catalogue.load_method("coms"))
    assert "| paper | arXiv 2107.06882 |" in text
    assert "- `fast`: `hidden` 128" in text
    assert "| `limit_sequence` | 2.0 | float | tau for sequences (deviations of y) |" in text
    assert "Deviations: Adam's epsilon" in text
    assert "## Published scores" in text and "- tfbind8 " in text
    assert "## Measured scores" in text and "| seconds a cell |" in text
    assert "## Seconds a cell\n\nAt the preset `fast`" in text


def test_measured_scores_are_those_of_unchanged_presets():
    """The few-shot cells of ROOT, whose old records do not say what was changed, stood beside its scores at `paper`."""
    root = load("methods").measured("root")
    assert sum(line.startswith("| tfbind8 | paper") for line in root) == 1 and not any("0.934 ± 0.046" in line for line in root)


def test_seconds_of_a_cell_are_those_of_the_committed_table():
    methods = load("methods")
    text = "| a | b |\n|---|---|\n\n| method | median s | slowest s | on |\n|---|---|---|---|\n| coms | 5.1 | 83.6 | tfbind10 |\n"
    assert "5.1 s as a median over tasks, at most 83.6 s, on tfbind10" in methods.seconds("coms", text)
    assert methods.seconds("roma", text) == ""
    with pytest.raises(ValueError, match="no table"):
        methods.seconds("coms", "| method | s |\n")


def test_a_task_that_can_draw_has_a_picture(tmp_path):
    tasks = load("tasks")
    film = catalogue.load_task("thin-film")
    name = tasks.render(film, tmp_path)
    assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    assert f"]({name})" in tasks.page(film, {}, "No histogram.", name)
    assert tasks.render(catalogue.load_task("branin"), tmp_path) == ""


def test_a_tasks_page_has_its_card_its_floors_and_its_histogram(tmp_path):
    tasks = load("tasks")
    task = catalogue.load_task("branin")
    floors = tasks.floor_rows((ROOT / "results" / "tasks.md").read_text())
    picture = tasks.draw(task, tmp_path / "branin.svg")
    text = tasks.page(task, floors["branin"], picture)
    assert (tmp_path / "branin.svg").stat().st_size > 1000
    assert "| visible rows | 2500 |" in text and "![Histogram" in text and "uniform designs" in picture
    assert "| random 100th |" in text and "0.999 ± 0.001" in text


def test_hidden_designs_of_a_table_are_above_the_visible_ones():
    visible, hidden, words = load("tasks").scores(catalogue.load_task("tfbind8"))
    assert words == "hidden designs" and hidden.min() > visible.max()


@pytest.mark.slow
def test_the_documentation_builds_without_warnings():
    """`make docs` by hand; needs the extra `docs`."""
    import subprocess
    import sys

    done = subprocess.run([sys.executable, "-m", "tools.docs"], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
