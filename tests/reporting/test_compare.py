"""`bbo compare`: verdicts and differences worked out by hand."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from bbo.cli import main
from bbo.reporting.board.scores import board
from bbo.reporting.documents import changes

CRASH = {"reason": "crash", "type": "", "message": "out of memory"}


def cells(make, scores, **more):
    return [make("t1", "m", seed, score, **more)[0] for seed, score in scores.items()]


def only(a, b):
    (change,) = changes.changes(board(a), board(b), 100)
    return change


def test_pairs_see_a_small_steady_change(make) -> None:
    a = cells(make, {0: 0.1, 1: 0.5, 2: 0.9, 3: 0.4})
    b = cells(make, {0: 0.12, 1: 0.51, 2: 0.95, 3: 0.42})
    change = only(a, b)
    # Differences 0.02, 0.01, 0.05, 0.02: mean 0.025, variance 0.0003, t(0.975, 3) = 3.1824.
    half = 3.182446305284263 * np.sqrt(0.0003 / 4)
    assert change.paired
    assert change.difference.value == pytest.approx(0.025)
    assert change.difference.low == pytest.approx(0.025 - half)
    assert change.difference.high == pytest.approx(0.025 + half)
    assert change.verdict == "within noise"
    steady = {0: 0.12, 1: 0.52, 2: 0.921, 3: 0.42}
    assert only(a, cells(make, steady)).verdict == "better"
    assert only(cells(make, steady), a).verdict == "worse"
    # Three seeds are too few to say which is better, however steady the difference.
    assert only(a[:3], cells(make, steady)[:3]).verdict == "too few seeds"


def test_other_seeds_are_compared_as_two_samples(make) -> None:
    change = only(cells(make, {0: 0.1, 1: 0.2, 2: 0.1, 3: 0.2}), cells(make, {4: 0.6, 5: 0.7, 6: 0.6, 7: 0.7}))
    # Welch: each variance is 0.01 / 3, so the standard error sqrt(2 * 0.01 / 3 / 4); 6 degrees of freedom.
    half = 2.4469118511449692 * np.sqrt(0.02 / 12)
    assert not change.paired
    assert (change.difference.low, change.difference.high) == (pytest.approx(0.5 - half), pytest.approx(0.5 + half))
    assert change.verdict == "better"


def test_verdicts_without_an_interval(make) -> None:
    one = cells(make, {0: 0.5})
    assert only(one, one).verdict == "identical"
    assert only(one, cells(make, {0: 0.7})).verdict == "too few seeds"
    assert only(one, cells(make, {0: 0.5}, error=CRASH)).verdict == "failed"
    assert only(one, cells(make, {0: 0.5, 1: 0.5})).verdict != "identical"


def test_a_difference_too_small_to_matter_is_negligible(make) -> None:
    a = cells(make, {0: 0.5, 1: 0.6, 2: 0.7, 3: 0.8})
    tiny = cells(make, {0: 0.4999, 1: 0.5999, 2: 0.6999, 3: 0.7999})
    assert only(a, tiny).verdict == "negligible"
    assert only(tiny, a).verdict == "negligible"
    # Mean 0, but an interval of +-0.0065: nothing is known to be small.
    assert only(a, cells(make, {0: 0.505, 1: 0.6, 2: 0.695, 3: 0.8})).verdict == "within noise"
    # An interval of +-0.00065 about 0 says that nothing relevant changed.
    assert only(a, cells(make, {0: 0.5005, 1: 0.6, 2: 0.6995, 3: 0.8})).verdict == "negligible"
    # Steadily 0.02 more: relevant at 0.005 and at 0.02, not at 0.03.
    steady = cells(make, {0: 0.52, 1: 0.62, 2: 0.72, 3: 0.82})
    verdicts = [changes.changes(board(a), board(steady), 100, relevant)[0].verdict for relevant in (0.005, 0.0199, 0.03)]
    assert verdicts == ["better", "better", "negligible"]


def test_the_smallest_relevant_difference_is_an_option_and_zero_has_no_minus(store, make) -> None:
    a = store(*(make("t1", "m", s, 0.5 + s / 10) for s in range(4)), name="a")
    b = store(*(make("t1", "m", s, 0.4999 + s / 10) for s in range(4)), name="b")
    answer = CliRunner().invoke(main, ["compare", str(a), str(b), "--percentile", "100"])
    assert "+0.000 [+0.000, +0.000]" in answer.stdout
    assert "-0.000" not in answer.stdout
    assert "100th percentile: 1 negligible." in answer.stdout
    answer = CliRunner().invoke(main, ["compare", str(a), str(b), "--percentile", "100", "--relevant", "0"])
    assert "100th percentile: 1 worse." in answer.stdout


def test_the_sides_are_of_the_seeds_that_the_difference_is_of(store, make) -> None:
    a = store(*(make("t1", "m", s, score) for s, score in {0: 0.5, 1: 0.6, 2: 0.1}.items()), name="a")
    b = store(*(make("t1", "m", s, score) for s, score in {0: 0.7, 1: 0.8, 3: 0.0}.items()), name="b")
    answer = CliRunner().invoke(main, ["compare", str(a), str(b), "--percentile", "100", "--format", "md"])
    (row,) = (line for line in answer.stdout.splitlines() if re.match(r"\| m +\| +t1 ", line))
    assert [part.strip() for part in row.split("|")][3:7] == ["0.550 ± 0.050", "0.750 ± 0.050", "+0.200", "2 paired"]


def test_the_stacks_say_why_numbers_may_differ(store, make, tmp_path) -> None:
    def on(name, **provenance):
        record, outcome = make("t1", "m", 0, 0.5)
        return store((replace(record, provenance={**record.provenance, **provenance}), outcome), name=name)

    facts = {"threads": 1, "blas": ["mkl in torch", "openblas 0.3"], "numerics": "portable"}
    a, b = on("a", cpu="AMD EPYC", **facts), on("b", cpu="Intel Xeon", **facts)
    tables = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for folder, table in zip((a, b), tables, strict=True):
        assert CliRunner().invoke(main, ["collect", str(folder), "--to", str(table)]).exit_code == 0
    answer = CliRunner().invoke(main, ["compare", *map(str, tables)])
    assert "- Stack of A: CPU AMD EPYC." in answer.stdout
    assert "- Stack of B: CPU Intel Xeon." in answer.stdout
    report = CliRunner().invoke(main, ["report", str(tables[0])]).stdout
    assert "- Machine: BLAS mkl in torch + openblas 0.3, CPU AMD EPYC, numerics portable, threads 1." in report
    answer = CliRunner().invoke(main, ["compare", str(a), str(on("c", **facts))])
    assert "- Stack of B: CPU not recorded." in answer.stdout


def test_tasks_of_other_versions_are_not_compared(make) -> None:
    found = changes.changes(board(cells(make, {0: 0.5})), board(cells(make, {0: 0.6}, task_version="2")), 100)
    assert [(c.task, c.verdict) for c in found] == [
        ("t1 [version=1]", "only in A"),
        ("t1 [version=2]", "only in B"),
    ]


def test_command_compares_a_folder_with_a_committed_table(store, make, tmp_path) -> None:
    a = store(*(make(t, "m", s, 0.5 + s / 10) for t in ("t1", "t2") for s in range(4)), name="a")
    b = store(*(make(t, "m", s, 0.7 + s / 10, config={"steps": 9}) for t in ("t1", "t2") for s in range(4)), name="b")
    table = tmp_path / "a.csv"
    assert CliRunner().invoke(main, ["collect", str(a), "--to", str(table)]).exit_code == 0
    answer = CliRunner().invoke(main, ["compare", str(table), str(b), "--percentile", "100"])
    assert answer.exit_code == 0
    assert re.search(r"\| m +\| +2 \| +\+0\.200 \[\+0\.200, \+0\.200\] \|", answer.stdout)
    assert answer.stdout.count("**better**") == 2
    assert "100th percentile: 2 better." in answer.stdout
    assert "m: steps unset in A, 9 in B (t1)." in answer.stdout


def test_rows_of_one_side_are_counted_and_not_listed(store, make) -> None:
    a = store(*(make("t1", name, s, 0.5) for name in ("m", "only-a") for s in range(4)), name="a")
    b = store(*(make("t1", name, s, 0.7) for name in ("m", "only-b", "more-b") for s in range(4)), name="b")
    answer = CliRunner().invoke(main, ["compare", str(a), str(b), "--percentile", "100"]).stdout
    assert re.search(r"\| m +\| +t1 ", answer)
    assert "100th percentile: 1 better, 1 only in A, 2 only in B." in answer
    assert not re.search(r"\| (only-|more-)", answer)


def test_a_folder_of_results_folders_names_them(store, make, tmp_path) -> None:
    a, b = (store(make("t1", "m", 0, 0.5), name=name) for name in "ab")
    answer = CliRunner().invoke(main, ["report", str(a.parent)])
    assert answer.exit_code == 2
    assert f"give one of: {a}, {b}" in answer.stderr


def test_nothing_there_is_one_line(tmp_path) -> None:
    answer = CliRunner().invoke(main, ["compare", str(tmp_path), str(tmp_path)])
    assert answer.exit_code == 2
    assert answer.stderr.startswith("error: ")
    assert answer.stderr.count("\n") == 1
