"""What the columns of a table are taken to mean, and what happens to its rows: stated rules, and errors with row and column."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bbo.errors import BBOError
from bbo.proposals import layout as layouts
from bbo.proposals import reading
from bbo.proposals.experiments import designs, experiments
from bbo.space import Category, Letters, Number


def cells_of(columns, rows=None):
    return reading.from_frame(pd.DataFrame(columns), rows)


def guessed(**columns):
    count = len(next(iter(columns.values())))
    found = layouts.guess(cells_of({**columns, "y": list(range(count))}), "y")
    return {column.name: column for column in found.columns} | dict(found.constants)


@pytest.mark.parametrize(
    ("values", "meaning"),
    [
        ([1.5, 2.25, 7.125, 3.0], Number("x", 1.5, 7.125)),
        (["1.5", "2.25", " 7.125 ", "3"], Number("x", 1.5, 7.125)),
        ([1, 2, 5, 9], Number("x", 1, 9, integer=True)),
        ([10, 20, 40, 30] * 2, Number("x", 10, 40, integer=True, step=10)),
        ([0.1, 0.3, 0.2, 0.7] * 2, Number("x", 0.1, 0.7, step=0.1)),
        ([0.1, 0.3, 0.2, 0.7], Number("x", 0.1, 0.7)),
        ([0.001, 0.01, 0.1, 1.0, 10.0], Number("x", 0.001, 10, log=True)),
        ([8, 16, 32, 64] * 3, Number("x", 8, 64, integer=True, levels=(8, 16, 32, 64))),
        ([8, 16, 32, 64] * 2, Number("x", 8, 64, integer=True, step=8)),
        ([20, 37, 60] * 3, Number("x", 20, 60, integer=True, levels=(20, 37, 60))),
        ([20, 30, 50] * 3, Number("x", 20, 50, integer=True, step=10)),
        ([0.0, 0.5] * 3, Number("x", 0, 0.5, levels=(0, 0.5))),
        ([0, 1] * 3, Number("x", 0, 1, integer=True)),
        ([0.001, 0.01, 0.1, 1.0] * 3, Number("x", 0.001, 1, log=True, levels=(0.001, 0.01, 0.1, 1))),
        ([1, 990, 700, 1000, 500], Number("x", 1, 1000, integer=True)),
        (["THF", "DMSO", "THF", "None"], Category("x", ("DMSO", "None", "THF"))),
        ([True, False, True, True], Category("x", ("False", "True"))),
        ([7, 7, 7], 7.0),
        (["THF"] * 3, "THF"),
    ],
)
def test_columns_are_guessed_by_the_stated_rules(values, meaning):
    assert guessed(x=values)["x"] == meaning


def test_many_texts_of_one_length_are_sequences():
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("ACGT"), 8)) for _ in range(60)]
    assert guessed(x=words)["x"] == Letters("x", 8, "ACGT")
    for dates in (pd.date_range("2026-01-01", periods=60), [f"run {place:04}" for place in range(60)]):
        with pytest.raises(BBOError, match="column 'x' holds 60 different texts"):
            guessed(x=dates)
    with pytest.raises(BBOError, match=r"column 'x' holds 60 different texts in 60 rows .* --ignore x"):
        guessed(x=[f"{word}{'A' * place}" for place, word in enumerate(words)])


def test_text_in_a_column_of_numbers_is_an_error_with_row_and_column(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,y\n1.5,1\n2.5,2\nabout 3,3\n4.5,4\n")
    with pytest.raises(BBOError, match=r"row 4, column 'a': 'about 3' is not a number, but 3 other cells .*\(1 such cell\)"):
        layouts.guess(reading.read(path), "y")
    path.write_text('a,y\n1.5,1\n2.5,2\n"3,7",3\n4.5,4\n')
    with pytest.raises(BBOError, match=r"row 4, column 'a': '3,7' .* written with a point"):
        layouts.guess(reading.read(path), "y")
    path.write_text("a,y\n1.5,1\n2.5,high\n3.5,3\n4.5,4\n")
    cells = reading.read(path)
    with pytest.raises(BBOError, match="row 3, column 'y': the target 'high' is not a number"):
        experiments(cells, layouts.guess(cells, "y"))


@pytest.mark.parametrize("content", ["a;b;y\n1;x;2\n3;z;4\n", "a\tb\ty\n1\tx\t2\n3\tz\t4\n", "\ufeffa,b,y\n1,x,2\n3,z,4\n"])
def test_separators_and_byte_order_marks(tmp_path, content):
    path = tmp_path / "t.csv"
    path.write_text(content)
    cells = reading.read(path)
    assert list(cells.columns) == ["a", "b", "y"] and cells.rows == [2, 3]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", "", "is empty"),
        ("t.csv", "a,y\n", "no rows"),
        ("t.csv", "a,a,y\n1,2,3\n", "more than one column 'a'"),
        ("t.csv", "a,y\n1,2\n1,2,3\n", "row 3 has 3 cells, but the header names 2 columns"),
        ("t.csv", "a,y\n1,2,\n3,4,\n", "row 2 has 3 cells, .* a ',' at the end of a row"),
        ("t.tsv", "a\ty\n1\t2\t3\n", "row 2 has 3 cells, .* a tab"),
        ("t.csv", 'a,y\n"7,000",1\n"8,000",2\n', "decimals with a point, and thousands without a separator"),
        (".", None, "it is a folder"),
        ("t.pickle", "", "got '.pickle'"),
        ("missing.csv", None, "no file"),
        ("t.parquet", "no", "cannot be read"),
    ],
)
def test_files_that_are_no_tables(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(BBOError, match=message):
        reading.read(tmp_path / name)


@pytest.mark.extras
@pytest.mark.parametrize("ending", [".csv", ".CSV", ".tsv", ".parquet", ".xlsx", ".XLSX"])
def test_the_same_table_from_every_format(tmp_path, ending):
    from bbo.proposals import writing

    pytest.importorskip(reading.ENGINES.get(ending.lower(), ("pandas", ""))[0])
    frame = pd.DataFrame({"a": [1.5, 2.25, 3], "b": ["u", "None", "w"], "y": [1.0, 2.0, np.nan]})
    writing.write(frame, tmp_path / f"t{ending}")
    cells = reading.read(tmp_path / f"t{ending}")
    found = layouts.guess(cells, "y")
    assert found.columns == (Number("a", 1.5, 3), Category("b", ("None", "u", "w")))
    assert cells.rows == [2, 3, 4] and cells.columns["y"][2] is None


def test_rows_are_left_out_merged_and_averaged_and_it_is_said():
    cells = cells_of(
        {
            "a": [1.1, 2.2, 2.2, 3.3, 3.3, None, 5.5, 6.6, 7.7],
            "b": ["u", "v", "v", "u", "u", "v", "u", "v", "u"],
            "y": [1, 2, 2, 3, 5, 6, None, 8, 9],
        },
        range(2, 11),
    )
    found = experiments(cells, layouts.guess(cells, "y"))
    assert found.rows == [2, 3, 5, 9, 10]
    assert found.y.tolist() == [1, 2, 4, 8, 9]
    assert found.noise == pytest.approx(np.sqrt(2))
    said = " ".join(found.notes)
    assert "1 of 9 rows with no y is left out (row 8)" in said
    assert "1 of 8 rows with an empty cell ('a' 1) is left out (row 7)" in said
    assert "1 design came more than once with the same score and counted once (1 row more)" in said
    assert "1 design had more than one score (2 rows); they are averaged" in said


def test_equal_scores_of_one_design_stay_as_they_are():
    cells = cells_of({"a": [1.5, 2, 2, 2, 3, 4, 5], "y": [1, 0.1, 0.1, 0.1, 3, 4, 5]})
    found = experiments(cells, layouts.guess(cells, "y"))
    assert found.y.tolist() == [1, 0.1, 3, 4, 5] and found.noise == 0 and "same score and counted once" in found.notes[0]


def test_a_column_that_is_mostly_empty_is_an_error():
    cells = cells_of({"a": [1.5, None, None, None], "b": [1, 2, 3, 4], "y": [1, 2, 3, 4]}, range(2, 6))
    with pytest.raises(BBOError, match=r"column 'a' most often \(3 rows, first row 3\).*--ignore a"):
        experiments(cells, layouts.guess(cells, "y"))


def test_too_few_designs_are_an_error():
    cells = cells_of({"a": [1.5, 2, 2, 3], "y": [1, 2, 3, 4]})
    with pytest.raises(BBOError, match="3 different designs"):
        experiments(cells, layouts.guess(cells, "y"))


def test_a_space_file_is_read_back_as_it_was_written(tmp_path):
    rng = np.random.default_rng(0)
    columns = {
        "a b": rng.random(40).tolist(),
        'quo"ted': (10 ** rng.uniform(-3, 2, 40)).tolist(),
        "n": rng.integers(0, 9, 40).tolist(),
        "s": rng.choice(["x", "y", "z"], 40).tolist(),
        "seq": ["".join(rng.choice(list("ACGT"), 6)) for _ in range(40)],
        "same": ["k"] * 40,
        "empty": [None] * 40,
        "id": [f"run {j * j}" for j in range(40)],
        "y": rng.random(40).tolist(),
    }
    cells = cells_of(columns)
    first = layouts.fix(layouts.guess(cells, "y", True, ["id"]), {"s": "y", "a b": 0.5})
    assert first.ignored == ("id", "empty")
    path = tmp_path / "space.toml"
    layouts.write(first, path)
    again = layouts.read(path, cells)
    assert {**vars(again), "ignored": set(again.ignored)} == {**vars(first), "ignored": set(first.ignored)}
    assert layouts.read(path, cells, minimise=False).minimise is False


def test_levels_can_be_written_edited_and_read(tmp_path):
    cells = cells_of({"a": [8, 16, 32, 64] * 3, "b": [0.125, 1.375, 7.75] * 4, "y": list(range(12))}, range(2, 14))
    guess, path = layouts.guess(cells, "y"), tmp_path / "space.toml"
    assert [words for _, words in guess.described()][1:] == [
        "one of the whole numbers 8, 16, 32, 64",
        "one of the numbers 0.125, 1.375, 7.75",
    ]
    layouts.write(guess, path)
    assert layouts.read(path, cells).columns == guess.columns
    path.write_text(path.read_text().replace("[8.0, 16.0, 32.0, 64.0]", "[16, 8, 32, 128]"))
    found = layouts.read(path, cells)
    assert found.columns[0] == Number("a", 8, 128, integer=True, levels=(8, 16, 32, 128))
    rows = experiments(cells, found)
    assert any("3 rows lie between its allowed values (rows 5, 9, 13)" in note for note in rows.notes)
    with pytest.raises(BBOError, match="column 'a' is one of the whole numbers 8, 16, 32, 128; got 64"):
        layouts.fix(found, {"a": 64})
    assert layouts.fix(found, {"a": "128"}).fixed == {"a": 128.0}


def test_a_space_file_settles_bounds_and_kinds(tmp_path):
    cells = cells_of({"a": [1.5, 2.5, 9.5, 4, 5, 6], "b": [1, 2, 3, 1, 2, 3], "y": [1, 2, 3, 4, 5, 6]}, range(2, 8))
    path = tmp_path / "space.toml"
    path.write_text(
        'target = "y"\n[columns.a]\nkind = "number"\nlow = 0\nhigh = 8\n[columns.b]\nkind = "category"\noptions = [1, 2, 3, 4]\n'
    )
    found = layouts.read(path, cells)
    assert found.columns == (Number("a", 0, 8), Category("b", ("1", "2", "3", "4")))
    rows = experiments(cells, found)
    assert rows.x[:, 1].tolist() == [0, 1, 2, 0, 1, 2]
    assert any("1 row lies outside its bounds (row 4); it is learned from" in note for note in rows.notes)
    path.write_text('target = "y"\n[columns.b]\nkind = "category"\noptions = [1, 2]\n')
    with pytest.raises(BBOError, match="row 4, column 'b': unknown option of column 'b' '3'"):
        designs(cells, layouts.read(path, cells))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("target = ", "not valid TOML"),
        ("targt = 'y'", "unknown entry of .* 'targt': did you mean target"),
        ("target = 'y'\n[columns.c]\nkind = 'number'", "unknown column of the table 'c'"),
        ("target = 'y'\n[columns.a]\nkind = 'numbr'", "unknown kind of column 'a'"),
        ("target = 'y'\n[columns.a]\nkind = 'number'\nlow = 1", "column 'a'.*high"),
        ("target = 'y'\n[columns.a]\nkind = 'number'\nlow = 3\nhigh = 1", "low below high"),
        ("target = 'y'\n[columns.a]\nkind = 'category'", "needs 'options'"),
        ("target = 'y'\n[constraints]\nrequire = 'a = 1'", "a list of texts"),
        ("target = 'y'\n[constraints]\nrequired = ['a = 1']", r"entry of \[constraints\] in .* 'required': did you mean require"),
        ("target = 'y'\n[columns.a]\nkind = 'category'\noptions = [1]\nstep = 1", "entry of the category column 'a' in .* 'step'"),
        ("target = 'y'\n[columns.a]\nkind = 'constant'\nvalue = 1\nvalu = 2", "'valu': did you mean value"),
        ("target = 'y'\n[columns.a]\nkind = 'number'\nlow = 1\nhigh = 3\nhigher = 4", "'higher': did you mean high"),
        ("target = 'y'\n[columns.a]\nkind = 'sequence'\nlength = 3\nletters = 'AC'", "sequence column 'a' in .* 'letters'"),
        ("target = 'y'\n[fix]\na = 99", "column 'a' is a number from 1.5 to 3.5; got 99"),
    ],
)
def test_bad_space_files(tmp_path, content, message):
    path = tmp_path / "space.toml"
    path.write_text(content)
    with pytest.raises(BBOError, match=message):
        layouts.read(path, cells_of({"a": [1.5, 2.25, 3.5], "y": [1, 2, 3]}))
    assert isinstance(path, Path)


def test_a_target_that_is_not_there_is_an_error():
    with pytest.raises(BBOError, match="unknown target column of the table 'yeild': did you mean yield"):
        layouts.guess(cells_of({"a": [1, 2], "yield": [1, 2]}), "yeild")


def test_numbers_can_be_names():
    cells = cells_of({"a": ["10", "9", "10.5", "9"], "b": [1, 2, 3, 4], "c": [7, 7, 7, 7], "y": [1, 2, 3, 4]})
    found = layouts.guess(cells, "y", categories=["a", "b", "c"])
    assert found.columns == (Category("a", ("9", "10", "10.5")), Category("b", ("1", "2", "3", "4"))) and found.constants == {
        "c": 7
    }
    with pytest.raises(BBOError, match="unknown column of the table 'd'"):
        layouts.guess(cells, "y", categories=["d"])
    with pytest.raises(BBOError, match="'a' is both ignored and a category"):
        layouts.guess(cells, "y", ignore=["a"], categories=["a"])
    with pytest.raises(BBOError, match="'y' is the target"):
        layouts.guess(cells, "y", categories=["y"])


def test_columns_that_fit_no_rule_can_be_ignored_or_made_categories(tmp_path):
    """By the options that the messages name; with a file for the other columns too."""
    columns = {"a": [1.5, "low", 3, 4, 5], "id": [f"run {j * j}" for j in range(14)], "b": range(14), "y": range(14)}
    cells = cells_of({**columns, "a": [*columns["a"], *range(9)]})
    path = tmp_path / "space.toml"
    path.write_text('target = "y"\n[columns.b]\nkind = "number"\nlow = 0\nhigh = 50\n[fix]\nb = 7\n')
    with pytest.raises(BBOError, match=r"'low' is not a number, .* --category a"):
        layouts.read(path, cells)
    with pytest.raises(BBOError, match="--ignore id, or make it a category with --category id"):
        layouts.read(path, cells, categories=["a"])
    found = layouts.read(path, cells, ignore=["id"], categories=["a"])
    assert found.columns[0].options[-1] == "low" and found.columns[1] == Number("b", 0, 50) and found.ignored == ("id",)
    found = layouts.read(path, cells, ignore=["b", "a"], categories=["id"])
    assert [column.name for column in found.columns] == ["id"] and len(found.columns[0].options) == 14 and not found.fixed


def test_a_constant_is_what_every_row_has(tmp_path):
    path, told = tmp_path / "space.toml", 'target = "y"\n[columns.%s]\nkind = "constant"\nvalue = %s\n'
    columns = {"a": [1, 2, 3, 2, 2], "b": ["7.0", "7", None, "7", "7"], "c": ["u"] * 5, "y": range(5)}
    cells = cells_of(columns, range(2, 7))
    for name, value in (("b", "7"), ("b", "'7'"), ("c", "'u'")):
        path.write_text(told % (name, value))
        assert name in layouts.read(path, cells).constants
    for name, value, row in (
        ("a", 2, "row 2 has 1"),
        ("a", 9, "row 2 has 1"),
        ("c", "'v'", "row 2 has u"),
        ("b", "'v'", "row 2 has 7"),
    ):
        path.write_text(told % (name, value))
        with pytest.raises(BBOError, match=rf"column '{name}' is a constant, .*, but {row}.*under \[fix\]"):
            layouts.read(path, cells)


def test_what_an_earlier_answer_says_is_ignored(tmp_path):
    columns = {"a": [1, 2, 3, 4, 5, 7], "distance": [3, 1, 2, 5, 4, 6], "y": [1, 2, 3, 4, 5, 6]}
    said = ["predicted_y", "uncertainty", "nearest_row", "nearest_y", "distance_", "origin", "warning"]
    cells = cells_of({**columns, **{name: [f"text {place}" for place in range(6)] for name in said}})
    found = layouts.guess(cells, "y")
    assert found.order == ("a", "distance") and set(found.ignored) == set(said)
    assert "are ignored: predicted_y, uncertainty, nearest_row" in " ".join(experiments(cells, found).notes)
    kept = layouts.guess(cells, "y", categories=["origin"])
    assert kept.order == ("a", "distance", "origin")
    path = tmp_path / "space.toml"
    path.write_text('target = "y"\n[columns.distance_]\nkind = "category"\noptions = ["text 1", "text 2"]\n')
    assert layouts.read(path, cells).order == ("a", "distance", "distance_"), "what the user says counts"
    alone = layouts.guess(cells_of({**columns, "origin": ["u", "v"] * 3}), "y")
    assert alone.order == ("a", "distance", "origin"), "such a name alone is the user's"
