"""The base of all tasks: no author can forget that data or packages may be missing."""

import numpy as np
import pytest

from bbo.errors import DesignError, Unavailable
from bbo.space import Sequence
from bbo.task import Dataset, TableTask, Task, TaskSpec

SPEC = {
    "version": "1", "title": "t", "space": Sequence((3, 2)), "visible_rows": 4, "best_visible": 0.3, "y_min": 0.0, "y_max": 1.0,
    "oracle": "exact", "hidden": "the rest", "source": "made up", "licence": "MIT",
}  # fmt: skip


class Forgetful(Task):
    """Checks nothing itself."""

    spec = TaskSpec(id="forgetful", requires=("no_such_package",), **SPEC)

    def dataset(self):
        import no_such_package

        return no_such_package.table

    def oracle(self, x):
        import no_such_package

        return no_such_package.score(x)


@pytest.mark.parametrize("call", [lambda task: task.visible(), lambda task: task.score(np.zeros((1, 2), int))])
def test_a_missing_package_is_said_before_anything_is_tried(call):
    with pytest.raises(Unavailable, match="task 'forgetful' is not available: needs the package no_such_package"):
        call(Forgetful())


class Table(TableTask):
    """Six scores."""

    spec = TaskSpec(id="table", **SPEC)

    def table(self):
        return np.array([0.3, 0.1, 0.9, 0.2, 0.31, 0.05], np.float32)


def test_a_table_is_visible_up_to_the_best_visible_score():
    task = Table()
    table = task.visible()
    assert table.x.tolist() == [[0, 0], [0, 1], [1, 1], [2, 1]]
    assert table.y.tolist() == np.array([0.3, 0.1, 0.2, 0.05], np.float32).tolist()
    assert task.score(np.array([[1, 0], [2, 0]])).tolist() == np.array([0.9, 0.31], np.float32).tolist()


def test_a_source_may_list_designs_in_its_own_order_and_twice():
    class Listed(Table):
        def listed(self):
            return np.array([5, 2, 1, 1])

    assert Listed().visible().x.tolist() == [[2, 1], [0, 1], [0, 1]]


def test_up_to_compares_in_float32():
    """0.1 in float32 is above 0.1 in float64."""
    y = np.array([0.1, np.nextafter(np.float32(0.1), np.float32(1)), 0.05], np.float32)
    table = Dataset.up_to(np.arange(3), y, 0.1)
    assert table.x.tolist() == [0, 2]


def test_a_family_is_one_of_the_list():
    assert TaskSpec(id="t", family="robots", **SPEC).family == "robots"
    with pytest.raises(ValueError, match=r"family of task 't' must be one of sequences, .*; got 'robot'"):
        TaskSpec(id="t", family="robot", **SPEC)


def test_normalisers_from_numpy_are_plain_numbers():
    """A record is JSON, which has no numbers of NumPy."""
    y = np.array([-1, 3], np.float32)
    spec = TaskSpec(id="t", **{**SPEC, "y_min": y.min(), "y_max": np.int64(3), "best_visible": y.mean(), "optimum": y.max()})
    found = (spec.y_min, spec.y_max, spec.best_visible, spec.optimum)
    assert found == (-1.0, 3.0, 1.0, 3.0)
    assert {type(value) for value in found} == {float}


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"y_min": float("nan")}, "y_min of task 't' must be a finite number; got nan"),
        ({"best_visible": np.float64("inf")}, "best_visible of task 't' must be a finite number; got .*inf"),
        ({"optimum": "1"}, "optimum of task 't' must be a finite number; got '1'"),
        ({"version": 1}, "version of task 't' must be a text, such as '1'; got 1"),
        ({"y_max": 0.0}, "y_max of task 't' must be above y_min, 0; got 0"),
    ],
)
def test_normalisers_are_finite_and_in_order_and_versions_are_texts(facts, said):
    with pytest.raises(ValueError, match=said):
        TaskSpec(id="t", **{**SPEC, **facts})


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (1.5, r"returned one number; expected an array with one score per design, \(2,\)"),
        (np.zeros(3), r"returned shape \(3,\); expected"),
        (np.array([0.5, np.nan]), "returned nan, which is not finite, for the design 2 1"),
    ],
)
def test_a_wrong_answer_of_an_oracle_says_what_is_wrong(answer, said):
    class Odd(Task):
        """Its oracle is wrong."""

        spec = TaskSpec(id="odd", **SPEC)

        def dataset(self):
            raise NotImplementedError

        def oracle(self, x):
            return answer

    with pytest.raises(DesignError, match=said):
        Odd().score(np.array([[0, 1], [2, 1]]))
