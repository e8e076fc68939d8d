"""Constraints are read as they are written, and designs are repaired to obey them."""

import re
from dataclasses import replace

import numpy as np
import pytest

from bbo.errors import BBOError
from bbo.proposals.constraints import rules
from bbo.proposals.layout import Layout, fix
from bbo.space import Category, Letters, Number

COLUMNS = (
    Number("a", 0, 100),
    Number("b", 0, 100, step=5),
    Number("c d", 0, 100),
    Number("e", 0.001, 10, log=True),
    Category("solvent", ("DMSO", "THF", "water")),
    Letters("tag", 3, "ACGT"),
)


def layout(require=(), forbid=(), **fixed):
    names = tuple(column.name for column in COLUMNS)
    made = Layout("y", False, COLUMNS, (*names, "k"), {"k": 2.0}, require=tuple(require), forbid=tuple(forbid))
    return fix(made, fixed)


def drawn(count=500, seed=0):
    space = layout().space
    return space.from_unit(np.random.default_rng(seed).random((count, *space.shape)))


@pytest.mark.parametrize(
    ("words", "left", "holds"),
    [
        ("a + b + c d = 100", lambda x: x[:, 0] + x[:, 1] + x[:, 2] - 100, lambda v: np.abs(v) < 1e-6),
        ("100 = a + b + `c d`", lambda x: x[:, 0] + x[:, 1] + x[:, 2] - 100, lambda v: np.abs(v) < 1e-6),
        ("2*a - 0.5 b <= 30", lambda x: 2 * x[:, 0] - 0.5 * x[:, 1] - 30, lambda v: v <= 1e-6),
        ("a >= b + 10", lambda x: x[:, 0] - x[:, 1] - 10, lambda v: v >= -1e-6),
        ("b + k <= 42", lambda x: x[:, 1] + 2 - 42, lambda v: v <= 1e-6),
        ("b = a", lambda x: x[:, 1] - x[:, 0], lambda v: np.abs(v) < 1e-6),
    ],
)
def test_linear_constraints_are_met_after_repair_and_rounding(words, left, holds):
    made, x = rules(layout([words])), drawn()
    broken = ~made.obeyed(x)
    assert broken.any()
    assert (broken == ~holds(left(x))).all(), "obeyed says what the sum says"
    for found in (made.repaired(x), made.tidy(made.repaired(x))):
        assert made.obeyed(found).all()
        assert holds(left(found)).all()
        assert (made.layout.space.check(found) == found).all(), "repaired designs are designs"


def test_repair_leaves_designs_that_obey_and_moves_others_little():
    made, x = rules(layout(["a + c d <= 100"])), drawn()
    fine = made.obeyed(x)
    found = made.repaired(x)
    assert (found[fine] == x[fine]).all()
    moved = found[~fine] - x[~fine]
    # The nearest point of the half plane: both move by the same amount.
    inside = (found[~fine][:, [0, 2]] > 0).all(1)
    assert np.allclose(moved[inside][:, 0], moved[inside][:, 2]) and (moved[:, [1, 3, 4]] == 0).all()


def test_mixtures_in_whole_steps():
    columns = tuple(Number(name, 0, 100, step=5) for name in "pqrs")
    made = rules(Layout("y", False, columns, tuple("pqrs"), require=("p + q + r + s = 100",)))
    x = made.layout.space.from_unit(np.random.default_rng(0).random((300, 4)))
    found = made.repaired(x)
    assert (found.sum(1) == 100).all() and (found % 5 == 0).all() and len(np.unique(found, axis=0)) > 100


def test_sums_of_numbers_with_levels():
    levels = (8, 16, 32, 64, 128, 256, 512)
    columns = (*(Number(name, 8, 512, integer=True, log=True, levels=levels) for name in "pq"), Number("r", 0, 500))
    layout = Layout("y", False, columns, tuple("pqr"), require=("p + q <= 300", "p + q + r = 600"))
    x = layout.space.from_unit(np.random.default_rng(0).random((300, 3)))
    found = rules(layout).repaired(x)
    assert np.isin(found[:, :2], levels).all() and (found[:, :2].sum(1) <= 300).all() and np.allclose(found.sum(1), 600)
    assert len(np.unique(found, axis=0)) >= 8, "designs stay different"


def test_fixed_columns_stay_fixed_through_repair():
    made, x = rules(layout(["a + b + c d = 100"], a=40, solvent="THF")), drawn()
    found = made.tidy(made.repaired(x))
    assert (found[:, 0] == 40).all() and (found[:, 4] == 1).all()
    assert np.allclose(found[:, :3].sum(1), 100) and made.obeyed(found).all()
    assert not made.obeyed(x).any()


