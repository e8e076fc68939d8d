"""The hopper's world and rewards, against gymnasium's."""

import importlib.metadata
import importlib.util
import sys
import types
from pathlib import Path

import mujoco
import numpy as np
import pytest
from click.testing import CliRunner

from bbo import catalogue, data, registry
from bbo.cli.data import command as data_command
from bbo.data.sources import imported
from bbo.errors import DamagedFile, Unavailable
from bbo.tasks.hopper import MODEL, Hopper, HopperSmall, episode, layers, torques
from bbo.tasks.parts import pools
from bbo.testing import verdicts
from bbo.testing.tasks import checks


def weights(seed: int, scale: float, numbers: int = 518) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(numbers) * scale).astype(np.float32)


def test_the_world_is_that_of_gymnasium():
    folder = Path(importlib.util.find_spec("gymnasium").origin).parent
    ours = mujoco.MjModel.from_xml_string(MODEL)
    theirs = mujoco.MjModel.from_xml_path(str(folder / "envs" / "mujoco" / "assets" / "hopper.xml"))
    fields = (
        "body_mass", "body_inertia", "body_ipos", "body_pos", "body_parentid", "jnt_type", "jnt_pos", "jnt_axis", "jnt_range",
        "jnt_limited", "dof_armature", "dof_damping", "geom_size", "geom_pos", "geom_quat", "geom_friction", "geom_solref",
        "geom_solimp", "geom_margin", "geom_condim", "geom_contype", "geom_conaffinity", "actuator_gear", "actuator_ctrlrange",
        "actuator_ctrllimited", "actuator_trnid", "qpos0",
    )  # fmt: skip
    for field in fields:
        np.testing.assert_array_equal(getattr(ours, field), getattr(theirs, field), field)
    assert (ours.opt.timestep, ours.opt.integrator) == (theirs.opt.timestep, theirs.opt.integrator)
    np.testing.assert_array_equal(ours.opt.gravity, theirs.opt.gravity)


def test_the_licence_of_gymnasium_comes_with_its_world():
    notice = (data.package_dir() / "LICENSE-gymnasium").read_text()
    theirs = next(file for file in importlib.metadata.files("gymnasium") if file.name == "LICENSE")
    assert "hopper.xml" in notice and theirs.read_text() in notice


@pytest.mark.parametrize(("seed", "scale", "hidden"), [(0, 0.3, 16), (1, 0.5, 16), (2, 0.1, 16), (0, 0.2, 64)])
def test_returns_are_those_of_gymnasium(seed, scale, hidden, monkeypatch):
    """Gymnasium's own environment wants two packages that only draw; where they are missing, empty modules do."""
    for name in ("glfw", "imageio"):
        if importlib.util.find_spec(name) is None:
            monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    from gymnasium.envs.mujoco.hopper_v5 import HopperEnv

    design = weights(seed, scale, {16: 518, 64: 5126}[hidden])
    environment, policy = HopperEnv(reset_noise_scale=0.0), layers(design, hidden)
    observation, _ = environment.reset(seed=0)
    total, over = 0.0, False
    while not over:
        observation, reward, over, _, _ = environment.step(np.clip(torques(policy, observation), -1, 1))
        total += reward
    assert sum(reward for _, reward in episode(design, hidden)) == total


def test_a_design_is_the_weights_layer_by_layer():
    design = np.arange(518)
    (w1, b1), (w2, b2), (w3, b3) = layers(design, 16)
    assert [array.shape for array in (w1, b1, w2, b2, w3, b3)] == [(16, 11), (16,), (16, 16), (16,), (3, 16), (3,)]
    assert np.concatenate([array.ravel() for array in (w1, b1, w2, b2, w3, b3)]).tolist() == list(range(515))


