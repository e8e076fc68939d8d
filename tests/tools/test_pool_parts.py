"""What the scripts that make pools share, and the pools that are quickly made again."""

import build_controls
import build_gtop
import numpy as np
import pool_parts
import pytest

from bbo import data


def test_parents_are_the_best_fifty_of_the_last_two_generations():
    """Numbers stand for designs, and a larger one is better; every generation is worse than the one before."""
    asked = []

    def children(parents, rng):
        asked.append(sorted(parents[:, 0]))
        return parents[rng.integers(len(parents), size=100)] - 1000

    x, y = pool_parts.path(lambda x: x[:, 0], np.arange(100)[:, None], children, 4, np.random.default_rng(0))
    assert x.shape == (400, 1) and (y == x[:, 0]).all()
    assert asked[0] == list(range(50, 100))
    assert asked[1] == list(range(50, 100)), "the second generation is worse than the better half of the first"
    assert asked[2] == sorted(np.sort(x[100:300, 0])[-50:])


def test_the_cut_says_what_a_task_freezes(capsys):
    y = np.arange(10, dtype=np.float32)
    np.testing.assert_array_equal(pool_parts.cut("toy", y, 40), y <= 3)
    assert capsys.readouterr().out == "toy: pool 10, visible 4, best visible 3.0, lowest 0.0, highest 9.0\n"


@pytest.mark.parametrize("tool", [build_controls, build_gtop], ids=["controls", "gtop"])
def test_a_pool_that_is_made_again_is_the_shipped_one(tool, tmp_path, monkeypatch):
    monkeypatch.setattr(tool, "OUT", tmp_path)
    tool.main()
    made, shipped = data.read_npz(tmp_path / tool.FILE), data.read_npz(data.package_dir() / tool.FILE)
    assert sorted(made) == sorted(shipped)
    for name, y in made.items():
        np.testing.assert_allclose(y, shipped[name], rtol=1e-6)
