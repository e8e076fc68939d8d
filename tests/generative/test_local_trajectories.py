"""Trajectories by local search: they climb, never revisit, and stay near."""

import pytest
import torch

from bbo.generative.local_trajectories import climbing

pytestmark = pytest.mark.numerics


def table(rows=400, seed=0):
    torch.set_num_threads(1)
    x = torch.rand(rows, 2, generator=torch.Generator().manual_seed(seed))
    return x, x.sum(1) / 2


def walked(**changes):
    x, y = table()
    settings = {"many": 50, "length": 24, "neighbours": 10, "slack": 0.05, "start_quantile": 0.2} | changes
    return x, y, climbing(x, y, generator=torch.Generator().manual_seed(1), **settings)


def test_they_climb_and_never_revisit():
    _, y, rows = walked()
    assert rows.shape == (50, 24)
    assert all(len(set(one.tolist())) == 24 for one in rows)
    best = y[rows].cummax(1).values
    good = (y[None] >= best[:, -1:] - 0.05).sum(1) > 24  # where enough designs are left near the top
    assert good.any()
    assert (y[rows][good][:, 1:] >= best[good][:, :-1] - 0.05).all()
    assert (y[rows[:, 0]] >= y.quantile(0.2)).all()
    assert y[rows[:, -1]].mean() > y[rows[:, 0]].mean() + 0.1


def test_a_step_goes_to_one_of_the_nearest_good_designs():
    x, y, rows = walked(length=12)
    for one in rows[:10]:
        for step in range(1, 12):
            free = y >= y[one[:step]].max() - 0.05
            free[one[:step]] = False
            if free.any():
                far = (x[free] - x[one[step - 1]]).norm(dim=1).sort().values[:10][-1]
                assert (x[one[step]] - x[one[step - 1]]).norm() <= far + 1e-5


def test_marks_do_not_leak():
    """A trajectory may visit what another one has: with as many steps as rows, all visit everything."""
    x, y = table(12)
    rows = climbing(x, y, 5, 12, 3, 0.0, 0.0, torch.Generator().manual_seed(0))
    assert torch.equal(rows.sort(1).values, torch.arange(12).expand(5, 12))


def test_a_trajectory_without_good_designs_takes_the_best_of_the_nearest():
    x, y = torch.arange(6.0)[:, None], torch.tensor([0.0, 0.1, 0.2, 0.3, 0.4, 1.0])
    rows = climbing(x, y, 4, 3, 2, 0.0, 1.0, torch.Generator().manual_seed(0))
    assert rows.tolist() == [[5, 4, 3]] * 4
