"""`bbo score`: the files that people have, and what is said of those that hold no designs."""

import json
import re

import numpy as np
import pytest
from click.testing import CliRunner

from bbo import catalogue
from bbo.cli import main


def score(task, path, *words):
    return CliRunner().invoke(main, ["score", task, str(path), *words])


def scores(task, path):
    done = score(task, path, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)["scores"]


@pytest.fixture(scope="module")
def dna():
    return np.random.default_rng(0).integers(4, size=(6, 8))


LETTERS = np.array(list("ACGT"))


def spelled(designs, separator=""):
    return [separator.join(LETTERS[row]) for row in designs]


def as_npy(path, x):
    np.save(path / "d.npy", x)
    return path / "d.npy"


def as_npy_text(path, x):
    np.save(path / "d.npy", np.array(spelled(x)))
    return path / "d.npy"


def as_npz(path, x):
    np.savez(path / "d.npz", x)
    return path / "d.npz"


def as_text(name, content):
    def write(path, x):
        (path / name).write_text(content(x), newline="")
        return path / name

    return write


def with_savetxt(path, x):
    np.savetxt(path / "d.csv", x, delimiter=",", header="made by hand")
    return path / "d.csv"


FILES = {
    "npy": as_npy,
    "npy of text": as_npy_text,
    "npz": as_npz,
    "csv of numbers": as_text("d.csv", lambda x: "\n".join(",".join(map(str, row)) for row in x)),
    "csv with header": as_text("d.csv", lambda x: ",".join(f"p{i}" for i in range(8)) + "\r\n" + "\r\n".join(spelled(x, ","))),
    "csv with semicolons": as_text("d.csv", lambda x: "\n".join(spelled(x, ";")) + "\n\n"),
    "csv with a byte order mark": as_text("d.csv", lambda x: "\ufeff" + "\n".join(spelled(x, ", "))),
    "savetxt": with_savetxt,
    "a column of sequences": as_text("d.csv", lambda x: "sequence\n" + "\n".join(spelled(x))),
    "fasta": as_text("d.fasta", lambda x: "".join(f">seq{i} {i}\n{s[:3]}\n{s[3:].lower()}\n" for i, s in enumerate(spelled(x)))),
    "letters": as_text("d.txt", lambda x: "\n".join(spelled(x))),
    "letters apart": as_text("d.txt", lambda x: "\n".join(spelled(x, " "))),
}


@pytest.mark.parametrize("form", FILES)
def test_every_form_gives_the_same_scores(form, dna, tmp_path):
    wanted = catalogue.load_task("tfbind8").score(dna)
    np.testing.assert_array_equal(scores("tfbind8", FILES[form](tmp_path, dna)), wanted)


def test_numbers_with_and_without_a_header(tmp_path):
    task = catalogue.load_task("branin")
    x = task.visible().x[:5]
    np.savetxt(tmp_path / "d.csv", x, delimiter=",")
    np.savetxt(tmp_path / "h.csv", x, delimiter=",", header="x1,x2", comments="")
    np.savetxt(tmp_path / "d.txt", x)
    for name in ("d.csv", "h.csv", "d.txt"):
        np.testing.assert_array_equal(scores("branin", tmp_path / name), task.score(x))
    assert "taken for the names of its columns: x1, x2" in score("branin", tmp_path / "h.csv").stderr
    assert score("branin", tmp_path / "d.csv").stderr == ""


def test_named_options_in_any_order_of_the_columns(tmp_path):
    task = catalogue.load_task("hpo-naval")
    space, x = task.spec.space, task.visible().x[:5]
    (tmp_path / "d.txt").write_text("\n".join(map(space.readable, x)))
    np.testing.assert_array_equal(scores("hpo-naval", tmp_path / "d.txt"), task.score(x))
    order = list(reversed(range(len(space.positions))))
    rows = [",".join(["note", *(space.positions[p] for p in order)])]
    rows += [",".join(["mine", *(space.names[p][row[p]] for p in order)]) for row in x]
    (tmp_path / "d.csv").write_text("\n".join(rows))
    np.testing.assert_array_equal(scores("hpo-naval", tmp_path / "d.csv"), task.score(x))


