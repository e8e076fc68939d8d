"""Synthetic stores: records with chosen scores, written through `bbo.record.write`; and pages in a real browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bbo.protocol import BUDGET, VERSION, percentiles
from bbo.record import CellSpec, Outcome, Record, Trace, write
from bbo.reporting.board.scores import Board, board
from bbo.reporting.storage.sources import Results
from bbo.reporting.storage.unsuitable import Unsuitable

TASK = {
    "title": "A made-up task", "kind": "sequence", "oracle": "exact", "y_min": 0.0, "y_max": 1.0,
    "best_visible": 0.4, "visible_rows": 1000, "optimum": None, "local": False,
}  # fmt: skip
PROVENANCE = {"packages": {"numpy": "2.0", "torch": "2.6"}, "commit": "abc", "python": "3.11.1"}


def cell(
    task: str = "t1",
    method: str = "m",
    seed: int = 0,
    top: float = 0.5,
    median: float | None = None,
    *,
    config: dict[str, Any] | None = None,
    preset: str = "fast",
    version: str = "1",
    task_version: str = "1",
    budget: int = BUDGET,
    facts: dict[str, Any] | None = None,
    method_facts: dict[str, Any] | None = None,
    error: dict[str, str] | None = None,
    provenance: dict[str, Any] | None = None,
    **more: Any,
) -> tuple[Record, Outcome | None]:
    """A cell whose 100th percentile is `top` and whose 50th and 80th are `median` (top / 2 where not given)."""
    spec = CellSpec(task, task_version, "d" * 64, method, version, config or {}, seed, budget, VERSION)
    median = top / 2 if median is None else median
    normalised = np.full(budget, median)
    normalised[-1] = top
    outcome = None if error else Outcome(np.zeros((budget, 2), np.int64), normalised, normalised)
    record = Record(
        spec,
        "failed" if error else "done",
        percentiles(normalised) if outcome else {},
        {**TASK, **(facts or {})},
        {"summary": f"Method {method}.", "kind": "", "preset": preset, "privileged": [], "local": False, **(method_facts or {})},
        error=error,
        provenance=provenance or PROVENANCE,
        **more,
    )
    return record, outcome


@pytest.fixture(scope="session")
def make() -> Any:
    """`cell`, as a fixture: test files cannot import this one."""
    return cell


@pytest.fixture
def store(tmp_path: Path) -> Any:
    """A function that writes cells into a results folder and returns it."""

    def fill(*cells: tuple[Record, Outcome | None], name: str = "results") -> Path:
        for record, outcome in cells:
            write(tmp_path / name, record, outcome)
        return tmp_path / name

    return fill


@dataclass(frozen=True)
class InMemory(Results):
    """Results whose arrays were never written."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def outcome(self, record: Record) -> Outcome | None:
        return self.outcomes.get(record.spec.hash)

    def trace(self, record: Record) -> Trace | None:
        return None


FAMILIES = ("architectures", "learned", "materials", "robots", "sequences", "synthetic")
NAMED = ("random", "offline-best", "coms", "coms+ignite", "gradient-ascent", "root")
KINDS = ("floor", "floor", "surrogate", "surrogate", "surrogate", "generative")


