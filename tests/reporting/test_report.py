"""`bbo report` as a user sees it."""

from __future__ import annotations

import csv
import io
import json
import re

import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console

from bbo.cli import main
from bbo.record import read_all
from bbo.reporting.board.scores import board
from bbo.reporting.documents import leaderboard
from bbo.reporting.formats import terminal

FAILED = {"reason": "error", "type": "ValueError", "message": "no pair | survives"}


def bbo(*args: object):
    return CliRunner().invoke(main, [str(a) for a in args])


def table(text: str, heading: str) -> dict[str, dict[str, str]]:
    """The Markdown table under a heading: cells by method and column, footnote letters of methods and columns taken off."""
    body = text.split(f"## {heading}")[1].split("\n\n")[1]
    lines = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in body.splitlines()]
    head = [cell.split(" [")[0] for cell in lines[0]]
    return {row[0].split(" [")[0]: dict(zip(head, row, strict=True)) for row in lines[2:]}


@pytest.fixture
def results(store, make):
    privileged, learned = {"privileged": ["y_max"]}, {"oracle": "learned"}
    return store(
        make("t1", "random", 0, 0.9, preset="default"),
        make("t1", "random", 1, 0.8, preset="default"),
        make("t1", "root", 0, 0.95, method_facts=privileged),
        make("t1", "root", 1, error=FAILED, method_facts=privileged),
        make("t1", "Mine", 0, 0.7, method_facts={"local": True}, preset="default"),
        make("t2", "random", 0, 0.5, facts=learned, preset="default"),
        make("t2", "random", 1, 0.5, facts=learned, preset="default"),
        make("t2", "root", 0, error=FAILED, facts=learned),
        make("t2", "root", 1, error=FAILED, facts=learned),
        make("t2", "coms", 0, 0.6, preset="smoke", facts=learned),
        make("t2", "coms", 1, 0.62, preset="smoke", facts=learned),
    )


def test_default_shows_the_100th_and_the_50th(results) -> None:
    text = bbo("report", results).stdout
    top = table(text, "Normalised score, 100th")
    # coms and Mine were not run on both tasks.
    assert list(top) == ["random", "root", "coms", "Mine"]
    assert [row["tasks"] for row in top.values()] == ["2/2", "2/2", "1/2", "1/2"]
    assert [row["seeds"] for row in top.values()] == ["2", "2", "2", "1"]
    assert {k: v for k, v in top["random"].items() if k != "method"} == {
        "mean rank": "2.00",
        "tasks": "2/2",
        "seeds": "2",
        "group": "A",
        "above chance": "0.000",
        "t1": "0.850 ± 0.050",
        "t2": "0.500 ± 0.000",
    }
    # (0.95 - 0.85) / 0.15 on t1, and on t2, where every seed failed, the lowest score, which is that of random. One seed has no deviation.
    assert (top["root"]["mean rank"], top["root"]["above chance"]) == ("2.00", "0.333")
    assert re.fullmatch(r"\*\*0.950 \(failed 1/2\)\*\* \[[a-z]\]", top["root"]["t1"])
    assert re.fullmatch(r"failed 2/2 \[[a-z](,[a-z])*\]", top["root"]["t2"])
    assert (top["coms"]["t1"], top["coms"]["t2"]) == ("·", "**0.610 ± 0.010**")
    assert table(text, "Normalised score, 50th")["random"]["t1"] == "0.425 ± 0.025"


def test_aggregates_are_of_methods_with_a_seed_on_every_task(results) -> None:
    found = table(bbo("report", results).stdout, "Across 2 tasks, 100th percentile")
    assert list(found) == ["random"]
    # Runs 0.9, 0.8, 0.5, 0.5: the middle half is 0.8 and 0.5.
    assert found["random"]["interquartile mean"].startswith("0.650")
    assert (found["random"]["mean"], found["random"]["median"], found["random"]["std over seeds"]) == ("0.675", "0.675", "0.025")


def test_one_percentile(results) -> None:
    text = bbo("report", results, "--percentile", 80).stdout
    assert re.findall("^## .*(?:80th|100th|50th)", text, re.MULTILINE) == ["## Normalised score, 80th", "## Across 2 tasks, 80th"]
    assert table(text, "Normalised score, 80th")["random"]["t1"] == "0.425 ± 0.025"


def test_footnotes_say_what_a_reader_must_know(results) -> None:
    notes = dict(re.findall(r"^- \[([a-z]+)\] (.*)$", bbo("report", results).stdout, re.MULTILINE))
    texts = list(notes.values())
    for wanted in (
        "learned oracle", "privileged knowledge that the visible data do not hold: y_max", "a local method",
        "preset smoke, where the others use fast", "run on 1 of 2 tasks",
        "seed 1 failed (error): ValueError: no pair \\| survives",
    ):  # fmt: skip
        assert any(wanted in text for text in texts), (wanted, texts)


