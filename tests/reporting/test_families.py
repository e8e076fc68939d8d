"""Tables by family, on a store whose numbers were worked out by hand: methods that cover half of the tasks, or one kind of space.

Two tasks of sequences (s1, s2) and one box (b1); every seed of a pair has the same score, so that intervals have no width.

| | s1 | s2 | b1 |
| --- | --- | --- | --- |
| random | 0.5 | 0.5 | 0.5 |
| a | 0.75 | 0.75 | 0.75 |
| discrete | 1 | 1 | not applicable |
| box | not applicable | not applicable | 0.6 |
| half | 0.9 | not run | not run |
| fails | 0.7 | failed | 0.5 |
"""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from click.testing import CliRunner

from bbo.cli import main
from bbo.record import write
from bbo.reporting.board import families, statistics
from bbo.reporting.board.scores import board
from bbo.reporting.board.standings import standings
from bbo.reporting.documents import leaderboard
from bbo.reporting.formats import latex, markdown
from bbo.reporting.storage.unsuitable import Unsuitable

FAMILY = {"s1": "sequences", "s2": "sequences", "b1": "synthetic"}
SCORES = {
    "random": {"s1": 0.5, "s2": 0.5, "b1": 0.5},
    "a": {"s1": 0.75, "s2": 0.75, "b1": 0.75},
    "discrete": {"s1": 1.0, "s2": 1.0},
    "box": {"b1": 0.6},
    "half": {"s1": 0.9},
    "fails": {"s1": 0.7, "s2": None, "b1": 0.5},
}
CRASH = {"reason": "memory", "type": "", "message": "killed"}
UNFIT = [Unsuitable("b1", "discrete", "needs letters"), *(Unsuitable(t, "box", "needs a box") for t in ("s1", "s2"))]


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="module")
def cells(make):
    return [
        make(task, method, seed, score or 0.0, facts={"family": FAMILY[task]}, error=None if score else CRASH)
        for method, scores in SCORES.items()
        for task, score in scores.items()
        for seed in range(4)
    ]


@pytest.fixture(scope="module")
def unbalanced(cells):
    return board((record for record, _ in cells), UNFIT)


#: Value, and how many of how many tasks it is over, by measure, family and method. On s1 five methods were run, on s2 and b1 four.
BY_HAND = {
    ("above-chance", "sequences"): {
        "discrete": (1, 2, 2), "half": (0.8, 1, 2), "a": (0.5, 2, 2), "fails": (0.2, 2, 2), "random": (0, 2, 2), "box": None,
    },
    ("above-chance", "synthetic"): {
        "a": (0.5, 1, 1), "box": (0.2, 1, 1), "fails": (0, 1, 1), "random": (0, 1, 1), "discrete": None, "half": None,
    },
    ("above-chance", "all"): {
        "discrete": (1, 2, 3), "half": (0.8, 1, 3), "a": (0.5, 3, 3), "box": (0.2, 1, 3), "fails": (0.1, 3, 3), "random": (0, 3, 3),
    },
    # s1: discrete, half, a, fails, random; s2: discrete, a, random, fails (last, as it failed).
    ("mean-rank", "sequences"): {
        "discrete": (1, 2, 2), "half": (2, 1, 2), "a": (2.5, 2, 2), "fails": (4, 2, 2), "random": (4, 2, 2), "box": None,
    },
    # b1: a, box, then fails and random share 3 and 4.
    ("mean-rank", "all"): {
        "discrete": (1, 2, 3), "half": (2, 1, 3), "a": (1.75, 3, 3), "box": (2, 1, 3), "fails": (3.75, 3, 3), "random": (3.75, 3, 3),
    },
    ("wins", "sequences"): {
        "discrete": (1, 2, 2), "half": (3 / 4, 1, 2), "a": ((2 / 4 + 2 / 3) / 2, 2, 2), "fails": (1 / 8, 2, 2),
        "random": (1 / 6, 2, 2), "box": None,
    },
    ("wins", "synthetic"): {
        "a": (1, 1, 1), "box": (2 / 3, 1, 1), "fails": (1 / 6, 1, 1), "random": (1 / 6, 1, 1), "discrete": None, "half": None,
    },
}  # fmt: skip


