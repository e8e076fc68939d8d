"""What an author is told of failing checks."""

from dataclasses import replace

import numpy as np

from bbo.space import Continuous, Sequence
from bbo.task import Dataset, TableTask, Task, TaskSpec
from bbo.testing import verdicts
from bbo.testing.tasks import checks


class Box(Task):
    """A task that keeps all promises; its children break one each."""

    tolerance = 1e-6
    spec = TaskSpec(
        id="box",
        version="1",
        title="A sum",
        space=Continuous.box(3, 0.0, 0.1),
        visible_rows=50,
        best_visible=0.15,
        y_min=0.0,
        y_max=0.4,
        oracle="exact",
        hidden="the better half",
        source="made up",
        licence="MIT",
    )

    def dataset(self):
        y = np.linspace(0, 0.15, 50)
        return Dataset(np.tile(y[:, None] / 3, (1, 3)).astype(np.float32), y.astype(np.float32))

    def oracle(self, x):
        return x.astype(float).sum(axis=1)


def failures(task):
    return {v.check: v.failure for v in verdicts(checks(task)) if v.failure}


def test_a_good_task_passes():
    assert failures(Box()) == {}


def test_an_exception_is_told_once_with_its_place():
    class Broken(Box):
        """Its table cannot be read."""

        def dataset(self):
            raise KeyError("no such column")

    told = failures(Broken())
    full = [text for text in told.values() if "no such column" in text]
    assert len(told) > 3
    assert len(full) == 1
    assert "test_verdicts.py:" in full[0] and "in dataset" in full[0]
    assert {text for text in told.values() if text not in full} == {f"the same as in '{next(iter(told))}'"}


def test_an_exit_fails_its_check_and_the_others_are_still_run():
    def exits():
        raise SystemExit(3)

    first, second = verdicts({"exits": exits, "passes": lambda: None})
    assert first.failure.startswith("SystemExit: 3 (test_verdicts.py:")
    assert second.failure == ""


def test_a_bare_assertion_shows_its_line():
    def check():
        raise AssertionError

    (verdict,) = verdicts({"numbers": check})
    assert verdict.failure.startswith("does not hold: raise AssertionError (test_verdicts.py:")


def test_messages_name_what_the_spec_says_in_plain_numbers():
    class Off(Box):
        """Its best visible score and its rows are not as stated."""

        def dataset(self):
            table = super().dataset()
            return Dataset(table.x[:49], table.y[:49])

    told = failures(Off())
    assert told["visible table: shapes, types and rows as stated"] == (
        "x has shape (49, 3); spec.visible_rows and spec.space say (50, 3)"
    )
    assert told["visible table: best score as stated"].endswith("spec.best_visible says 0.15")
    assert not any("np.float" in text for text in told.values())


def test_an_oracle_with_bounds_of_its_own_fails_at_the_corners():
    class Strict(Box):
        """0.1 in float32 is above 0.1 in float64."""

        def oracle(self, x):
            if (x.astype(float) > self.spec.space.high).any():
                raise ValueError("outside")
            return super().oracle(x)

    ((check, text),) = failures(Strict()).items()
    assert "corners" in check
    assert "ValueError: outside (test_verdicts.py:" in text


def test_a_table_that_is_no_dataset():
    class Pair(Box):
        """Returns a tuple."""

        def dataset(self):
            return 1, 2

    assert "dataset returns tuple; expected bbo.task.Dataset" in failures(Pair()).values()


def test_an_oracle_that_returns_one_number():
    class Total(Box):
        """Forgets the axis."""

        def oracle(self, x):
            return x.astype(float).sum()

    told = failures(Total())["oracle: float64 scores, one a design"]
    assert told == "the oracle returned one number; expected an array with one score per design"


def test_a_table_that_lacks_a_design_names_it():
    class Gap(TableTask):
        """One design was not measured."""

        spec = replace(Box.spec, space=Sequence((3, 2), names=(("a", "b", "c"), ("x", "y")), positions=("one", "two")))

        def table(self):
            return np.array([0, 0.1, 0.15, np.nan, 0.2, 0.3], np.float32)

    told = failures(Gap())["whole table: a finite score for every design"]
    assert told == "1 of 6 designs have no finite score, the first is one=b, two=y: nan"