def test_footer_names_protocol_tasks_versions_and_missing_floors(results) -> None:
    text = bbo("report", results).stdout
    for wanted in (
        "Protocol 1: 128 designs",
        "ddof 0",
        "Task t1: A made-up task; version 1, 1000 visible rows",
        "numpy 2.0",
        "Python 3.11.1",
        "Floors not run: offline-best; add -b offline-best to the run to compare with the floors.",
        "Made by: bbo",
    ):
        assert wanted in text


def test_saturated_tasks_are_marked_and_every_table_is_ordered_by_what_it_shows(store, make) -> None:
    facts = {"saturated": True, "note": "random designs reach 0.93."}
    out = store(
        make("t1", "m", 0, 0.99, 0.2, facts=facts),
        make("t1", "n", 0, 0.97, 0.7, facts=facts),
        make("t2", "m", 0, 0.8, 0.2),
        make("t2", "n", 0, 0.8, 0.3),
    )
    text = bbo("report", out).stdout
    top = table(text, "Normalised score, 100th")
    # Of t1: m, n; t2 a tie. No best is marked on a saturated task, nor where all are alike.
    assert [(name, row["mean rank"], row["t1"], row["t2"]) for name, row in top.items()] == [
        ("m", "1.25", "0.990", "0.800"),
        ("n", "1.75", "0.970", "0.800"),
    ]
    middle = table(text, "Normalised score, 50th")
    assert [(name, row["mean rank"], row["t1"]) for name, row in middle.items()] == [
        ("n", "1.00", "**0.700**"),
        ("m", "2.00", "0.200"),
    ]
    assert (
        "- [a] saturated: random designs come near the top, so no best is marked at the 100th percentile; compare the 50th" in text
    )
    assert "Rows are in the order of the mean rank at the table's percentile" in text
    assert "Note: random designs reach 0.93." in text


def test_json_has_one_object_a_task_method_and_percentile(results) -> None:
    rows = json.loads(bbo("report", results, "--format", "json").stdout)
    assert len(rows) == 6 * 3
    found = {(r["task"], r["method"], r["percentile"]): r for r in rows}
    root = found["t1", "root", 100]
    assert (root["n_seeds"], root["mean"], root["std"], root["failed"]) == (1, 0.95, None, 1)
    lost = found["t2", "root", 50]
    assert (lost["n_seeds"], lost["mean"], lost["std"], lost["failed"]) == (0, None, None, 2)
    assert found["t1", "random", 100]["std"] == pytest.approx(0.05)
    assert {r["percentile"] for r in json.loads(bbo("report", results, "--format", "json", "--percentile", 50).stdout)} == {50}


def test_csv_holds_the_same_numbers(results) -> None:
    rows = list(csv.DictReader(io.StringIO(bbo("report", results, "--format", "csv", "--percentile", 100).stdout)))
    found = {(r["task"], r["method"]): r for r in rows}
    assert float(found["t1", "random"]["mean"]) == pytest.approx(0.85)
    assert found["t2", "root"]["mean"] == ""
    assert found["t2", "root"]["failed"] == "2"


def test_several_folders_are_one_board(store, make) -> None:
    first, second = store(make(seed=0, top=0.5), name="a"), store(make(seed=1, top=0.7), make(seed=0, top=0.5), name="b")
    rows = json.loads(bbo("report", first, second, "--format", "json", "--percentile", 100).stdout)
    assert [(r["n_seeds"], r["mean"]) for r in rows] == [(2, pytest.approx(0.6))]


def test_other_metrics(store, make) -> None:
    out = store(
        make("t1", "slow", 0, 0.9, cost={"wall_seconds": 30.0}),
        make("t1", "slow", 1, 0.9, cost={"wall_seconds": 50.0}),
        make("t1", "quick", 0, 0.8, cost={"wall_seconds": 2.0}),
        make("t1", "quick", 1, 0.8, cost={"wall_seconds": 2.0}),
        make("t1", "random", 0, 0.6, preset="default"),
        make("t1", "random", 1, 0.6, preset="default"),
    )
    text = bbo("report", out, "--metric", "wall-time").stdout
    assert text.count("\n## ") == 1
    times = {name: row["t1"] for name, row in table(text, "Wall time, seconds").items()}
    assert times == {"slow": "40.0 ± 10.0", "quick": "**2.0 ± 0.0**", "random": "·"}
    chance = table(bbo("report", out, "--metric", "above-chance", "--percentile", 100).stdout, "Score above chance, 100th")
    assert [row["t1"] for row in chance.values()] == ["**0.750 ± 0.000**", "0.500 ± 0.000", "0.000 ± 0.000"]
    assert "Rows are in the order of the mean rank at the 100th percentile:" in text
    refused = bbo("report", out, "--metric", "wall")
    assert refused.exit_code == 2
    assert "wall-time" in refused.stderr
    assert bbo("report", out, "--metric", "diversity", "--format", "json").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--by", "family"), "all tasks of this board are of one family"),
        (("--by", "family", "--metric", "diversity"), "only the metric 'score' has tables of families; leave out --metric"),
        (("--by", "family", "--published"), "--published makes tables of single scores; leave out one of the two"),
    ],
)
def test_tables_by_family_that_do_not_exist_are_one_line(results, arguments, words) -> None:
    answer = bbo("report", results, *arguments)
    assert answer.exit_code == 2
    assert words in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_post_hoc_tests(store, make) -> None:
    """Ten tasks on which a beats b beats c: Holm's Wilcoxon tells all three apart, Nemenyi's test only a from c."""
    out = store(*(make(f"t{t}", name, 0, 0.9 - i / 10 - t / 1000) for t in range(10) for i, name in enumerate("abc")))
    # Nemenyi's critical difference of 3 methods on 10 tasks: 2.344 sqrt(3 * 4 / 60) = 1.05, more than one rank.
    for test, groups in (("nemenyi", ["A", "AB", "B"]), ("holm", ["A", "B", "C"])):
        rows = table(bbo("report", out, "--test", test).stdout, "Normalised score, 100th")
        assert [row["group"] for row in rows.values()] == groups


