"""The words: one source for the page and for docs/glossary.md, and nothing in a table's head that it does not explain."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import bbo.reporting
from bbo.method import KINDS
from bbo.reporting.board.scores import board
from bbo.reporting.documents import glossary, leaderboard

ROOT = Path(__file__).parents[2]


def test_the_committed_page_is_what_the_words_give() -> None:
    """The fix: python -c "from bbo.reporting.documents import glossary; print(glossary.markdown(), end='')" > docs/glossary.md ."""
    assert (ROOT / "docs" / "glossary.md").read_text() == glossary.markdown()


def test_words_stand_in_the_order_of_the_alphabet() -> None:
    assert list(glossary.WORDS) == sorted(glossary.WORDS)


def test_every_kind_of_method_is_explained_and_seeds_are_those_of_the_column() -> None:
    assert all(f"`{kind}`" in glossary.WORDS["kind"] for kind in KINDS)
    assert "those that failed included" in glossary.WORDS["seeds"]


@pytest.fixture
def found(make):
    designs = {"diversity": 0.2, "duplicates": 0.1, "nearest_offline": 0.3, "novel_share": 1.0}
    more = {"designs": designs, "cost": {"wall_seconds": 1.0, "peak_memory_mb": 2.0}}
    cells = [make(t, n, s, 0.5 + s / 9, **more)[0] for t in ("t1", "t2") for n in ("random", "m") for s in range(3)]
    return board([*cells, make("t1", "one", 0)[0]])


def test_every_head_but_names_is_explained(found) -> None:
    document = leaderboard.document(found, None, "", np.random.default_rng(0))
    heads = {item.text for table in document.tables for item in table.header}
    assert {head for head in heads if not glossary.explain(head)} == {"t1", "t2"}


def test_every_head_of_the_pages_own_tables_is_explained() -> None:
    """The lists of heads in the script: second brackets of `makeTable`, and the lists called HEADS."""
    script = (Path(bbo.reporting.__file__).parent / "templates" / "page" / "views.js").read_text()
    lists = re.findall(r"makeTable\([^\[]*\[([^\]]*)\]", script) + re.findall(r"_HEADS = \[([^\]]*)", script)
    heads = {head for text in lists for head in re.findall(r'"([^"]+)"', text)}
    aliases = re.search(r"const ALIAS = \{(.*?)\};", script, re.DOTALL)[1]
    known = dict(re.findall(r'"?(\w[\w ]*?)"?: "([^"]+)"', aliases))
    assert {"rank", "seconds A", "above chance", "verdict"} <= heads
    unknown = {head for head in heads if known.get(head, head) not in glossary.WORDS}
    assert unknown == set()


def test_tables_say_where_the_words_are(found) -> None:
    assert any("docs/glossary.md" in line for line in leaderboard.document(found, None, "", np.random.default_rng(0)).footer)
