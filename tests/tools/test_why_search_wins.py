"""docs/why_search_wins.md says what its table of results says."""

import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("why_search_wins", ROOT / "tools" / "why_search_wins.py")
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)


def test_the_tables_of_the_page_are_those_of_the_results():
    text, rows = tool.PAGE.read_text(encoding="utf-8"), tool.read()
    assert tool.page(text, rows) == text
    for row in (*tool.same_process(rows), *tool.regrets(rows)):
        assert row in text


def test_figures_in_the_text_are_in_its_tables():
    lines = tool.PAGE.read_text(encoding="utf-8").splitlines()
    printed = set(re.findall(r"\d\.\d{3}", "\n".join(line for line in lines if line.startswith("|"))))
    for ablation in ("search.md", "root_search.md"):
        printed |= set(re.findall(r"\d\.\d{3}", (ROOT / "results" / "ablations" / ablation).read_text(encoding="utf-8")))
    for table in ("own-across.md", "judged-across.md", "judged-new-across.md", "others.md", "core.md"):
        printed |= set(re.findall(r"\d\.\d{2,3}", (ROOT / "results" / table).read_text(encoding="utf-8")))
    said = re.findall(r"\d\.\d+", "\n".join(line for line in lines if not line.startswith("|")))
    assert said and not set(said) - printed


def test_every_task_of_the_figure_is_drawn():
    rows = tool.read()
    left, right = tool.figure(rows).axes
    tasks = tool.tasks_of(rows, "designs")
    assert len(left.collections) == len(tool.WAYS) * len(tasks)
    assert [text.get_text() for text in right.get_legend().get_texts()] == tool.tasks_of(rows, "selection")


def test_regret_is_what_the_best_model_gains_over_the_average_of_the_chosen():
    models = {"plain": (0.1, 0.3), "reach 4": (0.2, 0.6), "trend": (0.3, 0.4)}
    rows = [{"part": "selection", "task": "tfbind8", "seed": 0, "item": tool.CHOSEN, "score_50": 0.45}]
    rows += [
        {"part": "selection", "task": "tfbind8", "seed": 0, "item": name, "gain": gain, "chosen": 0, "score_50": score}
        for name, (gain, score) in models.items()
    ]
    plain, together, best, correlation, name = tool.selected(rows, "tfbind8", 0)
    assert (plain, together, best, name) == (0.3, 0.45, 0.6, "reach 4") and abs(correlation - 0.5) < 1e-9
    assert "| tfbind8 (1 seed) | 0.300 | 0.450 | 0.600 | reach 4 | 0.150 | +0.50 |" in tool.regrets(rows)