@pytest.mark.parametrize("width", [60, 200])
def test_a_terminal_of_any_width_shows_every_column(results, width) -> None:
    document = leaderboard.document(board(read_all(results)), None, "bbo report", np.random.default_rng(0))
    file = io.StringIO()
    terminal.show(document, Console(file=file, width=width))
    text = file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    for wanted in ("0.850 ± 0.050", "0.950 (failed 1/2)", "failed 2/2", "mean rank", "above chance", "uses privileged"):
        assert wanted in text
    assert (sum(line.startswith("Mine") for line in text.splitlines()) > 3) == (width == 60)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("form", ["md", "csv", "json", "latex", "html"])
@pytest.mark.parametrize("test", ["nemenyi", "holm"])
def test_where_everything_failed_the_report_says_so(store, make, tmp_path, form, test) -> None:
    out = store(*(make(t, name, seed, error=FAILED) for t in ("t1", "t2", "t3") for name in "ab" for seed in (0, 1)))
    answer = bbo("report", out, "--format", form, "--test", test, "--out", tmp_path / "report")
    assert answer.exit_code == 0, answer.output
    text = (tmp_path / "report").read_text()
    assert ("failed 2/2" in text) == (form in ("md", "latex", "html"))
    if form == "json":
        assert {(row["n_seeds"], row["mean"], row["failed"]) for row in json.loads(text)} == {(0, None, 2)}


def test_html_is_one_file_with_a_figure(results, tmp_path) -> None:
    out = tmp_path / "deep" / "page.html"
    assert bbo("report", results, "--format", "html", "--out", out).exit_code == 0
    text = out.read_text()
    assert "<svg" in text
    assert "0.850 ± 0.050" in text
    assert not re.search(r"""(src|href)=["'](https?:)?//""", text)


def test_a_board_of_many_tasks_is_several_tables(store, make) -> None:
    out = store(*(make(f"task-{i:02}", name, 0, 0.5) for i in range(30) for name in ("random", "m")))
    text = bbo("report", out, "--percentile", 100).stdout
    tables = text.split("## ")[1].split("\n\n")[1:-1]
    heads = [[cell.strip() for cell in part.splitlines()[0].split("|")[1:-1]] for part in tables]
    assert [len(head) for head in heads] == [8, 8, 8, 8, 6]
    assert [head[0] for head in heads] == ["method"] * 5
    assert [name for head in heads for name in head if name.startswith("task-")] == [f"task-{i:02}" for i in range(30)]
    assert bbo("report", out, "--percentile", 100, "--format", "latex").stdout.count("Normalised score, 100th percentile") == 5


@pytest.mark.parametrize("percentile", ["70", "0", "-5"])
def test_other_percentiles_are_refused(results, percentile) -> None:
    answer = bbo("report", results, "--percentile", percentile)
    assert answer.exit_code == 2
    assert "100, 80, 50" in answer.stderr


def test_folders_without_results_are_refused(tmp_path) -> None:
    assert "holds no results" in bbo("report", tmp_path).stderr
    (tmp_path / "cells").mkdir()
    answer = bbo("report", tmp_path)
    assert answer.exit_code == 2
    assert "no finished cells" in answer.stderr


def test_a_damaged_cell_is_named_with_the_remedy(results) -> None:
    next((results / "cells").iterdir()).joinpath("cell.json").write_text("{")
    answer = bbo("report", results)
    assert answer.exit_code == 2
    assert answer.stderr.startswith("error: damaged cell")
    assert answer.stderr.count("\n") == 1


def test_an_unwritable_place_is_one_line(results, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    answer = bbo("report", results, "--out", tmp_path / "file" / "x.md")
    assert answer.exit_code == 2
    assert "cannot write" in answer.stderr
    assert answer.stderr.count("\n") == 1
