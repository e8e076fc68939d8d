"""The tools behind ant and dkitty: policies that are trained to walk, controllers compared, the tasks' quality, pools by their hashes."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import build_walkers
import compare_gaits
import numpy as np
import pytest
import task_quality
import train_walker_policy as trainer

from bbo import catalogue, data
from bbo.errors import BBOError
from bbo.tasks.parts import walking
from bbo.tasks.walkers import ANT, DKITTY

TASKS = pytest.mark.parametrize("name", ["ant", "dkitty"])


def bodies(name, count, seed=0):
    rng = np.random.Generator(np.random.PCG64(seed))
    return np.stack([trainer.drawn(catalogue.load_task(name), rng) for _ in range(count)])


@TASKS
def test_a_policy_over_the_trot_that_says_nothing_is_the_task(name):
    species, x = catalogue.load_task(name).species, bodies(name, 3)
    walked = trainer.metres(species, trainer.State.first(species, "trot"), x)
    assert walked.shape == (3, len(walking.GAITS))
    np.testing.assert_allclose(walked.mean(1), [walking.score(species, design) for design in x], atol=1e-9)


@TASKS
def test_a_policy_at_rest_that_says_nothing_goes_nowhere(name):
    species = catalogue.load_task(name).species
    default = np.clip(species.design(np.array(species.default)), -1, 1)[None]
    assert np.abs(trainer.metres(species, trainer.State.first(species, "rest"), default)).max() < 0.05


def test_a_leg_sees_the_torso_its_joints_its_clock_and_its_numbers():
    n = len(DKITTY.numbers)
    facts = {"centres": np.zeros((4, 3)), "ranges": np.full((4, 3), 0.5), "numbers": np.arange(4.0 * n).reshape(4, n) / n}
    qpos, qvel = np.zeros(19), np.zeros(18)
    # Turned to its left by 90 degrees, half a metre high, and moving north, which is forward, at 2 m/s: to its own right, its x.
    qpos[2], qpos[3:7], qvel[1] = 0.5, [np.sqrt(0.5), 0, 0, np.sqrt(0.5)], 2.0
    qpos[7 + 3], qvel[6 + 4], qvel[5] = 0.25, -1.0, 3.0
    seen = trainer.observations(DKITTY, facts, qpos, qvel, np.array([0.0, np.pi / 2, np.pi, 0.0]))
    assert seen.shape == (4, trainer.State.first(DKITTY, "rest").total.shape[1])
    torso, angles, turning, clock, numbers, cosine, sine = np.split(seen, np.cumsum([13, 3, 3, 2, n, n]), axis=1)
    np.testing.assert_allclose(torso, np.tile([0.5, 0, 0, 1, 1, 0, 0, 2, 0, 0, 0, 0, 3], (4, 1)), atol=1e-12)
    np.testing.assert_allclose(angles, [[0, 0, 0], [0.5, 0, 0], [0, 0, 0], [0, 0, 0]])
    np.testing.assert_allclose(turning, [[0, 0, 0], [0, -2, 0], [0, 0, 0], [0, 0, 0]])
    np.testing.assert_allclose(clock, [[1, 0], [0, 1], [-1, 0], [1, 0]], atol=1e-12)
    np.testing.assert_array_equal(numbers, facts["numbers"])
    np.testing.assert_allclose(cosine, numbers * clock[:, :1], atol=1e-12)
    np.testing.assert_allclose(sine, numbers * clock[:, 1:], atol=1e-12)


def test_observations_are_normalised_by_what_was_seen():
    state = trainer.State.first(ANT, "rest")
    mean, scale = state.normaliser()
    assert (mean == 0).all() and (scale == 1).all()
    seen = np.random.default_rng(0).normal(3, 2, (50, *state.total.shape))
    seen[:, 1, 2] = 7.0
    mean, scale = replace(state, count=50, total=seen.sum(0), squares=(seen**2).sum(0)).normaliser()
    np.testing.assert_allclose(mean, seen.mean(0))
    assert scale[1, 2] == 0  # what never varies says nothing
    np.testing.assert_allclose(np.delete(scale.ravel(), scale.argmin()), 1 / np.delete(seen.std(0).ravel(), scale.argmin()))


def test_the_search_climbs(monkeypatch):
    """Metres that are a known function of the weights: the nearer to a target, the more."""
    state = trainer.State.first(ANT, "rest")
    target = np.random.default_rng(1).normal(0, 0.1, state.weights.shape)

    def walk(species, state, weights, designs, gaits):
        earned = -np.square(weights - target).sum((1, 2, 3))[:, None, None] * np.ones((1, *gaits.shape))
        nothing = np.zeros((len(weights), *state.total.shape))
        return trainer.Walked(earned, nothing, nothing, 0, 0.0)

    monkeypatch.setattr(trainer, "walk", walk)
    for _ in range(60):
        state = trainer.improved(catalogue.load_task("ant"), state, None, 1)
    assert state.metres[0] == pytest.approx(-np.square(target).sum())
    assert state.metres[-1] > 0.7 * state.metres[0]
    assert len(state.metres) == 60 and state.episodes == 60 * (2 * trainer.DIRECTIONS + 1) * trainer.BODIES


def test_training_goes_on_where_it_stopped_and_does_not_depend_on_processes(tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "DIRECTIONS", 2)
    monkeypatch.setattr(trainer, "BEST", 1)
    monkeypatch.setattr(trainer, "BODIES", 2)
    task = catalogue.load_task("ant")
    once = trainer.improved(task, trainer.State.first(ANT, "rest"), None, 1)
    trainer.save(tmp_path / "policy.npz", once)
    with ProcessPoolExecutor(2) as pool:
        twice = trainer.improved(task, trainer.load(tmp_path / "policy.npz", ANT), pool, 2)
    straight = trainer.improved(task, once, None, 1)
    assert straight.count == 2 * 5 * 2 * 150 and straight.episodes == 20
    for name in ("weights", "total", "squares", "metres", "count", "episodes", "over"):
        np.testing.assert_array_equal(getattr(twice, name), getattr(straight, name))
    assert (straight.weights != once.weights).any()


def test_a_file_that_is_no_policy_for_the_robot_is_refused(tmp_path):
    trainer.save(tmp_path / "policy.npz", trainer.State.first(ANT, "rest"))
    with pytest.raises(BBOError, match="trained for the other robot"):
        trainer.load(tmp_path / "policy.npz", DKITTY)
    data.store("pool.npz", {"x": np.zeros((2, 60)), "y": np.zeros(2)}, tmp_path)
    with pytest.raises(BBOError, match="not a policy"):
        trainer.load(tmp_path / "pool.npz", ANT)


def test_policies_are_compared_with_the_planned_gaits_and_the_text_of_the_page_stays(tmp_path, monkeypatch, capsys):
    out = tmp_path / "gaits.md"
    out.write_text("# Old\n\n| controller | step |\n|---|---|\n| dkitty fixed mean | 2.00% |\n\n## What follows\n\nWords.\n")
    monkeypatch.setattr(compare_gaits, "OUT", out)
    monkeypatch.setattr(compare_gaits, "ROWS", 10)
    monkeypatch.setattr(compare_gaits, "READINGS", {"mean": lambda way: way.mean(1)})
    monkeypatch.setattr(task_quality, "forest", lambda x, y, known: known.mean())
    data.store("pool.npz", {"x": bodies("ant", 12).astype(np.float32), "y": np.zeros(12)}, tmp_path)
    trainer.save(tmp_path / "trot.npz", trainer.State.first(ANT, "trot"))
    compare_gaits.main("ant", tmp_path / "pool.npz", [tmp_path / "trot.npz"])
    capsys.readouterr()
    rows = task_quality.read(out)
    assert set(rows) == {"dkitty fixed mean", "ant fixed mean", "ant planned mean", "ant trot + policy mean"}
    # A policy that says nothing walks as the trot does.
    planned, with_policy = rows["ant planned mean"], rows["ant trot + policy mean"]
    assert [planned[key] for key in ("walks", "best")] == [with_policy[key] for key in ("walks", "best")]
    assert planned["upward"] == "0.60"
    assert (rows["dkitty fixed mean"]["step"], rows["dkitty fixed mean"]["upward"]) == ("2.00%", "-")
    assert out.read_text().endswith("|\n\n## What follows\n\nWords.\n")


def test_the_median_step_has_an_interval():
    """The median of uniform numbers from 0 to 2 % has a standard error of 1 % / sqrt(1000), or 0.03 %."""
    rng = np.random.Generator(np.random.PCG64(3))
    text = task_quality.shares(0.02 * rng.random(1000), rng)
    median, low, high = (float(part.strip("%[],")) for part in text.split())
    assert text == f"{median:.2f}% [{low:.2f}, {high:.2f}]"
    assert low < median < high
    assert median == pytest.approx(1.0, abs=0.1)
    assert high - low == pytest.approx(4 * 0.0316, rel=0.35)


@pytest.mark.parametrize(("rows", "used"), [(3000, 1024), (50, 50)])
def test_the_step_is_measured_on_a_thousand_designs(rows, used):
    """A score that is one number, between -1 and 1, moves by 2e-4; a design that breaks down has the lowest score."""
    space = SimpleNamespace(low=-np.ones(4), high=np.ones(4))
    asked = []

    def oracle(x):
        asked.append(len(x))
        return np.where(x[:, 0] < -0.9, np.nan, x[:, 1].astype(float))

    task = SimpleNamespace(spec=SimpleNamespace(space=space, y_min=-1.0), oracle=oracle)
    x = np.random.default_rng(0).uniform(-0.99, 0.99, (rows, 4)).astype(np.float32)
    text = task_quality.step(task, x, np.array([-1.0, 1.0] * 5), np.random.Generator(np.random.PCG64(0)))
    assert asked == [used, used]
    assert text == "0.02% [0.02, 0.02]"


def test_a_pool_is_compared_with_the_shipped_one(monkeypatch):
    pool = {"x": np.arange(6, dtype=np.float32).reshape(3, 2), "y": np.arange(3, dtype=np.float32)}
    (first, second) = build_walkers.compared("ant", pool)
    assert first.startswith("pool x ") and first.endswith("not the shipped one")
    digests = {key: line.split()[2].strip(",") for key, line in (("x", first), ("y", second))}
    monkeypatch.setitem(build_walkers.POOLS, "ant", digests)
    assert [line.endswith("as shipped") for line in build_walkers.compared("ant", pool)] == [True, True]
    pool["y"][0] = 1
    assert [line.endswith("as shipped") for line in build_walkers.compared("ant", pool)] == [True, False]