def test_values_are_those_worked_out_by_hand(unbalanced) -> None:
    found = families.values(unbalanced, 100, rng())
    for key, wanted in BY_HAND.items():
        for row, value in zip(unbalanced.rows, found[key], strict=True):
            if wanted[row.label] is None:
                assert value is None, (key, row.label)
                continue
            estimate = value.estimate
            assert (value.tasks, value.total) == wanted[row.label][1:], (key, row.label)
            # Seeds that are all alike leave no uncertainty.
            assert (estimate.value, estimate.low, estimate.high) == pytest.approx([wanted[row.label][0]] * 3), (key, row.label)


def test_the_interval_is_that_of_drawn_seeds_widened(make) -> None:
    """Two of four seeds at 0.6 and two at 0.9: a resample's mean is 0.6 or 0.9 with a chance of 1/16 each."""
    cells = [make("t", "random", s, 0.5) for s in range(4)] + [make("t", "m", s, 0.6 + 0.3 * (s % 2)) for s in range(4)]
    found = families.values(board(record for record, _ in cells), 100, rng())["above-chance", "all"][0].estimate
    half = 0.3 * statistics.widening([4, 4])
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.5 - half, 0.5 + half))
    for few in ("m", "random"):
        some = board(record for record, _ in cells if record.spec.method != few or record.spec.seed < 3)
        found = families.values(some, 100, rng())
        value = found["above-chance", "all"][0].estimate
        assert np.isfinite(value.value) and np.isnan([value.low, value.high]).all()
        assert np.isnan(found["wins", "all"][0].estimate.low) == (few == "m")


def test_a_task_that_gives_no_number_is_not_counted(make) -> None:
    """`random` was not run on t2 and is at 1 on t3: of the three tasks of x only t1 has scores above chance, and none is the best."""
    tops = {"random": (0.5, None, 1.0, 0.5), "a": (0.75,) * 4, "b": (0.6,) * 4}
    places = {"t1": "x", "t2": "x", "t3": "x", "u": "y"}
    found = board(
        make(task, method, 0, top, facts={"family": places[task]})[0]
        for method, all_tops in tops.items()
        for task, top in zip(places, all_tops, strict=True)
        if top
    )
    values = families.values(found, 100, rng())
    counts = [(value.estimate.value, value.tasks, value.total) for value in values["above-chance", "x"]]
    assert counts == [(pytest.approx(0.5), 1, 3), (pytest.approx(0.2), 1, 3), (0, 1, 3)]
    assert [value.tasks for value in values["mean-rank", "x"]] == [3, 3, 2]
    above, ranks, *_ = leaderboard.document(found, 100, "bbo report", rng(), split=True).tables
    assert [item.text for item in above.rows[0]] == ["a", "0.500 (2/4)", "0.500 (1/3)", "0.500"]
    assert ["best" in item.styles for item in above.rows[0]] == [False, False, False, True]
    assert "best" in ranks.rows[0][1].styles
    score = leaderboard.document(found, 100, "bbo report", rng(), split=False).tables[0]
    column = [item.text for item in score.header].index("above chance")
    assert [row[column].text for row in score.rows] == ["0.500 (2/4)", "0.200 (2/4)", "0.000 (2/4)"]


def test_failing_on_a_task_does_not_raise_the_score_above_chance(make) -> None:
    """The score table and the table of families have one rule: such a task counts with its lowest score."""
    crash = {"reason": "crash", "type": "", "message": ""}

    def above(error) -> list[float]:
        tops = {"random": (0.5, 0.5), "low": (0.3, 0.3), "m": (0.75, 0.4)}
        found = board(
            make(t, m, 0, top, error=error if (m, t) == ("m", "t2") else None)[0]
            for m, both in tops.items()
            for t, top in zip(("t1", "t2"), both, strict=True)
        )
        (place,) = (p for p, row in zip(standings(found, 100, rng()), found.rows, strict=True) if row.label == "m")
        value = next(
            v
            for v, row in zip(families.values(found, 100, rng())["above-chance", "other"], found.rows, strict=True)
            if row.label == "m"
        )
        return [place.above_chance, value.estimate.value]

    assert above(None) == pytest.approx([(0.5 - 0.2) / 2] * 2)
    assert above(crash) == pytest.approx([(0.5 - 0.4) / 2] * 2)


