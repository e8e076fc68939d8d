"""The space missions, against a solution that is known."""

import numpy as np
import pytest

from bbo.tasks.gtop import MOST, Cassini2, MessengerFull

#: A solution that ESA's database lists for Cassini2, with a cost of 8.383 km/s.
LISTED = (
    -779.046753814506, 3.25911446832345, 0.525976214695235, 0.38086496458657, 167.378952534645, 424.028254165204,
    53.2897409769205, 589.766954923325, 2200, 0.769483451363201, 0.513289529822621, 0.0274175362264024, 0.263985256705873,
    0.599984695281461, 1.34877968657176, 1.05, 1.30730278372017, 69.8090142993495, -1.5937371121191, -1.95952512232447,
    -1.55498859283059, -1.5134625299674,
)  # fmt: skip


def test_the_best_known_mission_to_saturn_scores_one():
    task = Cassini2()
    assert task.normalise(task.score(np.array([LISTED], np.float32)))[0] == pytest.approx(1.0, abs=2e-4)


@pytest.mark.parametrize("task", [Cassini2(), MessengerFull()], ids=lambda task: task.spec.id)
def test_no_mission_counts_as_more_than_the_cap(task):
    y = task.oracle(task.pool()[:2000])
    assert y.min() == -np.log(MOST) == task.spec.y_min
    assert 0.005 < (y == y.min()).mean() < 0.2
    assert (task.visible().y <= np.float32(task.spec.best_visible)).sum() == task.spec.space.dim * 500