MIXED = """
import numpy as np
from bbo.space import Category, Letters, Mixed, Number
from bbo.task import Dataset, Task, TaskSpec


class Kitchen(Task):
    \"\"\"A made-up mixed task.\"\"\"

    spec = TaskSpec(
        id="kitchen", version="1", title="Kitchen", visible_rows=50, best_visible=-1.0, y_min=-100.0, y_max=20.0, oracle="exact",
        hidden="the better half", source="made up", licence="MIT", family="synthetic",
        space=Mixed((Number("heat", 20, 80), Category("pan", ("iron", "16", "clay")), Letters("tag", 3, "ACGT"),
                     Number("salt", 1, 100, log=True, levels=(1, 5, 100)))),
    )

    def dataset(self):
        x = self.spec.space.from_unit(np.random.default_rng(0).random((50, 6)))
        return Dataset(x, self.oracle(x).astype(np.float32))

    def oracle(self, x):
        return -np.abs(x[:, 0] - 50) + 3 * x[:, 1] + x[:, 2:5] @ [1.0, 2.0, 3.0] - x[:, 5]
"""


@pytest.fixture
def kitchen(tmp_path):
    (tmp_path / "kitchen.py").write_text(MIXED)
    return f"{tmp_path}/kitchen.py:Kitchen"


ROWS = [[20.5, "iron", "ACG", 1], [79.25, "16", "TTT", 5], [50, "clay", "AAA", 100]]
WORTH = [-29.5 + 8 - 1, -29.25 + 3 + 18 - 5, 6 - 100]


@pytest.mark.parametrize(
    "content",
    [
        "\n".join(",".join(map(str, row)) for row in ROWS),
        "heat,pan,tag,salt\n" + "\n".join(",".join(map(str, row)) for row in ROWS),
        "note;salt;tag;heat;pan\n" + "\n".join(f"mine;{d};{c};{a};{b}" for a, b, c, d in ROWS),
        "\n".join(f"heat={a}, pan={b}, tag={c}, salt={d}" for a, b, c, d in ROWS),
        "20.5,0,ACG,1\n79.25,1,TTT,5\n50,2,AAA,100\n",
        "20.5,0,0,1,2,1\n79.25,1,3,3,3,5\n50,2,0,0,0,100\n",
        np.array([[20.5, 0, 0, 1, 2, 1], [79.25, 1, 3, 3, 3, 5], [50, 2, 0, 0, 0, 100]]),
    ],
    ids=["rows", "header", "columns in another order, and more", "as printed", "numbers of options", "all numbers", "npy"],
)
def test_mixed_designs(kitchen, content, tmp_path):
    path = tmp_path / ("d.csv" if isinstance(content, str) else "d.npy")
    if isinstance(content, str):
        path.write_text(content)
    else:
        np.save(path, content)
    np.testing.assert_allclose(scores(kitchen, path), WORTH)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("20,iron,ACG,1\n20,steel,ACG,1\n", "row 2, column 2 (pan): 'steel' is no option, allowed one of iron, 16, clay"),
        ("20,3,ACG,1\n20,0,ACG,1\n", "row 1, column 2 (pan): '3' is no option, allowed 0 to 2"),
        ("20,iron,ACX,1\n", "row 1, column 3 (tag): 'ACX' is not a sequence of 3 letters of ACGT"),
        ("20,iron,ACG,1\n20,iron,ACG\n", "row 2 has 3 columns; a design here has 4, or 6 numbers"),
        ("heat,pan,tag,salt\nwarm,iron,ACG,1\n", "row 2, column 1 (heat): 'warm' is not a number"),
        ("heat,pan,tag,salt\n20,iron,ACG\n", "row 2 has 3 columns; the header has 4"),
        ("20,iron,ACG,7\n", "column 'salt' (position 5) is 7; one of the numbers 1, 5, 100, log scale"),
        ("99,iron,ACG,1\n", "column 'heat' (position 0) is 99; allowed 20 to 80"),
    ],
)
def test_wrong_mixed_designs_are_named(kitchen, content, message, tmp_path):
    (tmp_path / "d.csv").write_text(content)
    done = score(kitchen, tmp_path / "d.csv")
    assert done.exit_code == 2 and message in done.stderr and len(done.stderr.strip().splitlines()) == 1, done.stderr


