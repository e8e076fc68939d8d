"""`bbo report --latest`: of several versions the newest, and what was left out is said."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from click.testing import CliRunner

from bbo.cli import main


@pytest.fixture
def timed(store, make):
    def fill(*cells):
        made = []
        for finished, args, more in cells:
            record, outcome = make(*args, **more)
            made.append(
                (replace(record, provenance={**record.provenance, **({"finished": finished} if finished else {})}), outcome)
            )
        return store(*made)

    return fill


def at(hour, *args, **more):
    return f"2026-11-24T{hour:02}:00:00+00:00" if hour else "", args, more


def bbo(*args: object):
    return CliRunner().invoke(main, [str(a) for a in args])


def labels(text: str) -> list[str]:
    body = text.split("## Normalised score, 100th")[1].split("\n\n")[1]
    return [re.sub(r" \[[a-z,]+\]$", "", line.split("|")[1].strip()) for line in body.splitlines()[2:]]


def test_the_newest_version_of_a_task_then_of_a_method(timed) -> None:
    out = timed(
        at(1, "gb1", "random", 0, task_version="1"),
        at(5, "gb1", "random", 0, task_version="2"),
        at(2, "gb1", "Evo", 0, task_version="2", version="cfce"),
        at(3, "gb1", "Evo", 0, task_version="2", version="be22"),
        at(4, "gb1", "Evo", 1, task_version="2", version="be22"),
        at(1, "t2", "Evo", 0, version="cfce"),
    )
    plain = bbo("report", out).stdout
    assert "gb1 [version=1]" in plain
    assert "Evo [version=cfce]" in plain
    text = bbo("report", out, "--latest").stdout
    # On t2 there is only the older version, which is the latest there.
    assert [label.split(" [")[0] for label in labels(text)] == ["Evo", "random"]
    assert "gb1 [" not in text.split("\n- ")[0]
    assert (
        "Latest versions only: of each task, and then of each method with the same settings asked for, the version whose last cell was "
        "finished last. Left out: gb1 (version 1), random (version 1): 1 cell; gb1 (version 2), Evo (version cfce): 1 cell." in text
    )


def test_settings_asked_for_stay_apart_whatever_their_versions(timed) -> None:
    def evo(hour, version, changed, config):
        return at(hour, "t1", "Evo", 0, version=version, config=config, method_facts={"overrides": changed})

    out = timed(
        evo(1, "1", {}, {"kappa": 1.0}),
        evo(2, "1", {"kappa": 2.0}, {"kappa": 2.0}),
        # The new version has a setting more; what was asked for is the same.
        evo(3, "2", {}, {"kappa": 1.0, "depth": 3}),
    )
    assert labels(bbo("report", out, "--latest").stdout) == ["Evo [version=1, kappa=2.0]", "Evo [version=2]"]


def test_a_version_that_fails_does_not_hide_behind_an_older_one(timed) -> None:
    crash = {"reason": "crash", "type": "", "message": "boom"}
    out = timed(at(1, "t1", "Evo", 0, version="1"), at(2, "t1", "Evo", 0, version="2", error=crash))
    assert "failed 1/1" in bbo("report", out, "--latest").stdout


def test_without_times_it_refuses_to_choose(timed) -> None:
    out = timed(at(0, "t1", "Evo", 0, version="1"), at(2, "t1", "Evo", 0, version="2"))
    answer = bbo("report", out, "--latest")
    assert answer.exit_code == 2
    assert "the newest of 2 versions of t1 / Evo cannot be told" in answer.stderr and "leave --latest out" in answer.stderr
    pruned = bbo("prune", out, "--yes")
    assert pruned.exit_code == 2 and f"remove the folders of the older ones from {out / 'cells'}" in pruned.stderr
    assert "--latest" not in pruned.stderr
    assert answer.stderr.count("\n") == 1


def test_nothing_left_out_says_nothing(timed) -> None:
    assert "Latest versions" not in bbo("report", timed(at(0, "t1", "Evo", 0)), "--latest").stdout


def test_it_reads_collected_tables(timed, tmp_path) -> None:
    out = timed(at(1, "t1", "Evo", 0, version="1"), at(2, "t1", "Evo", 0, version="2"))
    bbo("collect", out, "--to", tmp_path / "all.csv")
    assert labels(bbo("report", tmp_path / "all.csv", "--latest").stdout) == ["Evo"]
