"""The tables of the page in a real browser: every head sorts and is explained, in every view."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

from bbo.cli import main
from bbo.record import write
from bbo.reporting.board.scores import board
from bbo.reporting.documents import changes, explorer, glossary, leaderboard
from bbo.reporting.documents.document import decimal
from bbo.reporting.formats import page

FAMILY = {
    "tfbind8": "sequences",
    "tfbind10": "sequences",
    "branin": "synthetic",
    "ackley-20": "synthetic",
    "superconductor": "materials",
}
LEVEL = {"random": 0.5, "offline-best": 0.4, "root": 0.9, "coms": 0.7, "coms+ignite": 0.75, "late": 0.6}
VIEWS = ("pair?a=coms&b=late", "cell?m=root&t=tfbind8", "method-root", "task-tfbind8", "tables")
PAPER = {"width": 970, "height": 700}
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
                    method_facts={"kind": "floor" if m < 2 else "surrogate", "year": 2019 + m, "privileged": ["y_max"] * (method == "root")},
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


@pytest.mark.chromium
def test_rows_over_fewer_tasks_come_last_and_say_so(drive, made) -> None:
    """As in the tables; whichever way the others go, and in the figures too."""
    driven = drive(made)
    driven.open()
    assert driven.methods()[-3:] == ["random", "offline-best", "late"]
    mean = "return document.querySelector('#map tr[data-label=\"late\"] td').innerText"
    assert driven.js(mean).endswith(" (3/5)")
    assert [figure for figure in ("standing", "cost", "profile") if "late (" not in driven.marks(figure)] == []
    driven.one('#map th[data-label^="above chance"] button').click()
    assert driven.methods()[-1] == "late"


@pytest.mark.chromium
def test_the_overview_has_the_intervals_of_the_tables(drive, made) -> None:
    """Up to the noise of two bootstraps of 2,000 resamples; they are in reach of the keyboard."""
    driven = drive(made)
    driven.open()
    cells = "[...document.querySelectorAll('#map tbody tr')].map((row) => [row.dataset.label, row.cells[1].dataset.tip, row.cells[1].tabIndex])"
    found = {method: (tip, place) for method, tip, place in driven.js(f"return {cells}")}
    driven.open("tables")
    for method in ("root", "coms", "coms+ignite", "offline-best", "late"):
        (tip, place), table = found[method], driven.row("families-above-chance-100", method)["all"]
        (value, low, high), wanted = ([float(n) for n in re.findall(r"-?\d+\.\d+", text)] for text in (tip, table))
        assert place == 0
        assert value == wanted[0]
        assert [low, high] == pytest.approx(wanted[1:], abs=0.05 * (high - low)), method


@pytest.fixture(scope="module")
def chanceless(make, tmp_path_factory) -> tuple[Path, list[Any]]:
    """A page of two methods without `random`, at the 50th percentile, and its cells: every verdict of a comparison is there."""
    folder, cells = tmp_path_factory.mktemp("chanceless"), []
    noise = (0.00, 0.03, -0.02, 0.01, -0.03, 0.02, 0.04, -0.01)
    sides = {
        "better": [(range(8), 0.5), (range(8), 0.6)],
        "partly": [(range(8), 0.5), (range(4, 12), 0.3)],
        "tiny": [(range(8), 0.5), (range(8), 0.501)],
        "same": [(range(8), 0.5), (range(8), 0.5)],
        "unpaired": [(range(8), 0.5), (range(8, 16), 0.505)],
        "two": [(range(2), 0.5), (range(2), 0.6)],
        "failed": [(range(8), 0.5), (range(8), None)],
        "one": [(range(8), 0.5), ((), 0.5)],
        "other": [((), 0.5), (range(8), 0.5)],
    }
    for task, both in sides.items():
        for method, (seeds, level) in zip("ab", both, strict=True):
            for seed in seeds:
                error = {"reason": "crash", "type": "", "message": "killed"} if level is None else None
                score = (level or 0) + noise[seed % 8]
                cells.append(make(task, method, seed, 1.0, score, error=error, method_facts={"paper": "doi:10.1234/2020.12345"}))
                write(folder / "results", *cells[-1])
    out = folder / "page.html"
    call = ["report", str(folder / "results"), "--format", "html", "--percentile", "50", "--out", str(out)]
    answer = CliRunner().invoke(main, call)
    assert answer.exit_code == 0, answer.output
    return out, [record for record, _ in cells]


@pytest.mark.chromium
def test_two_methods_are_compared_as_by_bbo_compare(drive, chanceless) -> None:
    """With its verdicts, those of tasks that one side lacks included; and a row's A and B give its difference."""
    path, records = chanceless
    left, right = (
        board([replace(r, spec=replace(r.spec, method="m")) for r in records if r.spec.method == method]) for method in "ab"
    )
    wanted = {change.task: change for change in changes.changes(left, right, 50)}
    driven = drive(path)
    driven.open("pair?a=a&b=b")
    found = {task: driven.row("pair", task) for task in wanted}
    assert {task: row["verdict"] for task, row in found.items()} == {task: change.verdict for task, change in wanted.items()}
    assert {row["verdict"] for row in found.values()} == {*changes.VERDICTS} - {"not applicable"}
    for row in found.values():
        if row["difference"] != "\N{MIDDLE DOT}":
            a, b = (float(row[side].split()[0]) for side in "AB")
            assert float(row["difference"]) == pytest.approx(b - a, abs=1.1e-3)
    text = driven.one("#pair-summary").text
    assert re.search(r"failed\s+1\s+only in A\s+1\s+only in B\s+1", text)
    assert "paired over the seeds that both have" in text


