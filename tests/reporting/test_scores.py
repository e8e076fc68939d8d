"""The board's arrangement, means and ranks against figures worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bbo.errors import BBOError
from bbo.reporting.board.scores import board


def of(make, *cells):
    return board(make(*args, **more)[0] for args, more in cells)


def c(*args, **more):
    return args, more


def labels(found):
    return [row.label for row in found.rows]


def test_means_and_ranks_with_a_tie_and_a_failure(make) -> None:
    crash = {"reason": "crash", "type": "", "message": ""}
    found = of(
        make,
        c("t1", "a", 0, 0.4), c("t1", "a", 1, 0.6), c("t1", "b", 0, 0.5), c("t1", "b", 1, 0.5),
        c("t1", "c", 0, 0.1), c("t1", "c", 1, 0.1, error=crash), c("t1", "d", 0, error=crash), c("t1", "d", 1, error=crash),
        c("t2", "a", 0, 0.9), c("t2", "b", 0, 0.7), c("t2", "c", 0, 0.8),
    )  # fmt: skip
    assert labels(found) == ["a", "b", "c", "d"]
    np.testing.assert_allclose(found.means(100), [[0.5, 0.9], [0.5, 0.7], [0.1, 0.8], [np.nan, np.nan]])
    np.testing.assert_allclose(found.ranks(100), [[1.5, 1], [1.5, 3], [3, 2], [4, np.nan]])
    np.testing.assert_allclose(found.mean_ranks(100), [1.25, 2.25, 2.5, 4])


def test_a_saturated_task_is_ranked_by_what_the_table_shows(make) -> None:
    facts = {"saturated": True}
    found = of(make, c("t1", "a", 0, 0.99, 0.2, facts=facts), c("t1", "b", 0, 0.98, 0.7, facts=facts))
    np.testing.assert_allclose(found.ranks(100)[:, 0], [1, 2])
    np.testing.assert_allclose(found.ranks(50)[:, 0], [2, 1])


def test_settings_that_differ_on_one_task_make_rows(make) -> None:
    found = of(make, c(config={"steps": 50, "rate": 0.1}), c(config={"steps": 200, "rate": 0.1}))
    assert labels(found) == ["m [steps=200]", "m [steps=50]"]


def test_a_preset_names_rows_before_its_single_settings_do(make) -> None:
    found = of(make, c(config={"steps": 50, "w": 1}, preset="fast"), c(config={"steps": 200, "w": 2}, preset="paper"))
    assert labels(found) == ["m [preset=fast]", "m [preset=paper]"]


def test_an_override_of_a_preset_is_named_beside_it(make) -> None:
    found = of(
        make,
        c(config={"steps": 50}, preset="fast"), c(config={"steps": 60}, preset="fast"), c(config={"steps": 200}, preset="paper"),
    )  # fmt: skip
    assert labels(found) == ["m [preset=fast, steps=50]", "m [preset=fast, steps=60]", "m [preset=paper, steps=200]"]


def test_a_preset_that_sets_each_task_apart_stays_one_row(make) -> None:
    found = of(
        make, c("t1", config={"steps": 50}, preset="paper:t1"), c("t2", config={"steps": 60}, preset="paper"),
    )  # fmt: skip
    assert labels(found) == ["m"]
    assert found.rows[0].presets == ("paper",)


def test_two_versions_of_a_method_are_two_rows_even_with_different_seeds(make) -> None:
    found = of(make, c(seed=0, version="1"), c(seed=1, version="2"))
    assert labels(found) == ["m [version=1]", "m [version=2]"]


def test_versions_of_a_task_and_budgets_never_share_a_column(make) -> None:
    found = of(make, c(), c(task_version="2"), c(budget=64), c("t2"))
    assert [column.label for column in found.columns] == [
        "t1 [version=1, budget=128]", "t1 [version=1, budget=64]", "t1 [version=2, budget=128]", "t2",
    ]  # fmt: skip


def test_done_wins_over_failed_with_the_same_seed(make) -> None:
    found = of(make, c(seed=0, version="1"), c("t2", seed=0))
    assert all(not entry.failed for entry in found.entries.values())


def test_no_cells_is_an_error() -> None:
    with pytest.raises(BBOError, match="no finished cells"):
        board([])


def test_order_is_by_mean_rank(make) -> None:
    found = of(make, c(method="a", top=0.1), c(method="b", top=0.3), c(method="c", top=0.2)).ordered(100)
    assert labels(found) == ["b", "c", "a"]
