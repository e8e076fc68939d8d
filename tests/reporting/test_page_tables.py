"""The tables of the page in a real browser: every head sorts and is explained, in every view."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bbo.cli import main
from bbo.record import write

FAMILY = {
    "tfbind8": "sequences",
    "tfbind10": "sequences",
    "branin": "synthetic",
    "ackley-20": "synthetic",
    "superconductor": "materials",
}
LEVEL = {"random": 0.5, "offline-best": 0.4, "root": 0.9, "coms": 0.7, "coms+ignite": 0.75, "late": 0.6}
VIEWS = ("pair?a=coms&b=late", "cell?m=root&t=tfbind8", "method-root", "task-tfbind8", "tables")
EMPTY = ("·", "\N{EN DASH}", "")


@pytest.fixture(scope="module")
def made(make, tmp_path_factory) -> Path:
    """A page with every sort of table: families, published scores, methods that failed, do not fit, or were run on some tasks."""
    folder = tmp_path_factory.mktemp("tables")
    for t, (task, family) in enumerate(FAMILY.items()):
        for m, (method, level) in enumerate(LEVEL.items()):
            if method == "late" and t > 2:
                continue
            for seed in range(11):
                error = {"reason": "crash", "type": "", "message": "killed"} if method == "late" and (t == 1 or seed > 4) else None
                top = level + 0.013 * ((7 * t + 5 * m + 3 * seed) % 11 - 5)
                record, outcome = make(
                    task, method, seed, top, facts={"family": family}, error=error,
                    method_facts={"kind": "floor" if m < 2 else "surrogate", "year": 2019 + m},
                    cost={"wall_seconds": 0.3 * 7**m + seed + t, "peak_memory_mb": 90.0 * (m + 1) + seed},
                    designs={"diversity": 0.1 * m, "duplicates": 0.2, "nearest_offline": 0.3, "novel_share": 1.0 - 0.1 * m},
                )  # fmt: skip
                write(folder / "results", record, outcome)
    out = folder / "page.html"
    call = ["report", str(folder / "results"), "--format", "html", "--published", "--out", str(out)]
    answer = CliRunner().invoke(main, call)
    assert answer.exit_code == 0, answer.output
    return out


def texts(driven: Any, table: str, column: int) -> list[str]:
    """What a reader sees in a column, notes left out."""
    return driven.js(
        """const rows = [...document.querySelector(`.view.current table[data-name="${arguments[0]}"]`).tBodies[0].rows];
        return rows.map((row) => {
          const cell = row.cells[arguments[1]].cloneNode(true);
          for (const note of cell.querySelectorAll("sup")) note.remove();
          return cell.textContent.trim();
        })""",
        table,
        column,
    )


def value(text: str) -> tuple[int, Any]:
    """Numbers first, then words, then what is empty."""
    number = re.match(r"[+-]?\d+(\.\d+)?(e[+-]\d+)?(?![\w+-])", text)
    return (2, 0) if text in EMPTY else (0, float(number[0])) if number else (1, text.lower())


def in_order(found: list[str], descending: bool) -> bool:
    values = [value(text) for text in found]
    pairs = list(pairwise(values))
    return all(a[0] < b[0] or (a[0] == b[0] and (a[1] >= b[1] if descending else a[1] <= b[1])) for a, b in pairs)


@pytest.mark.chromium
@pytest.mark.parametrize("view", VIEWS)
def test_every_head_of_every_table_sorts(drive, made, view) -> None:
    """By a click and by the keyboard; the head says which way, and only the one that sorts."""
    from selenium.webdriver.common.keys import Keys

    driven = drive(made)
    driven.open(view)
    tables = driven.js("return [...document.querySelectorAll('.view.current table')].map((table) => table.dataset.name)")
    assert tables
    for table in tables:
        place = f'.view.current table[data-name="{table}"] thead th'
        heads = driven.browser.find_elements("css selector", place)
        assert len(heads) >= 2
        for i, head in enumerate(heads):
            button = head.find_element("css selector", "button")
            driven.js("arguments[0].click()", button)
            first = head.get_attribute("aria-sort")
            assert first in ("ascending", "descending")
            assert in_order(texts(driven, table, i), first == "descending"), (table, button.text, texts(driven, table, i))
            button.send_keys(Keys.ENTER)
            second = head.get_attribute("aria-sort")
            assert {first, second} == {"ascending", "descending"}
            assert in_order(texts(driven, table, i), second == "descending"), (table, button.text, texts(driven, table, i))
            assert [bool(other.get_attribute("aria-sort")) for other in heads] == [j == i for j in range(len(heads))]