def test_the_last_three_numbers_do_not_act():
    first = weights(0, 0.3)
    second = first.copy()
    second[-3:] = 1.0
    assert HopperSmall().simulate(first) == HopperSmall().simulate(second)
    second[0] += 0.1
    assert HopperSmall().simulate(first) != HopperSmall().simulate(second)


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """Neither a data folder nor a cache: the folder that BBO_DATA_DIR names is empty."""
    monkeypatch.setenv("BBO_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def store(folder, rows=1200, numbers=5126, best=7.0):
    """A pool that nobody trained."""
    data.store(
        "hopper.npz", {"x": np.zeros((rows, numbers), np.float16), "y": np.linspace(1, best, rows, dtype=np.float32)}, folder
    )


def test_without_its_pool_hopper_says_how_to_make_one(nowhere):
    task = Hopper()
    assert "bbo data build hopper" in task.unavailable()
    with pytest.raises(Unavailable, match="bbo data build hopper"):
        task.visible()


def test_another_pool_is_another_table_of_the_same_task(nowhere):
    store(nowhere)
    first, first_table = Hopper(), Hopper().visible()
    assert not first.unavailable()
    assert first.spec.best_visible == first_table.y.max() == 7.0
    assert (first.spec.y_min, first.spec.y_max) == (Hopper.spec.y_min, Hopper.spec.y_max)
    store(nowhere, best=8.0)
    second = Hopper()
    assert second.spec.best_visible == 8.0
    assert second.visible().sha256() != first_table.sha256()


@pytest.mark.parametrize("wrong", [{"rows": 96}, {"numbers": 518}])
def test_a_file_of_another_shape_is_refused(nowhere, wrong):
    store(nowhere, **wrong)
    with pytest.raises(DamagedFile, match="bbo data build hopper"):
        Hopper().visible()


BAD = {
    "NaN among the scores": (np.float16(0), np.float32("nan")),
    "an infinite score": (np.float16(0), np.float32("inf")),
    "scores of text": (np.float16(0), "good"),
    "scores of another type": (np.float16(0), np.float64(7)),
    "a weight beyond the bound": (np.float16(2.1), np.float32(7)),
    "a weight that is NaN": (np.float16("nan"), np.float32(7)),
    "weights of text": (np.bytes_(b"w"), np.float32(7)),
}


@pytest.mark.parametrize("bad", [*BAD, "no scores at all", "no designs"])
def test_a_bad_pool_costs_its_task_only(nowhere, bad):
    """The other tasks go on; `bbo data verify` and `bbo data import` say what is wrong, and so does the task when it is used."""
    x, y = BAD.get(bad, (np.float16(0), np.float32(7)))
    arrays = {"x": np.full((1200, 5126), x), "y": np.full(0 if bad == "no scores at all" else 1200, y)}
    data.store("hopper.npz", {name: arrays[name] for name in arrays if name != "x" or bad != "no designs"}, nowhere)
    registry.own_tasks.cache_clear()
    assert "hopper-small" in catalogue.task_ids()
    task = catalogue.load_task("hopper")
    assert np.isfinite(task.spec.best_visible)
    again = "make it again: bbo data build hopper"
    with pytest.raises(DamagedFile, match=again):
        task.visible()
    assert again in CliRunner().invoke(data_command, ["verify", "hopper.npz"]).output
    with pytest.raises(DamagedFile, match=again):
        list(imported(nowhere / "hopper.npz", registry.sources()))


def test_a_truncated_pool_is_refused_when_it_is_used(nowhere):
    store(nowhere)
    whole = (nowhere / "hopper.npz").read_bytes()
    (nowhere / "hopper.npz").write_bytes(whole[: len(whole) // 2])
    task = Hopper()
    assert task.spec == Hopper.spec
    with pytest.raises(DamagedFile, match="bbo data build hopper"):
        task.visible()


def test_hopper_scores_the_larger_policy(nowhere):
    store(nowhere)
    designs = np.stack([weights(seed, 0.1, 5126) for seed in range(3)])
    returns = [sum(reward for _, reward in episode(design, 64)) for design in designs]
    assert len(set(returns)) == 3
    np.testing.assert_array_equal(Hopper().score(designs), returns)


@pytest.mark.numerics
def test_scores_of_sixteen_designs_of_hopper():
    """As tests/tasks/checksums.json has them of the other tasks; 16 designs would take a megabyte there."""
    space = Hopper.spec.space
    designs = space.check((0.1 * pools.uniform(space, 16, seed=16)).astype(np.float32))
    stored = [
        4.76405001918, 27.128792783, 191.182334505, 4.93831203892, 7.63149823345, 5.36219997586, 8.58157713189, 4.77348265843,
        81.2993915518, 17.0468334669, 8.75457647029, 12.2035493098, 64.4285201441, 8.95974577499, 8.13023909554, 11.7178122425,
    ]  # fmt: skip
    np.testing.assert_allclose(Hopper().oracle(designs), stored, rtol=1e-6)


def test_hopper_keeps_the_promises_of_a_task(nowhere):
    """On a pool of random policies that stand for a moment, each in several rows: the real one takes ten minutes to make."""
    spec = Hopper.spec
    tried = (0.05 * pools.uniform(spec.space, 500, seed=16)).astype(np.float16)
    returns = np.array([sum(reward for _, reward in episode(design, 64)) for design in tried.astype(np.float32)], np.float32)
    rows = np.resize(np.flatnonzero(returns > spec.y_min), spec.visible_rows)
    data.store("hopper.npz", {"x": tried[rows], "y": returns[rows]}, nowhere)
    assert not [f"{v.check}: {v.failure}" for v in verdicts(checks(Hopper())) if v.failure]


@pytest.mark.slow
def test_a_pool_is_its_seeds_and_goes_on_where_it_was_stopped(tmp_path):
    from bbo.tasks.parts.hopper_pool import lowest, pool

    whole = pool(tmp_path, 64, 2, 1)
    assert whole["x"].shape == (8, 5126)
    for design, score in zip(whole["x"].astype(np.float32), whole["y"], strict=True):
        assert np.float32(sum(reward for _, reward in episode(design, 64))) == score
    first, second = sorted(tmp_path.glob("*seed*.npz"))
    second.unlink()
    kept = first.stat().st_mtime_ns
    again = pool(tmp_path, 64, 2, 1)
    np.testing.assert_array_equal(again["x"], whole["x"])
    assert first.stat().st_mtime_ns == kept
    visible = lowest(whole)
    assert len(visible["y"]) == 4
    assert visible["y"].max() <= np.sort(whole["y"])[3]