class Anything:
    """Something that only a pickle can hold."""


WRONG = [
    ("tfbind8", "d.csv", "0,1,2,3,0,1,2,3\n0,1,2,3,0,1,2,4\n", "row 2, column 8: '4' is not a letter"),
    ("tfbind8", "d.csv", "A,C,G,T,A,C,G,T\nA,C,G,T,A,X,G,T\n", "row 2, column 6: 'X' is not a letter here, allowed ACGT"),
    ("tfbind8", "d.csv", "h1,h2,h3,h4,h5,h6,h7,h8\nA,C,G,T,A,C,G\n", "row 2 has 7 columns; a design here has 8"),
    ("tfbind8", "d.txt", "ACGTACGT\n\nACGTAC\n", "row 3 has 6 letters; a design here has 8"),
    ("tfbind8", "d.txt", "ACGTACGN\nACGTACGT\n", "row 1, column 8: 'N'"),
    ("tfbind8", "d.fa", ">a\nACGTACGT\n>b\nACGTACGT\nA\n", "row 3 has 9 letters"),
    ("tfbind8", "d.csv", "", "holds no designs"),
    ("tfbind8", "d.csv", b"\xff\xfe\x00", "it is in UTF-16; save it as UTF-8"),
    ("tfbind8", "d.csv", "0,1,2,3,0,1,2,-1\n", "row 1, column 8: '-1'"),
    ("branin", "d.csv", "x,y\n0,1\n0,abc\n", "row 3, column 2: 'abc' is not a number"),
    ("branin", "d.csv", "0,1\n0,1e9\n", "row 2, column 2: 1e9 is outside the box, allowed [0, 15]"),
    ("branin", "d.csv", "0,nan\n", "row 1, column 2: nan is not finite"),
    ("hpo-naval", "d.txt", "0 0 0 0 0 0 0 0 9\n", "column 9 (n_units_2): '9'"),
    ("tfbind8", "d.npy", b"hello", "it is not a NumPy file"),
    ("tfbind8", "d.npz", b"PK\x03\x04 cut off", "cannot be read as npz"),
    ("tfbind8", "d.npy", np.array([Anything], dtype=object), "holds Python objects, which are not read"),
    ("tfbind8", "d.npy", np.float64(3), "designs must have shape (n, 8)"),
    ("tfbind8", "d.npy", np.array(["ACGTACGT", "ACG"]), "design 1 from 0 has 3 letters"),
    ("branin", "d.npy", np.zeros((2, 2), complex), "designs must be numbers"),
]


@pytest.mark.parametrize(("task", "name", "content", "message"), WRONG)
def test_a_wrong_file_gets_one_line(task, name, content, message, tmp_path):
    path = tmp_path / name
    if isinstance(content, str | bytes):
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    else:
        np.save(path, content, allow_pickle=True)
    done = score(task, path)
    assert done.exit_code == 2, done.output
    assert message in done.stderr
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.strip().splitlines()) == 1
    assert "unsafe" not in done.stderr


def test_folders_and_missing_files(tmp_path):
    assert "no file" in score("tfbind8", tmp_path / "none.csv").stderr
    assert "cannot be read: it is a folder" in score("tfbind8", tmp_path).stderr


def test_excel_is_named(tmp_path):
    (tmp_path / "d.xlsx").write_bytes(b"PK\x03\x04")
    assert "Excel is not read here; save it as .csv" in score("tfbind8", tmp_path / "d.xlsx").stderr


def test_the_table_is_aligned_on_a_terminal(tmp_path, terminal):
    (tmp_path / "d.txt").write_text("ACGTACGT\n")
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal("score", "tfbind8", tmp_path / "d.txt")).splitlines()
    assert lines[0] == "1 design on tfbind8"
    assert lines[1].split() == ["percentile", "normalised", "raw"] and "\t" not in "".join(lines)
    assert len({line.index(line.split()[1]) for line in lines[1:]}) == 1
