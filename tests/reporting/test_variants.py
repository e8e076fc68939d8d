"""`bbo compare DIR --against METHOD`: differences to one row, worked out by hand."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bbo.cli import main


def bbo(*args: object):
    return CliRunner().invoke(main, [str(a) for a in args])


def rows(text: str) -> dict[str, list[str]]:
    body = text.split("## 100th percentile")[1].split("\n\n")[1]
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in body.splitlines() if not line.startswith("| -")]
    return {re.sub(r" \[[a-z,]+\]$", "", line[0]): line[1:] for line in lines}


@pytest.fixture
def results(store, make):
    """m+ignite is 0.02 above m on t1 with every seed, and by 0.02 with a spread on t2; n has one seed of m's, and few has three."""
    cells = [make("t1", "few", seed, 0.9) for seed in range(3)]
    for seed, extra in enumerate((0.01, 0.02, 0.03, 0.02)):
        cells += [make("t1", "m", seed, 0.5 + seed / 10), make("t2", "m", seed, 0.3)]
        cells += [make("t1", "m+ignite", seed, 0.52 + seed / 10), make("t2", "m+ignite", seed, 0.3 + extra)]
    return store(*cells, make("t1", "n", 0, 0.1), make("t1", "n", 9, 0.9), make("t3", "other", 0, 0.9))


def test_differences_are_paired_by_task_and_seed(results) -> None:
    answer = bbo("compare", results, "--against", "m", "--percentile", 100)
    assert answer.exit_code == 0, answer.output
    found = rows(answer.stdout)
    assert list(found) == ["method", "m", "few", "m+ignite", "n"]
    assert found["method"] == ["pairs", "t1", "t2", "all tasks"]
    assert found["m"] == ["·", "0.650 ± 0.112", "0.300 ± 0.000", "0.475"]
    # t(0.975, 3) = 3.182; the variance of t2's differences is 2 / 3 * 0.01^2. Over both tasks half of that.
    half = 3.182446305284263 * 0.01 * np.sqrt(2 / 3 / 4)
    both = [f"**+0.020 [{0.02 - h:+.3f}, {0.02 + h:+.3f}]**" for h in (half, half / 2)]
    assert found["m+ignite"] == ["8", "**+0.020 [+0.020, +0.020]**", *both]
    # Three shared seeds are too few for an interval, so nothing is said.
    assert found["few"] == ["3", "+0.300", "·", "+0.300"]
    assert found["n"] == ["1", "-0.400", "·", "-0.400"]


def test_nothing_is_said_of_ranks_where_there_are_none(results) -> None:
    """Rows stand in the order of their names; of a row with fewer tasks only their number is said."""
    text = bbo("compare", results, "--against", "m").stdout
    assert "mean rank" not in text
    assert "- Rows are in the order of their names, below the first." in text
    assert re.search(r"^- \[[a-z]\] run on 1 of 3 tasks$", text, re.MULTILINE)


def test_what_is_too_small_to_matter_is_not_bold(results) -> None:
    found = rows(bbo("compare", results, "--against", "m", "--percentile", 100, "--relevant", 0.05).stdout)
    assert found["m+ignite"][1] == "+0.020 [+0.020, +0.020]"


def test_an_ablation_shows_variants_alone_under_the_reference_of_each(store, make) -> None:
    """Settings and regularisers of two methods; a row's variants stand under it and nowhere else."""
    cells = [make("t1", name, 0, score) for name, score in (("m", 0.5), ("m+sam", 0.6), ("n", 0.2), ("n+sam", 0.1), ("other", 0.9))]
    cells.append(make("t1", "m", 0, 0.8, config={"w": 1}, method_facts={"overrides": {"w": 1}}))
    answer = bbo("compare", store(*cells), "--variants", "--against", "m", "--against", "n", "--percentile", 100)
    assert answer.exit_code == 0, answer.output
    assert "# Against m, n" in answer.stdout
    parts = re.split(r"^## (\w+): 100th percentile of the designs$", answer.stdout, flags=re.MULTILINE)[1:]
    found = {name: rows(f"## 100th percentile\n\n{body.strip()}") for name, body in zip(parts[::2], parts[1::2], strict=True)}
    assert {name: {row: line[1] for row, line in table.items() if row != "method"} for name, table in found.items()} == {
        "m": {"m": "0.500", "m [w=1]": "+0.300", "m+sam": "+0.100"},
        "n": {"n": "0.200", "n+sam": "-0.100"},
    }


#: Committed ablations whose cells are committed too.
ABLATIONS = sorted((Path(__file__).parents[2] / "results" / "ablations").glob("*_cells.csv"))


@pytest.mark.parametrize("table", ABLATIONS, ids=lambda path: path.name)
def test_committed_ablations_are_what_their_cells_give(table, monkeypatch) -> None:
    """If this fails: run the command that the page's last lines name, and commit what it writes."""
    page = table.with_name(table.name.replace("_cells.csv", ".md"))
    (made_by,) = re.findall(r"^- Made by: bbo (.*) --out \S+$", page.read_text(), re.MULTILINE)
    monkeypatch.chdir(table.parents[2])
    answer = bbo(*shlex.split(made_by), "--format", "md")
    written = [line for line in page.read_text().splitlines() if not line.startswith("- Made by: ")]
    assert [line for line in answer.stdout.splitlines() if not line.startswith("- Made by: ")] == written


def test_committed_ablations_are_found() -> None:
    assert len(ABLATIONS) >= 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--against", "m", "--variants", "--against", "n"), "no variant of n shares a task and a seed with it"),
        (("--variants",), "bbo compare A --against METHOD"),
        (("--against", "mm"), "unknown row 'mm': did you mean"),
        (("--against", "other"), "no row shares a task and a seed with other"),
        ((), "bbo compare A --against METHOD"),
    ],
)
def test_what_cannot_be_compared_is_one_line(results, arguments, words) -> None:
    answer = bbo("compare", results, *arguments)
    assert answer.exit_code == 2
    assert words in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_of_several_rows_of_a_method_one_must_be_named(store, make) -> None:
    out = store(*(make("t1", "m", 0, 0.5 + w / 10, config={"w": w}, method_facts={"overrides": {"w": w}}) for w in (1, 2)))
    answer = bbo("compare", out, "--against", "m")
    assert answer.exit_code == 2
    assert "m has several rows, give one of them: 'm [w=1]', 'm [w=2]'" in answer.stderr
    assert "+0.100" in bbo("compare", out, "--against", "m [w=1]", "--percentile", 100).stdout