def test_documents_have_a_table_for_each_family_and_three_of_families(unbalanced) -> None:
    document = leaderboard.document(unbalanced, 100, "bbo report", rng(), split=True)
    names = [table.name for table in document.tables]
    assert names == ["families-above-chance-100", "families-mean-rank-100", "families-wins-100", "score-100-sequences",
                     "score-100-synthetic", "standing-100"]  # fmt: skip
    above = {row[0].text: row[1:] for row in document.tables[0].rows}
    assert [item.text for item in document.tables[0].header] == ["method", "all", "sequences", "synthetic"]
    assert [item.text for item in above["half"]] == ["0.800 [0.800, 0.800] (1/3)", "0.800 [0.800, 0.800] (1/2)", "·"]
    # The best of those that were run on every task of the column: not discrete under "all".
    assert {name for name, items in above.items() if "best" in items[0].styles} == {"a"}
    assert {name for name, items in above.items() if "best" in items[1].styles} == {"discrete"}
    scores = document.tables[3]
    assert [item.text for item in scores.header][-2:] == ["s1", "s2"]
    assert scores.title.startswith("Sequences. Normalised score")
    # Ranks are of the family alone; box was not run there, and half only on one task.
    assert [(row[0].text, row[1].text) for row in scores.rows] == [
        ("discrete", "1.00"), ("a", "2.50"), ("fails", "4.00"), ("random", "4.00"), ("half", "2.00"),
    ]  # fmt: skip
    assert any(line.startswith("Families: a value is the mean over the tasks") for line in document.footer)


def test_a_board_of_few_tasks_is_one_table(unbalanced) -> None:
    document = leaderboard.document(unbalanced, 100, "bbo report", rng())
    assert [table.name for table in document.tables] == ["score-100", "standing-100"]
    assert [item.text for item in document.tables[0].header][-3:] == ["b1", "s1", "s2"]


def test_markdown_and_latex_have_at_most_the_asked_columns(unbalanced) -> None:
    document = leaderboard.document(unbalanced, 100, "bbo report", rng(), split=True)
    for columns, parts in ((3, 2), (8, 1)):
        text = markdown.render(document, columns)
        part = text.split("## Mean score above chance")[1].split("\n## ")[0]
        assert part.count("| method") == parts
        assert max(line.count("|") - 1 for line in text.splitlines() if line.startswith("|")) <= columns
        assert latex.render(document, columns).count("Mean score above chance by family") == parts


def test_lines_of_families_in_csv_and_json(cells, tmp_path) -> None:
    for record, outcome in cells:
        write(tmp_path / "r", record, outcome)

    def bbo(*args: str) -> str:
        answer = CliRunner().invoke(main, ["report", str(tmp_path / "r"), *args])
        assert answer.exit_code == 0, answer.output
        return answer.stdout

    rows = json.loads(bbo("--format", "json", "--by", "family", "--percentile", "100"))
    found = {(row["family"], row["method"]): row for row in rows}
    assert found["sequences", "a"]["wins"] == pytest.approx((2 / 4 + 2 / 3) / 2)
    assert found["all", "half"]["above_chance_low"] == pytest.approx(0.8)
    assert (found["all", "half"]["tasks"], found["all", "half"]["tasks_of_family"]) == (1, 3)
    table = list(csv.DictReader(io.StringIO(bbo("--format", "csv", "--by", "family", "--percentile", "100"))))
    assert [(row["family"], row["method"]) for row in table] == list(found)
    assert {row["family"] for row in json.loads(bbo("--format", "json"))} == {"sequences", "synthetic"}
    assert "Normalised score" not in bbo("--by", "family")
    assert "by family" not in bbo("--by", "task")
