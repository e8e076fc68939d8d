"""The page: one file, nothing from elsewhere, readable contrasts; and, in a real browser, sorting, filters, deep links, print."""

from __future__ import annotations

import html.parser
import os
import re
import shutil
import time
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

import bbo.reporting
from bbo.cli import main
from bbo.record import Trace, write
from bbo.reporting.board.scores import board
from bbo.reporting.documents import glossary
from bbo.reporting.formats import colours, figures

CSS = (Path(bbo.reporting.__file__).parent / "templates" / "leaderboard.css").read_text()
#: Red, green and blue as seen without one kind of cone: Machado, Oliveira and Fernandes (2009), severity 1, on linear light.
VISION = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour: str) -> np.ndarray:
    c = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def contrast(a: str, b: str) -> float:
    """WCAG 2 contrast ratio."""
    high, low = sorted((float(linear(c) @ TO_XYZ[1]) for c in (a, b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def lab(light: np.ndarray) -> np.ndarray:
    xyz = np.clip(light, 0, 1) @ TO_XYZ.T / [0.9505, 1, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def themes() -> list[dict[str, str]]:
    """Colours of the light page, of the two places that make it dark, and of print."""
    blocks = re.findall(r":root[^{,]*\{([^}]*--page[^}]*)\}", CSS)
    return [dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", block)) for block in blocks]


def test_text_has_contrast_in_light_and_dark() -> None:
    light, dark, switched, paper = themes()
    assert dark == switched
    assert light["page"] != dark["page"]
    for theme in (light, dark, paper):
        for ink in ("text", "muted", "link", "failed"):
            for ground in ("page", "band"):
                assert contrast(theme[ink], theme[ground]) >= 4.5, (ink, ground)


def test_contrast_is_wcags() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_method_colours_stand_out_and_differ_for_everybody() -> None:
    light, dark, _, _ = themes()
    for colour in colours.COLOURS:
        assert min(contrast(colour, light["page"]), contrast(colour, dark["page"])) >= 3, colour
    for name, matrix in VISION.items():
        seen = [lab(np.asarray(matrix) @ linear(c)) for c in colours.COLOURS]
        assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 20, name


def rows(make, *names, kinds=()):
    facts = [{"kind": "floor"} if name in kinds else {} for name in names]
    return board(make("t1", name, 0, 1 - i / 100, method_facts=facts[i])[0] for i, name in enumerate(names)).ordered(100)


def test_no_two_methods_look_alike(make) -> None:
    """Names that got one colour in earlier versions; a method and what it is composed with; settings of one method."""
    found = colours.styles(rows(make, "coms", "coms+ignite", "random", "root-corrected", "gp-ascent", "root"))
    assert len(set(found.values())) == 6
    assert found["coms"].colour == found["coms+ignite"].colour
    assert len({look.colour for look in found.values()}) == 5


@given(st.lists(st.text("abc+", min_size=1, max_size=6), min_size=1, max_size=30, unique=True))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_highlighted_rows_are_told_apart_whatever_their_names(make, names) -> None:
    drawn = rows(make, *names)
    base, looks = {row.label: row.base for row in drawn.rows}, colours.styles(drawn)
    found = {name: look for name, look in looks.items() if look.highlighted}
    assert len(set(found.values())) == len(found) <= colours.HIGHLIGHTED
    if len(set(base.values())) <= len(colours.COLOURS) and len(names) <= colours.HIGHLIGHTED:
        assert len(found) == len(names)
    # One colour a method, one method a colour.
    pairs = {(base[name], look.colour) for name, look in found.items()}
    assert len(pairs) == len({method for method, _ in pairs}) == len({colour for _, colour in pairs})


def test_of_many_methods_the_best_and_the_floors_are_highlighted(make) -> None:
    names = [f"m{i:02}" for i in range(20)] + ["chance"]
    found = colours.styles(rows(make, *names, kinds=("chance",)))
    assert [name for name in names if found[name].highlighted] == [*names[:6], "chance"]
    assert {found[name] for name in names[6:20]} == {colours.Style(colours.GREY, colours.DOT)}


def test_a_method_alone_keeps_its_colour_from_board_to_board(make) -> None:
    looks = {colours.styles(rows(make, *names))["root"].colour for names in (["root"], ["root", "a"], ["root", "root+sam"])}
    assert len(looks) == 1


def test_figures_of_equal_ranks_are_drawn_once(make, tmp_path) -> None:
    def drawn(median):
        names = [("a", 0.9, 0.5), ("b", 0.8, median)]
        cells = [make(t, name, 0, top, mid, cost={"wall_seconds": 1.0}) for t in ("t1", "t2") for name, top, mid in names]
        looked = figures.overview(board(r for r, _ in cells), (100, 50), "nemenyi", np.random.default_rng(0))
        return [picture.name for picture in looked]

    assert [name for name in drawn(0.4) if name.startswith(("ranks", "cost"))] == ["ranks-100", "cost-100"]
    assert [name for name in drawn(0.6) if name.startswith(("ranks", "cost"))] == ["ranks-100", "cost-100", "ranks-50", "cost-50"]


@pytest.mark.parametrize("seconds", [(0.0001, 0.001, 0.02), (1.0, 1.1, 1.2), (0.01, 5.0, 90000.0)])
def test_ticks_and_labels_do_not_overprint(make, seconds) -> None:
    """Neighbouring ticks and the labels of tied methods, by their extents when drawn."""
    cells = [make("t1", f"method-{i}", 0, 0.5, cost={"wall_seconds": s}) for i, s in enumerate(seconds * 3)]
    close = [make("t1", f"m{i}", 0, 0.945 + i / 1000) for i in range(3)]
    for made, name in ((cells, "cost-100"), (close, "scores-100")):
        pictures = figures.overview(board(r for r, _ in made), (100,), "nemenyi", np.random.default_rng(0))
        figure = next(picture.figure for picture in pictures if picture.name == name)
        FigureCanvasAgg(figure).draw()
        for axis in figure.axes:
            low, high = axis.get_xlim()
            ticks = [t.label1 for t in axis.xaxis.get_major_ticks() if low <= t.get_loc() <= high]
            boxes = [Text.get_window_extent(text) for text in [*ticks, *axis.texts] if text.get_text()]
            assert len(boxes) >= 2
            assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))


class Outline(html.parser.HTMLParser):
    """Ids, links and labels of a page; every open element must be closed in turn."""

    VOID = frozenset({"meta", "input", "br", "link"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.images: list[str] = []
        self.outside: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes) -> None:
        found = dict(attributes)
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if found.get("role") == "img":
            self.images.append(found.get("aria-label", ""))
        self.outside += [v for k, v in attributes if k in ("src", "href", "xlink:href") and v and not v.startswith("#")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page(make, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    crash = {"reason": "crash", "type": "", "message": "<script>alert(1)</script>"}
    costs = {"cost": {"wall_seconds": 3.0, "peak_memory_mb": 200.0}}
    cells = []
    for task in ("t1", "t2"):
        for name, top in (("random", 0.9), ("offline-best", 0.4), ("root", 0.95), ("coms", 0.92)):
            for seed in range(3):
                cells.append(make(task, name, seed, top + seed / 100 - (task == "t2") * top / 2, **costs))
    cells.append(make("t1", "Mine", 0, error=crash, method_facts={"local": True}))
    results, out = folder / "results", folder / "page.html"
    trace = Trace(np.array([0, 5, 10]), np.tile(np.linspace(0, 0.5, 128), (3, 1)))
    for record, outcome in cells:
        write(results, record, outcome, trace if outcome else None)
    answer = CliRunner().invoke(main, ["report", str(results), "--format", "html", "--out", str(out)])
    assert answer.exit_code == 0, answer.output
    return out


def test_the_page_is_whole_and_needs_nothing_else(page) -> None:
    text = page.read_text()
    outline = Outline(text)
    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids))
    assert {link[1:] for link in outline.links} <= set(outline.ids)
    assert outline.outside == []
    assert not re.search(r"url\((?!#)|@import|https?://(?!www\.w3\.org)", text)
    assert "<script>alert(1)" not in text
    assert {"overview", "task-t1", "task-t2", "method-root", "method-Mine", "figure-designs-t1", "figure-stability-t1",
            "figure-ranks-100", "figure-profiles-50", "figure-cost-100"} <= set(outline.ids)  # fmt: skip
    assert all(len(words) > 40 for words in outline.images)


def test_heads_and_words_are_explained(page) -> None:
    text = page.read_text()
    for head in ("mean rank", "group", "above chance", "novel", "nearest offline", "beats random", "interquartile mean"):
        assert re.search(rf'data-label="{head}" title="[^"]{{20,}}"', text), head
    assert 'data-label="above chance (100th)" title="(score - chance)' in text
    assert 'data-label="t1" title' not in text
    assert 'href="#words"' in text
    assert all(f"<dt>{word}</dt>" in text for word in glossary.WORDS)


def test_the_same_cells_give_the_same_page(page, tmp_path) -> None:
    again = tmp_path / page.name
    answer = CliRunner().invoke(main, ["report", str(page.parent / "results"), "--format", "html", "--out", str(again)])
    assert answer.exit_code == 0
    assert again.read_text().replace(str(again), str(page)) == page.read_text()


def test_methods_that_differ_by_case_or_sign_have_pages_of_their_own(make, tmp_path) -> None:
    for name, weight in (("m", -1.5), ("m", 1.5), ("random", 0), ("Random", 0)):
        write(tmp_path, *make("t1", name, 0, config={"w": weight}))
    out = tmp_path / "page.html"
    assert CliRunner().invoke(main, ["report", str(tmp_path), "--format", "html", "--out", str(out)]).exit_code == 0
    ids = Outline(out.read_text()).ids
    assert len(ids) == len(set(ids))
    assert {"method-m-w=-1.5", "method-m-w=1.5", "method-random", "method-Random"} <= {i.rstrip("-") for i in ids}


def test_figures_are_written_in_three_forms(page, tmp_path) -> None:
    folder = tmp_path / "figures"
    answer = CliRunner().invoke(main, ["report", str(page.parent / "results"), "--figures", str(folder), "--percentile", "50"])
    assert answer.exit_code == 0
    names = {path.stem for path in folder.iterdir()}
    assert {"scores-50", "profiles-50", "ranks-50", "cost-50", "designs-t1", "stability-t2"} <= names
    for name in names:
        assert (folder / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "<svg" in (folder / f"{name}.svg").read_text()


@pytest.mark.slow
def test_a_large_board_is_small_and_quick(make, tmp_path) -> None:
    """25 methods x 20 tasks x 8 seeds: under 5 MB, and under 20 s of computing."""
    rng = np.random.default_rng(0)
    for task in range(20):
        for method in ["random", *(f"method-{i}" for i in range(24))]:
            for seed in range(8):
                record, outcome = make(
                    f"task-{task}", method, seed, float(rng.random()), cost={"wall_seconds": float(rng.random())}
                )
                outcome.normalised[:-1] = rng.random(127) * outcome.normalised[-1]
                write(tmp_path, record, outcome)
    out = tmp_path / "page.html"
    start = time.process_time()
    assert CliRunner().invoke(main, ["report", str(tmp_path), "--format", "html", "--out", str(out)]).exit_code == 0
    assert time.process_time() - start < 20
    assert out.stat().st_size < 5_000_000


@pytest.fixture
def browser(tmp_path):
    """Headless Chromium. Skipped where BBO_TEST_CHROMIUM is unset; where it is set, a missing Chromium is a failure."""
    if not os.environ.get("BBO_TEST_CHROMIUM"):
        pytest.skip("BBO_TEST_CHROMIUM is not set")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    assert binary, "BBO_TEST_CHROMIUM is set, but there is no chromium on the path"
    assert driver, "BBO_TEST_CHROMIUM is set, but there is no chromedriver on the path"
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    quiet = ("background-networking", "component-update", "sync", "gpu")
    for flag in ("--headless", "--no-sandbox", "--no-first-run", *(f"--disable-{name}" for name in quiet)):
        options.add_argument(flag)
    for flag in ("--window-size=1280,1000", f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    window = webdriver.Chrome(options=options, service=Service(driver))
    yield window
    messages = window.get_log("browser")
    window.quit()
    assert messages == []


def column(browser, table: str, label: str) -> list[str]:
    """Texts of the shown cells of one column, top to bottom; the row heads for "method"."""
    return browser.execute_script(
        """const table = document.querySelector(`table[data-name="${arguments[0]}"]`);
        const i = [...table.tHead.rows[0].cells].findIndex((head) => head.dataset.label === arguments[1]);
        const rows = [...table.tBodies[0].rows].filter((row) => !row.hidden);
        return rows.map((row) => i ? row.cells[i].innerText : row.dataset.label);""",
        table,
        label,
    )


def head(browser, table: str, label: str):
    return browser.find_element("css selector", f'table[data-name="{table}"] th[data-label="{label}"] button')


def visible(browser) -> list[str]:
    return [e.get_attribute("id") for e in browser.find_elements("css selector", ".view") if e.is_displayed()]


@pytest.mark.chromium
def test_tables_sort_by_click_and_by_keyboard(browser, page) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.get(page.as_uri())
    assert column(browser, "score-100", "method") == ["root", "coms", "random", "offline-best", "Mine"]
    head(browser, "score-100", "t1").click()
    assert column(browser, "score-100", "method") == ["root", "coms", "random", "offline-best", "Mine"]
    head(browser, "score-100", "t1").send_keys(Keys.ENTER)
    # Failed entries stay last, whichever way the others go.
    assert column(browser, "score-100", "method") == ["offline-best", "random", "coms", "root", "Mine"]
    assert (
        browser.find_element("css selector", 'table[data-name="score-100"] th[data-label="t1"]').get_attribute("aria-sort")
        == "ascending"
    )
    head(browser, "score-100", "method").send_keys(Keys.SPACE)
    assert column(browser, "score-100", "method") == ["coms", "Mine", "offline-best", "random", "root"]
    assert "sort=score-100%2Cascending%2Cmethod" in browser.current_url


@pytest.mark.chromium
def test_filters_take_methods_and_tasks_away(browser, page) -> None:
    browser.get(page.as_uri())
    browser.find_element("id", "method-filter").send_keys("RO")
    assert column(browser, "score-100", "method") == ["root"]
    assert column(browser, "cost", "method") == ["root"]
    assert browser.find_element("id", "count").text == "1 of 5 methods"
    browser.find_element("id", "task-filter").send_keys("t2")
    heads = browser.find_elements("css selector", 'table[data-name="score-100"] thead th')
    assert [h.get_attribute("data-label") for h in heads if h.is_displayed()] == [
        "method",
        "mean rank",
        "tasks",
        "group",
        "above chance",
        "t2",
    ]


@pytest.mark.chromium
def test_addresses_open_what_they_name(browser, page) -> None:
    browser.get(page.as_uri() + "#task-t2")
    assert visible(browser) == ["task-t2"]
    assert browser.title == "Task t2 - Leaderboard"
    browser.find_element("link text", "root").click()
    assert visible(browser) == ["method-root"]
    browser.back()
    assert visible(browser) == ["task-t2"]
    browser.get(page.as_uri() + "#overview?method=o&sort=score-50,ascending,t1")
    browser.refresh()
    assert visible(browser) == ["overview"]
    assert column(browser, "score-50", "method") == ["offline-best", "random", "coms", "root"]
    browser.get(page.as_uri() + "#figure-stability-t1")
    browser.refresh()
    assert visible(browser) == ["task-t1"]
    browser.get(page.as_uri() + "#nonsense")
    browser.refresh()
    assert visible(browser) == ["overview"]


@pytest.mark.chromium
def test_phone_print_and_dark(browser, page) -> None:
    def media(**features: str) -> None:
        values = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items() if name != "media"]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": features.get("media", ""), "features": values})

    def ground() -> str:
        return browser.execute_script("return getComputedStyle(document.body).backgroundColor")

    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 375, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    )
    media(prefers_color_scheme="light")
    browser.get(page.as_uri())
    # The page itself never scrolls sideways; its tables and figures do.
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    assert ground() == "rgb(255, 255, 255)"
    browser.find_element("id", "theme").click()
    assert ground() == "rgb(21, 24, 28)"
    browser.find_element("id", "theme").click()
    media(prefers_color_scheme="dark")
    browser.refresh()
    assert ground() == "rgb(21, 24, 28)"
    ink = browser.execute_script("return getComputedStyle(document.querySelector('figure svg text')).fill")
    assert ink == "rgb(230, 232, 234)"
    media(media="print", prefers_color_scheme="dark")
    assert ground() == "rgb(255, 255, 255)"
    assert len(visible(browser)) == 1 + 2 + 5 + 1  # with the words
    assert not browser.find_element("id", "method-filter").is_displayed()


@pytest.mark.chromium
def test_readers_of_screens_find_names(browser, page) -> None:
    """Every control, table region and figure has a name in Chromium's own accessibility tree."""
    browser.get(page.as_uri())
    browser.execute_cdp_cmd("Accessibility.enable", {})
    nodes = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles: dict[str, list[str]] = {}
    for node in nodes:
        if not node.get("ignored"):
            roles.setdefault(node["role"]["value"], []).append(node.get("name", {}).get("value", ""))
    for role in ("button", "link", "searchbox", "region", "columnheader", "rowheader"):
        assert roles[role], role
        assert all(roles[role]), role
    assert all(roles["image"])
    assert "main" in roles
    assert "navigation" in roles