@pytest.mark.parametrize(
    ("words", "hit"),
    [
        ("solvent=DMSO", lambda x: x[:, 4] == 0),
        ("solvent != DMSO, a>60", lambda x: (x[:, 4] != 0) & (x[:, 0] > 60)),
        ("solvent=water, b <= 20, k=2", lambda x: (x[:, 4] == 2) & (x[:, 1] <= 20)),
        ("tag=ACG", lambda x: (x[:, 5:] == [0, 1, 2]).all(1)),
        ("c d > 50, k=3", lambda x: np.zeros(len(x), bool)),
    ],
)
def test_forbidden_combinations(words, hit):
    x = drawn(2000)
    assert (rules(layout(forbid=[words])).obeyed(x) == ~hit(x)).all()


def test_values_with_commas_can_be_forbidden():
    solvents = Category("solvent", ("1,4-dioxane", "N,N-dimethylformamide", "THF"))
    numbers = (Number("a b", 0, 9, integer=True), Number("c,d", 0, 9))
    layout = Layout("y", False, (solvents, *numbers), ("solvent", "a b", "c,d"))
    x = layout.space.from_unit(np.random.default_rng(0).random((50, 3)))
    for words, hit in (
        ("solvent=1,4-dioxane", x[:, 0] == 0),
        ("solvent = 1,4-dioxane, a b > 4", (x[:, 0] == 0) & (x[:, 1] > 4)),
        ("`a b`<=4,solvent!=N,N-dimethylformamide", (x[:, 0] != 1) & (x[:, 1] <= 4)),
        ("solvent=THF,`a b`=3,`c,d`>4", (x[:, 0] == 2) & (x[:, 1] == 3) & (x[:, 2] > 4)),
    ):
        assert (rules(replace(layout, forbid=(words,))).obeyed(x) == ~hit).all(), words
    with pytest.raises(BBOError, match=r"unknown column in the combination .* 'ab': did you mean a b"):
        rules(replace(layout, forbid=("solvent=1,4-dioxane, ab > 4",)))


def test_a_predicate_sees_the_users_values(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "def allowed(design):\n    return not (design['solvent'] == 'THF' and design['tag'][0] == 'A') and design['k'] == 2\n"
    )
    x = drawn()
    assert (rules(layout(), path).obeyed(x) == ~((x[:, 4] == 1) & (x[:, 5] == 0))).all()
    path.write_text("def allowed(design):\n    return design['nothing']\n")
    with pytest.raises(BBOError, match=r"allowed.*failed on the design .*KeyError"):
        rules(layout(), path).obeyed(x)
    for quitting, message in (
        ("import sys\nsys.exit(3)\n", "cannot be imported: SystemExit: 3"),
        ("import sys\ndef allowed(d):\n    sys.exit()", "failed on"),
    ):
        path.write_text(quitting)
        with pytest.raises(BBOError, match=message):
            rules(layout(), path).obeyed(x)
    path.write_text("ok = 1\n")
    with pytest.raises(BBOError, match="needs a function allowed"):
        rules(layout(), path)
    with pytest.raises(BBOError, match="no file"):
        rules(layout(), tmp_path / "gone.py")


@pytest.mark.parametrize(
    ("require", "forbid", "message"),
    [
        ("a + x = 3", "", r"unknown column in the constraint 'a \+ x = 3' 'x'"),
        ("a + ks = 3", "", "'ks': did you mean k"),
        ("2*c d.2 = 3", "", "unknown column in the constraint '2.*' 'c'"),
        ("a < 3", "", "two sums with <=, >= or ="),
        ("a = b = 3", "", "two sums"),
        ("a * b = 3", "", "cannot be read at"),
        ("solvent = 3", "", "sums take numbers"),
        ("k = 3", "", "names no column that varies"),
        ("", "solvent", "cannot be read at 'solvent'"),
        ("", "solvent=DMF", "unknown option of column 'solvent' 'DMF'"),
        ("", "solvent>DMSO", "compare it with = or !="),
        ("", "a=warm", "got 'warm'"),
    ],
)
def test_constraints_that_cannot_be_read(require, forbid, message):
    with pytest.raises(BBOError, match=message):
        rules(layout([require] if require else [], [forbid] if forbid else []))


def test_impossible_constraints_are_not_said_to_hold():
    made = rules(layout(["a + b >= 150", "a + b <= 50"]))
    assert not made.obeyed(made.repaired(drawn())).any()


@pytest.mark.parametrize(
    ("words", "fixed", "ranges"),
    [
        ("a + b >= 500", {}, "a 0 to 100, b 0 to 100"),
        ("a + k = 1", {}, "a 0 to 100"),
        ("a - b = 101", {}, "a 0 to 100, b 0 to 100"),
        ("a + b <= 90", {"b": "95"}, "a 0 to 100, b 95"),
    ],
)
def test_a_constraint_that_the_ranges_exclude_is_refused_at_once(words, fixed, ranges):
    with pytest.raises(BBOError, match=rf"constraint '{re.escape(words)}' cannot be met: the columns' values are {ranges}"):
        rules(layout([words], **fixed))
    rules(layout(["a + b >= 200", "a - b = 100"]))  # just possible