@pytest.mark.chromium
def test_a_page_without_random_does_not_speak_of_it(drive, chanceless) -> None:
    """It opens at the percentile of the command."""
    driven = drive(chanceless[0])
    driven.open()
    assert driven.one("#map-title").text == "Normalised score, 50th percentile of the designs"
    assert driven.one("#no-chance").text.startswith("random was not run: entries are normalised scores")
    driven.open("task-better")
    text = driven.one("#task-body dl").text
    assert "random was not run on this task" in text
    assert "better than random" not in text
    driven.open("method-a")
    assert driven.js("return document.querySelectorAll('#method-body a[href*=\"arxiv.org\"]').length") == 0


def known() -> set[str]:
    return {text.replace("`", "") for text in (*glossary.WORDS.values(), *glossary.MARKS.values())}


@pytest.mark.chromium
@pytest.mark.parametrize("view", ["overview", *VIEWS])
def test_every_head_and_mark_has_a_tooltip_from_the_glossary(drive, made, view) -> None:
    """Heads of tables say what the glossary says, or the title of the task they name; notes say their text. By keyboard too."""
    driven = drive(made)
    driven.open(view)
    heads = driven.js(
        """return [...document.querySelectorAll(".view.current thead th")].map((head) => {
          const tip = head.querySelector("[data-tip]") || head;
          return [head.textContent.trim(), tip.dataset.tip || "", tip.tabIndex];
        })"""
    )
    assert heads
    for text, tip, place in heads:
        # The map cuts long names of tasks; their tooltips hold them.
        assert tip in known() or tip.startswith(f"{text}: A made-up task" if view == "overview" else "A made-up task"), (text, tip)
        assert place == 0, text
        if text == "verdict":
            assert tip == glossary.WORDS["verdict" if view.startswith("pair") else "verdict, published"]
    marks = driven.js(
        """return [...document.querySelectorAll(".view.current sup a, .view.current .legend [data-tip]")]
          .map((mark) => [mark.textContent, mark.dataset.tip || "", mark.tabIndex])"""
    )
    notes = dict(
        driven.js(
            """return [...document.querySelectorAll(".notes li")]
              .map((note) => [note.querySelector("sup").textContent, note.innerText])"""
        )
    )
    for text, tip, place in marks:
        assert tip in known() or (text in notes and tip in notes[text]), (text, tip)
        assert tip
        assert place == 0, text
    if view in ("overview", "tables"):
        assert len(marks) >= 3
    driven.js("document.querySelector('.view.current thead button').focus()")
    assert driven.one("#tip").is_displayed()
    assert driven.one("#tip").text in known()


