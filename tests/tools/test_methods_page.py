"""docs/methods.md says what the catalogue says."""

import importlib.util
from pathlib import Path

from bbo import catalogue

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("build_methods_page", ROOT / "tools" / "build_methods_page.py")
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)


def test_the_page_is_up_to_date():
    assert (ROOT / "docs" / "methods.md").read_text(encoding="utf-8") == tool.page(), "run: python tools/build_methods_page.py"


def test_a_section_has_facts_presets_settings_and_published_scores():
    text = tool.section(catalogue.load_method("coms"))
    assert "- paper: arXiv 2107.06882 (2021)" in text
    assert "- preset `fast`: `hidden` 128" in text
    assert "| `limit_sequence` | 2.0 | float | tau for sequences (deviations of y) |" in text
    assert "Published: " in text and "tfbind8 " in text
