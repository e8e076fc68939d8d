"""What a table says with too few seeds, and of runs that ended in something absurd."""

from __future__ import annotations

import json
import re

from click.testing import CliRunner

from bbo.cli import main


def bbo(*args: object) -> str:
    answer = CliRunner().invoke(main, [str(a) for a in args])
    assert answer.exit_code == 0, answer.output
    return answer.stdout


def seeds(make, name, *scores, **more):
    return [make("t1", name, seed, score, **more) for seed, score in enumerate(scores)]


def test_three_seeds_tell_nothing_and_the_table_says_so(store, make) -> None:
    text = bbo(
        "report", store(*seeds(make, "random", 0.9, 0.8, 0.7), *seeds(make, "m", 0.4, 0.41, 0.4), *seeds(make, "n", 0.7, 0.7, 0.7))
    )
    assert "Italic" not in text
    assert not re.search(r"[| ]_", text)
    assert (
        "Too few seeds to say which entries are like random: 2 of 2 cannot be compared with it; that takes 4 seeds of both." in text
    )


def test_four_seeds_tell_what_is_like_random(store, make) -> None:
    out = store(
        *seeds(make, "random", 0.8, 0.7, 0.9, 0.8), *seeds(make, "m", 0.3, 0.3, 0.3, 0.3), *seeds(make, "n", 0.84, 0.7, 0.9, 0.8)
    )
    text = bbo("report", out, "--percentile", 100)
    assert "_**0.810 ± 0.073**_" in text
    assert re.search(r"\| +0.300 ± 0.000 \|", text)
    assert "_Italic_: not significantly different from random at 95%" in text
    assert "Too few seeds" not in text
    like = {r["method"]: r["like_chance"] for r in json.loads(bbo("report", out, "--percentile", 100, "--format", "json"))}
    assert like == {"random": False, "m": False, "n": True}


def test_one_seed_has_no_deviation_and_no_interval(store, make) -> None:
    out = store(*seeds(make, "random", 0.9), *seeds(make, "m", 0.4))
    text = bbo("report", out)
    assert "±" not in text.split("**Bold**")[0]
    assert not re.search(r"\d \[\d", text)
    for form in ("latex", "json"):
        assert "$\\pm$ 0.000" not in bbo("report", out, "--format", form)


def test_collapsed_designs_are_marked(store, make) -> None:
    text = bbo(
        "report",
        store(
            make("t1", "same", 0, designs={"duplicates": 127 / 128}),
            make("t1", "same", 1, designs={"duplicates": 0.1}),
            make("t1", "many", 0, designs={"duplicates": 0.5}),
            make("t1", "many", 1, designs={"duplicates": 0.7}),
            make("t1", "fine", 0, designs={"duplicates": 0.49}),
            make("t1", "fine", 1, designs={"duplicates": 0.0}),
        ),
    )
    notes = {text: letter for letter, text in re.findall(r"^- \[([a-z]+)\] (.*)$", text, re.MULTILINE)}
    assert f"| same [{notes['all designs are the same in 1 of 2 seeds']}]" in text
    assert f"| many [{notes['half of the designs or more repeat another in every seed']}]" in text
    assert len(notes) == 2


def test_warnings_of_the_records_are_footnotes_in_folders_and_tables(store, make, tmp_path) -> None:
    absurd = "the target, 5861, lies beyond the data\nand more"
    out = store(
        make("t1", "root", 0, warnings=[absurd, absurd]),
        make("t1", "root", 1, warnings=[absurd, "b"]),
        make("t1", "many", 0, warnings=[f"warning {i}" for i in range(5)]),
        make("t1", "many", 1),
    )
    table = tmp_path / "all.csv"
    bbo("collect", out, "--to", table)
    for path in (out, table):
        text = bbo("report", path)
        assert "] warning in every seed: the target, 5861, lies beyond the data\n" in text
        assert "] warning in 1 of 2 seeds: b\n" in text
        assert "] 2 more warnings in its records\n" in text


