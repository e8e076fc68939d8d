"""A pair of a method and a task it does not fit: neither a failure nor a gap, in every form."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

from bbo.cli import main
from bbo.reporting.board.scores import board
from bbo.reporting.board.standings import grouping, standings
from bbo.reporting.documents.document import NOT_APPLICABLE
from bbo.reporting.storage import sources
from bbo.reporting.storage.unsuitable import Unsuitable

REASON = "it designs sequences, and t2 is a box"


def bbo(*args: object):
    answer = CliRunner().invoke(main, [str(a) for a in args])
    assert answer.exit_code == 0, answer.output
    return answer.stdout


def plan(folder, *pairs) -> None:
    (folder / "plans").mkdir(exist_ok=True)
    unsuitable = [{"task": task, "method": method, "reason": reason} for task, method, reason in pairs]
    (folder / "plans" / "0123.json").write_text(json.dumps({"unsuitable": unsuitable}))


@pytest.fixture
def results(store, make):
    """Method letters fits t1 only, lazy was run on t1 only, never fits no task."""
    scores = {"random": (0.5, 0.5), "letters": (0.9, None), "lazy": (0.8, None), "all": (0.7, 0.6)}
    cells = [
        make(task, name, seed, score + seed / 100)
        for name, pair in scores.items()
        for task, score in zip(("t1", "t2"), pair, strict=True)
        for seed in range(4)
        if score
    ]
    out = store(*cells)
    plan(out, ("t2", "letters", REASON), ("t1", "never", "no reason"), ("t2", "never", "no reason"), ("t9", "letters", "not here"))
    return out


def rows(text: str, heading: str) -> dict[str, list[str]]:
    body = text.split(f"## {heading}")[1].split("\n\n")[1]
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in body.splitlines() if not line.startswith("| -")]
    return {line[0].split(" [")[0]: line[1:] for line in lines}


def test_a_dash_with_the_reason_is_not_a_failure_and_not_a_gap(results) -> None:
    text = bbo("report", results)
    found = rows(text, "Normalised score, 100th")
    letters = dict(re.findall(r"^- \[([a-z]+)\] (.*)$", text, re.MULTILINE))
    mark = next(letter for letter, note in letters.items() if note == f"not applicable: {REASON}")
    assert found["letters"][-1] == f"{NOT_APPLICABLE} [{mark}]"
    assert found["lazy"][-1] == "·"
    assert (
        found["never"][-2:] == [f"{NOT_APPLICABLE} [{next(k for k, v in letters.items() if v == 'not applicable: no reason')}]"] * 2
    )
    assert "failed" not in text.split("Rows are")[0]


def test_rows_over_fewer_tasks_say_so_and_gaps_stand_below(results) -> None:
    found = rows(bbo("report", results), "Normalised score, 100th")
    # t1: letters, lazy, all, random; t2: all, random. lazy's mean rank of 2 is over a task less than it fits, never's over none.
    assert [(name, cells[:2]) for name, cells in found.items() if name != "method"] == [
        ("letters", ["1.00", "1/2"]),
        ("all", ["2.00", "2/2"]),
        ("random", ["3.00", "2/2"]),
        ("never", ["·", "0/2"]),
        ("lazy", ["2.00", "1/2"]),
    ]
    text = bbo("report", results)
    assert "does not fit 1 of 2 tasks; its mean rank and means are over the others" in text
    assert "run on 1 of 2 tasks; its mean rank is over these, and it is listed below the complete rows" in text
    assert f"{NOT_APPLICABLE}: the method does not fit the task" in text
    assert "·: not run; such a row is listed below" in text


def test_aggregates_are_over_the_tasks_a_method_fits(results) -> None:
    found = rows(bbo("report", results), "Across 2 tasks, 100th")
    assert list(found) == ["method", "letters", "all", "random"]
    assert found["letters"][0] == "1/2"
    assert found["letters"][1].startswith("0.915 [")
    assert found["letters"][-1].startswith("1.000 [")


def test_groups_are_of_complete_rows_ranked_among_each_other(make) -> None:
    """Six tasks. b and c are complete; four others fit all tasks but the last and lie between them, which must not part b from c."""
    tasks = [f"t{i}" for i in range(6)]
    records = [make(task, name, 0, score)[0] for task in tasks for name, score in (("b", 0.9), ("c", 0.1))]
    records += [make(task, f"x{i}", 0, 0.5 + i / 100)[0] for task in tasks[:-1] for i in range(4)]
    found = board(records, [Unsuitable("t5", f"x{i}", "") for i in range(4)])
    test = grouping(found, 100)
    assert [found.rows[i].label for i in test.methods] == ["b", "c"]
    assert test.ranks == (1.0, 2.0)
    assert test.tasks == 6
    # Friedman of two methods is the sign test: 6 of 6.
    assert test.p == pytest.approx(stats.chi2.sf(6, 1))
    letters = {row.label: s.group for row, s in zip(found.rows, standings(found, 100, np.random.default_rng(0)), strict=True)}
    assert letters == {"b": "A", "c": "B", "x0": "", "x1": "", "x2": "", "x3": ""}


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_tables_keep_it(results, tmp_path, suffix) -> None:
    table = tmp_path / f"all.{suffix}"
    bbo("collect", results, "--to", table)
    assert sources.load([table]).unsuitable == sources.load([results]).unsuitable
    ours, theirs = (bbo("report", path, "--format", "json") for path in (table, results))
    assert ours == theirs


def test_json_and_the_page_say_it(results, tmp_path) -> None:
    found = [r for r in json.loads(bbo("report", results, "--format", "json", "--percentile", 100)) if r["method"] == "letters"]
    assert [(r["task"], r["status"], r["reason"], r["rank"]) for r in found] == [
        ("t1", "run", None, 1.0),
        ("t2", "not applicable", REASON, None),
    ]
    page = tmp_path / "page.html"
    bbo("report", results, "--format", "html", "--out", page)
    text = page.read_text()
    assert f'<td class="not-applicable">{NOT_APPLICABLE}<sup>' in text
    assert f'"u":"{REASON}"' in text


def test_what_was_run_all_the_same_is_shown(store, make) -> None:
    out = store(make("t1", "a", 0, 0.5))
    plan(out, ("t1", "a", "an older version did not fit"))
    assert "0.500" in bbo("report", out)
    assert "not applicable" not in bbo("report", out)


def test_a_damaged_plan_is_one_line(store, make) -> None:
    out = store(make("t1", "a", 0, 0.5))
    plan(out)
    (out / "plans" / "0123.json").write_text('{"unsuitable": [{"task": "t1"}]}')
    answer = CliRunner().invoke(main, ["report", str(out)])
    assert answer.exit_code == 2
    assert "0123.json cannot be read" in answer.stderr
    assert answer.stderr.count("\n") == 1