@pytest.mark.chromium
def test_every_word_and_mark_is_in_the_list_of_words(drive, made) -> None:
    driven = drive(made)
    driven.open("overview")
    used = set(
        driven.js("return [...document.querySelectorAll('#map td.heat a')].map((a) => a.textContent.replace(/[-.0-9]/g, ''))")
    )
    used |= set(driven.js("return [...document.querySelectorAll('#map .flag')].map((flag) => flag.textContent)"))
    assert {"\N{MULTIPLICATION SIGN}", "P"} <= used - {""} <= set(glossary.MARKS)
    driven.open("words")
    listed = driven.js("return [...document.querySelectorAll('#words dt')].map((term) => term.textContent)")
    assert set(listed) == {*glossary.WORDS, *glossary.MARKS}


@pytest.fixture(scope="module")
def large(make_up, tmp_path_factory) -> Path:
    """A page of 35 methods on 35 tasks."""
    drawn, results = make_up(35, 35, 2)
    document = leaderboard.document(drawn, 100, "bbo report", np.random.default_rng(0))
    out = tmp_path_factory.mktemp("large") / "page.html"
    out.write_text(page.render(drawn, results, document, 100, explorer.Background()))
    return out


#: Of the view as it is printed: its width, what sticks out of the page, its smallest letters in pixels, the colours of its texts.
LOOKED_AT = """
const own = (selector) => [...document.querySelectorAll(`.view.current ${selector}`)].filter((e) => e.getClientRects().length);
const outside = own("*").filter((e) => !e.closest("svg, .hidden") && e.getBoundingClientRect().right > innerWidth + 1);
const inks = own(":is(td, th, p, dd, .chart text)").filter((e) => !e.closest(".heat"));
return [
  document.documentElement.scrollWidth,
  outside.map((e) => e.outerHTML.slice(0, 80)),
  Math.min(...own(":is(th, td)").map((e) => parseFloat(getComputedStyle(e).fontSize) * e.currentCSSZoom)),
  inks.map((e) => (e.closest("svg") ? getComputedStyle(e).fill : getComputedStyle(e).color)),
]"""


@pytest.mark.chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_view_fits_on_paper(drive, made, large, scheme) -> None:
    """As wide as A4 or letter lying: nothing sticks out, also of 35 x 35 methods and tasks; letters of 5.5 points or more, in dark on white."""
    for path, views in ((made, ("overview", *VIEWS, "download", "words")), (large, ("overview", "tables"))):
        driven = drive(path)
        driven.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**PAPER, "deviceScaleFactor": 1, "mobile": False})
        driven.media(prefers_color_scheme=scheme)
        for view in views:
            driven.open(view)
            driven.js("dispatchEvent(new Event('beforeprint'))")
            driven.media(media="print", prefers_color_scheme=scheme)
            found = driven.js(LOOKED_AT)
            width, outside, smallest, inks = found
            assert (width <= PAPER["width"], outside) == (True, []), (path.name, view)
            assert smallest is None or smallest * 72 / 96 >= 5.5, (path.name, view)
            assert {*inks} <= {"rgb(0, 0, 0)", "rgb(68, 68, 68)"}, (path.name, view)
            driven.media(media="", prefers_color_scheme=scheme)
            driven.js("dispatchEvent(new Event('afterprint'))")