def table(text: str, title: str) -> list[list[str]]:
    """Cells of the first table under a heading."""
    lines = text.partition(f"## {title}")[2].partition("\n## ")[0].strip().splitlines()[1:]
    rows = [line for line in lines if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_rows_with_other_numbers_of_seeds_say_how_many_they_have(store, make) -> None:
    """As in a table to which seeds are added method by method."""
    cells = [make(task, "some", seed) for task in ("t1", "t2") for seed in (0, 1)]
    cells += [make(task, name, 0) for task in ("t1", "t2") for name in ("one", "two", "three", "mixed")] + [make("t2", "mixed", 1)]
    text = bbo("report", store(*cells), "--percentile", 100)
    head, _, *rows = table(text, "Normalised score, 100th percentile")
    assert {row[0].partition(" ")[0]: row[head.index("seeds")] for row in rows} == {
        "some": "2",
        "one": "1",
        "two": "1",
        "three": "1",
        "mixed": "1-2",
    }
    # The column says it of whole rows; a footnote only where an entry differs from its row.
    assert [row[0] for row in rows if "[" in row[0]] == []
    (mixed,) = (row for row in rows if row[0] == "mixed")
    assert [cell for cell in mixed if "[" in cell] == [mixed[head.index("t1")]]
    assert "- Seeds: 0-1 (mixed, some); 0 (the other 3 methods)." in text


def test_rows_with_equal_numbers_of_seeds_have_no_such_column(store, make) -> None:
    text = bbo("report", store(*seeds(make, "a", 0.5, 0.6), *seeds(make, "b", 0.5, 0.7)))
    assert "seeds" not in table(text, "Normalised score, 100th percentile")[0]
    assert "- Seeds: 0-1. Presets" in text


def test_a_method_of_other_versions_on_other_tasks_is_marked(store, make) -> None:
    text = bbo(
        "report",
        store(make("t1", "a", 0, version="1.2"), make("t2", "a", 0, version="1.3"), make("t1", "b", 0), make("t2", "b", 0)),
    )
    (letter,) = re.findall(r"- \[([a-z])\] versions differ by task: 1.2 on 1, 1.3 on 1", text)
    assert f"| a [{letter}]" in text
    assert text.count("versions differ by task") == 1


def test_warnings_that_differ_only_in_figures_share_a_footnote(store, make) -> None:
    cells = [make(t, "m", 0, warnings=[f"the model is poor (error {n}): take care"]) for n, t in enumerate(("t1", "t2"))]
    cells.append(make("t2", "n", 0, designs={"duplicates": 0.75}, warnings=["75% of the designs repeat an earlier one"]))
    cells.append(make("t1", "n", 0, designs={"duplicates": 0.0}))
    notes = re.findall(r"^- \[[a-z]+\] (.*)$", bbo("report", store(*cells)), re.MULTILINE)
    assert notes == [
        "warning in every seed: the model is poor: take care",
        "half of the designs or more repeat another in every seed",
    ]


def test_a_table_of_families_is_in_the_order_of_its_own_mean_and_floors_are_named(store, make) -> None:
    """By ranks `wide` comes first; by scores `high` does. `part` was run on one family alone."""
    scores = {"random": (0.5, 0.5), "wide": (0.62, 0.62), "high": (0.6, 0.99), "part": (1.0, None)}
    scores |= {f"low-{i}": (0.61 - i / 1000, 0.61) for i in range(4)}
    cells = [
        make(
            f"t{j}",
            name,
            0,
            top,
            facts={"family": ("materials", "synthetic")[j]},
            method_facts={"kind": "floor"} if name == "random" else {},
        )
        for name, tops in scores.items()
        for j, top in enumerate(tops)
        if top is not None
    ]
    text = bbo("report", store(*cells), "--percentile", 100, "--by", "family")
    _, _, *rows = table(text, "Mean score above chance by family")
    names = [row[0] for row in rows]
    assert names[0] == "high" and names[-2:] == ["random", "part"]
    assert "[95% interval]" not in text
    assert "- Floors, which is what you get with no method: random." in text


def test_deprecated_code_is_no_footnote(store, make) -> None:
    old = [f"{kind}: `torch.jit.script` is deprecated" for kind in ("DeprecationWarning", "PendingDeprecationWarning")]
    text = bbo("report", store(make("t1", "loud", 0, warnings=[*old, "UserWarning: the surrogate is poor"]), make("t1", "loud", 1)))
    assert "torch.jit.script" not in text
    assert "] warning in 1 of 2 seeds: UserWarning: the surrogate is poor\n" in text


def test_warnings_stand_in_the_order_of_the_record(store, make) -> None:
    warned = [f"{word} is odd" for word in ("delta", "alpha", "echo", "bravo", "charlie", "golf")]
    text = bbo("report", store(make("t1", "loud", 0, warnings=warned), make("t1", "quiet", 0)))
    assert re.findall(r"warning in every seed: (\w+) is odd", text) == ["delta", "alpha", "echo"]
