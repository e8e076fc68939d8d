"""`bbo compare`: verdicts and differences worked out by hand."""

from __future__ import annotations

import re

import numpy as np
import pytest
from click.testing import CliRunner

from bbo.cli import main
from bbo.leaderboard.board.scores import board
from bbo.leaderboard.documents import changes

CRASH = {"reason": "crash", "type": "", "message": "out of memory"}


def cells(make, scores, **more):
    return [make("t1", "m", seed, score, **more)[0] for seed, score in scores.items()]


def only(a, b):
    (change,) = changes.changes(board(a), board(b), 100)
    return change


def test_pairs_see_a_small_steady_change(make) -> None:
    a = cells(make, {0: 0.1, 1: 0.5, 2: 0.9})
    b = cells(make, {0: 0.12, 1: 0.51, 2: 0.93})
    change = only(a, b)
    # Differences 0.02, 0.01, 0.03: mean 0.02, deviation 0.01, t(0.975, 2) = 4.3027.
    half = 4.302652729911275 * 0.01 / np.sqrt(3)
    assert change.paired
    assert change.difference.value == pytest.approx(0.02)
    assert change.difference.low == pytest.approx(0.02 - half)
    assert change.difference.high == pytest.approx(0.02 + half)
    assert change.verdict == "within noise"
    assert only(a, cells(make, {0: 0.12, 1: 0.52, 2: 0.921})).verdict == "better"
    assert only(cells(make, {0: 0.12, 1: 0.52, 2: 0.921}), a).verdict == "worse"


def test_other_seeds_are_compared_as_two_samples(make) -> None:
    change = only(cells(make, {0: 0.1, 1: 0.2}), cells(make, {2: 0.6, 3: 0.7}))
    # Welch: standard error sqrt(2 * 0.005 / 2), 2 degrees of freedom.
    half = 4.302652729911275 * np.sqrt(0.005)
    assert not change.paired
    assert (change.difference.low, change.difference.high) == (pytest.approx(0.5 - half), pytest.approx(0.5 + half))
    assert change.verdict == "better"


def test_verdicts_without_an_interval(make) -> None:
    one = cells(make, {0: 0.5})
    assert only(one, one).verdict == "identical"
    assert only(one, cells(make, {0: 0.7})).verdict == "too few seeds"
    assert only(one, cells(make, {0: 0.5}, error=CRASH)).verdict == "failed"
    assert only(one, cells(make, {0: 0.5, 1: 0.5})).verdict != "identical"


def test_tasks_of_other_versions_are_not_compared(make) -> None:
    found = changes.changes(board(cells(make, {0: 0.5})), board(cells(make, {0: 0.6}, task_version="2")), 100)
    assert [(c.task, c.verdict) for c in found] == [
        ("t1 [version=1]", "only in A"),
        ("t1 [version=2]", "only in B"),
    ]


def test_command_compares_a_folder_with_a_committed_table(store, make, tmp_path) -> None:
    a = store(*(make(t, "m", s, 0.5 + s / 10) for t in ("t1", "t2") for s in range(3)), name="a")
    b = store(*(make(t, "m", s, 0.7 + s / 10, config={"steps": 9}) for t in ("t1", "t2") for s in range(3)), name="b")
    table = tmp_path / "a.csv"
    assert CliRunner().invoke(main, ["collect", str(a), "--to", str(table)]).exit_code == 0
    answer = CliRunner().invoke(main, ["compare", str(table), str(b), "--percentile", "100"])
    assert answer.exit_code == 0
    assert re.search(r"\| m +\| +2 \| +\+0\.200 \[\+0\.200, \+0\.200\] \|", answer.stdout)
    assert answer.stdout.count("**better**") == 2
    assert "100th percentile: 2 better." in answer.stdout
    assert "m: steps unset in A, 9 in B (t1)." in answer.stdout


def test_nothing_there_is_one_line(tmp_path) -> None:
    answer = CliRunner().invoke(main, ["compare", str(tmp_path), str(tmp_path)])
    assert answer.exit_code == 2
    assert answer.stderr.startswith("error: ")
    assert answer.stderr.count("\n") == 1