@pytest.mark.chromium
def test_with_few_seeds_the_page_says_that_nothing_can_be_told_apart(drive, make_up, tmp_path) -> None:
    drawn, results = make_up(9, 6, 3)
    document = leaderboard.document(drawn, None, "bbo report", np.random.default_rng(0))
    out = tmp_path / "few.html"
    out.write_text(page.render(drawn, results, document, 100, explorer.Background()))
    driven = drive(out)
    driven.open()
    assert driven.one("#few").text == "Fewer than 4 seeds: nothing can be told apart here. Differences may be noise."
    assert driven.js("return document.querySelectorAll('#map td.value').length") > 40
    assert "\N{ALMOST EQUAL TO}" not in driven.one("#map").text
    driven.open("task-task-02")
    assert "with fewer than 4 seeds nothing can be told apart" in driven.one("#task-body dl").text
    assert "better than random" not in driven.one("#task-body dl").text
    driven.open("pair?a=coms&b=root")
    assert "nothing can be told apart" in driven.one("#pair-summary").text
    assert set(
        driven.js("return [...document.querySelectorAll('#pair-table td:nth-child(7)')].map((cell) => cell.textContent)")
    ) == {"too few seeds"}
    assert set(
        driven.js("return [...document.querySelectorAll('#pair-table td:nth-child(5)')].map((cell) => cell.textContent)")
    ) == {"\N{MIDDLE DOT}"}
    driven.open("tables")
    assert driven.js("return document.querySelectorAll('#tables td.chance').length") == 0


@pytest.mark.chromium
def test_where_some_methods_have_few_seeds_the_page_does_not_say_so_of_all(drive, make, tmp_path) -> None:
    for method, level, seeds in (("random", 0.2, 4), ("many", 0.8, 4), ("few", 0.5, 2)):
        for seed in range(seeds):
            write(tmp_path, *make("t1", method, seed, level + seed / 100))
    out = tmp_path / "page.html"
    assert CliRunner().invoke(main, ["report", str(tmp_path), "--format", "html", "--out", str(out)]).exit_code == 0
    driven = drive(out)
    driven.open()
    assert driven.one("#few").text == "Where fewer than 4 seeds were run nothing is said about who differs from random."
    driven.open("cell?m=many&t=t1")
    driven.one('#cell-body th[data-label="seed"] button').click()
    assert driven.one('#cell-body th[data-label="seed"]').get_attribute("aria-sort") == "ascending"


def test_numbers_are_rounded_as_in_the_other_formats(drive, made) -> None:
    """Exact halves, such as a mean rank of 4.625, numbers near them, and those that print as zero."""
    halves = [n / 16 for n in range(-200, 200)]
    values = [*halves, *(np.nextafter(v, s) for v in halves for s in (-9, 9)), 1.005, 2.675, 0.15, -1e-9, 1e-300, 1234567.5]
    cases = [[float(v), digits] for v in values for digits in range(4)]
    # The page's functions are not global, so the browser gets this one's own text.
    source = (Path(page.__file__).parents[1] / "templates" / "page" / "store.js").read_text()
    (function,) = re.findall(r"^const number = .*?^};$", source, re.MULTILINE | re.DOTALL)
    printed = drive(made).js(f"{function} return arguments[0].map(([value, digits]) => number(value, digits))", cases)
    assert printed == [decimal(v, digits) for v, digits in cases]


@pytest.mark.chromium
def test_intervals_leave_out_draws_in_which_random_reaches_one(drive, made) -> None:
    """And Student's t goes on towards the normal distribution beyond its table."""
    source = (Path(page.__file__).parents[1] / "templates" / "page" / "numbers.js").read_text()
    setting = """const DATA = arguments[0], CHANCE = {}, METHODS = [CHANCE, {}], TASK = {index: 0, family: "one"};
    const scores = [[0.90, 0.97, 1.02, 0.99], [0.95, 0.99, 1.00, 0.98]];
    const cellOf = (method) => ({s: [0, 1, 2, 3], p: [scores[METHODS.indexOf(method)]], r: [1]});
    const wasRun = Boolean, hasScores = Boolean;"""
    wanted = "[aggregate(METHODS, [TASK], 0).map(({low, value, high}) => [low, value, high]), [3, 300, 1000].map(tQuantile)]"
    data = {"t": list(stats.t.ppf(0.975, np.arange(1, 201))), "fewest": 4, "families": ["one"]}
    (chance, found), quantiles = drive(made).js(f"{setting} {source} return {wanted}", data)
    assert chance == [0, 0, 0]
    assert found == sorted(found)
    assert np.isfinite(found).all()
    assert quantiles == pytest.approx(stats.t.ppf(0.975, [3, 300, 1000]), abs=1e-4)