@cache
def made_up(methods: int, tasks: int, seeds: int) -> tuple[Board, InMemory]:
    """A board of made-up methods of several kinds and years on tasks of six families; some do not fit, fail, or warn.

    `root` uses y_max, is best everywhere and warns on the second task; the last method fits no task of the first family, and the one
    before it fails on the second task.
    """
    rng = np.random.default_rng(0)
    names = [*NAMED, *(f"method-{i:02}" for i in range(40))][:methods]
    kinds = [*KINDS, *("surrogate", "search", "generative", "trajectory") * 10]
    records, outcomes, unfit = [], {}, []
    for t in range(tasks):
        task, best = f"task-{t:02}", 0.3 + 0.01 * (t % 7)
        facts = {"family": FAMILIES[t % 6], "best_visible": best, "visible_quantiles": list(np.linspace(0, best, 17).round(4))}
        for m, name in enumerate(names):
            if m == methods - 1 and m > 5 and t % 6 == 0:
                unfit.append(Unsuitable(task, name, "needs letters"))
                continue
            level = {"random": 0.4, "offline-best": best, "root": 0.9}.get(name, 0.4 + 0.4 * rng.random())
            for seed in range(seeds):
                error = {"reason": "memory", "type": "", "message": "killed"} if (m, t) == (methods - 2, 1) and m > 5 else None
                record, outcome = cell(
                    task, name, seed, 0.5, facts=facts, error=error, config={"steps": 100 * m, "rate": 0.01},
                    method_facts={"kind": kinds[m], "year": 2015 + m % 10 if m > 1 else 0, "privileged": ["y_max"] * (name == "root")},
                    cost={"wall_seconds": float(10 ** (m / 10)), "peak_memory_mb": 200.0 + m},
                    designs={"diversity": 0.4, "duplicates": 0.0},
                    warnings=["the target lies beyond the data"] * (name == "root" and t == 1),
                )  # fmt: skip
                if outcome:
                    scores = rng.normal(level, 0.05, BUDGET)
                    outcome = Outcome(rng.integers(0, 4, (BUDGET, 8)), scores, scores)
                    outcomes[record.spec.hash] = outcome
                    record = replace(record, percentiles=percentiles(scores))
                records.append(record)
    results = InMemory(tuple(records), tuple(unfit), outcomes=outcomes)
    return board(results.records, results.unsuitable), results


@pytest.fixture(scope="session")
def make_up() -> Any:
    """`made_up`, as a fixture."""
    return made_up


@pytest.fixture(scope="session")
def browser(tmp_path_factory) -> Iterator[Any]:
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
    for flag in ("--window-size=1400,1000", f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    window = webdriver.Chrome(options=options, service=Service(driver))
    yield window
    messages = window.get_log("browser")
    window.quit()
    assert messages == []


class Driven:
    """The page in the browser, by what a reader sees and does."""

    def __init__(self, browser, path: Path) -> None:
        self.browser, self.path = browser, path

    def open(self, address: str = "overview") -> None:
        self.browser.get("about:blank")
        self.browser.get(f"{self.path.as_uri()}#{address}")
        self.settle()

    def settle(self) -> None:
        """Wait until the script has run and the charts of the view are drawn."""
        wait = "const [done] = [arguments[arguments.length - 1]]; setTimeout(() => requestAnimationFrame(() => done(1)), 50);"
        for _ in range(40):
            self.browser.execute_async_script(wait)
            charts = "[...document.querySelectorAll('.view.current figure:not([hidden]) .chart')]"
            if self.js(f"return document.documentElement.dataset.ready && {charts}.every((chart) => chart.querySelector('svg'))"):
                return
        raise AssertionError("the charts were not drawn within two seconds of waiting")

    def media(self, media: str = "", **features: str) -> None:
        """What the page is shown on: `media` such as print, and features such as prefers_color_scheme="dark"."""
        values = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": values})

    def js(self, script: str, *arguments: object) -> Any:
        return self.browser.execute_script(script, *arguments)

    def one(self, selector: str):
        return self.browser.find_element("css selector", selector)

    def methods(self) -> list[str]:
        return self.js("return [...document.querySelectorAll('#map tbody tr')].map((row) => row.dataset.label)")

    def marks(self, figure: str) -> str:
        """All texts of a figure."""
        return self.js("return document.querySelector(`#figure-${arguments[0]} svg`).textContent", figure)

    def choose(self, id: str, value: str) -> None:
        script = """const field = document.getElementById(arguments[0]);
            field.value = arguments[1];
            for (const kind of ["input", "change"]) field.dispatchEvent(new Event(kind, {bubbles: true}));"""
        self.js(script, id, value)
        self.settle()

    def row(self, table: str, label: str) -> dict[str, str]:
        """Texts of one row of a table, by the heads of its columns."""
        return self.js(
            """const table = document.querySelector(`.view.current table[data-name="${arguments[0]}"]`);
            const row = [...table.tBodies[0].rows].find((row) => row.dataset.label === arguments[1]);
            return Object.fromEntries([...table.tHead.rows[0].cells].map((head, i) => [head.dataset.label, row.cells[i].innerText]));""",
            table,
            label,
        )


@pytest.fixture
def drive(browser: Any) -> Iterator[Any]:
    """A function that opens a page in the browser; the size and the media are as they were afterwards."""
    yield lambda path: Driven(browser, path)
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
