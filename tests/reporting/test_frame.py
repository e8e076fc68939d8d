"""Cells as a DataFrame, and back."""

import numpy as np
import pytest

from bbo.errors import BBOError
from bbo.face.results import leaderboard
from bbo.reporting.storage.frame import from_frame, to_frame
from bbo.reporting.storage.sources import Results
from bbo.reporting.storage.unsuitable import Unsuitable


@pytest.fixture
def results(make):
    scores = {"random": 0.2, "good": 0.8, "bad": 0.1}
    cells = [make(t, m, s, value + s / 100)[0] for t in ("t1", "t2") for m, value in scores.items() for s in range(3)]
    return Results(tuple(cells), (Unsuitable("t1", "picky", "needs a box"),))


def test_rows_survive_the_way_there_and_back(results):
    back = from_frame(to_frame(results))
    assert [r.spec for r in back.records] == [r.spec for r in results.records]
    assert [r.percentiles for r in back.records] == [r.percentiles for r in results.records]
    assert back.unsuitable == results.unsuitable


def test_filtered_rows_make_a_leaderboard(results):
    frame = to_frame(results)
    table = leaderboard(frame[frame["task"] == "t1"])
    assert table.index.tolist()[:3] == ["good", "random", "bad"]
    assert table.loc["good", "t1"] == pytest.approx(0.81)
    assert table.loc["good", "t1 std"] == pytest.approx(np.std([0.8, 0.81, 0.82]))
    assert "t2" not in table.columns
    assert np.isnan(table.loc["picky", "t1"])


def test_a_percentile_is_chosen(results):
    with pytest.raises(BBOError, match="no percentile 7"):
        leaderboard(to_frame(results), 7)


def test_missing_columns_and_changed_rows_are_refused(results):
    frame = to_frame(results)
    with pytest.raises(BBOError, match="lacks the columns config"):
        leaderboard(frame.drop(columns="config"))
    with pytest.raises(BBOError, match="changed by hand"):
        leaderboard(frame.assign(seed=frame["seed"] + 1))
    with pytest.raises(BBOError, match="no cells"):
        leaderboard(frame[:0])
