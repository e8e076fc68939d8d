"""The hopper's world and rewards, against gymnasium's."""

import importlib.util
import sys
import types
from pathlib import Path

import mujoco
import numpy as np
import pytest

from bbo.tasks.hopper import MODEL, HopperSmall, episode, layers, torques


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
    (w1, b1), (w2, b2), (w3, b3) = layers(design)
    assert [array.shape for array in (w1, b1, w2, b2, w3, b3)] == [(16, 11), (16,), (16, 16), (16,), (3, 16), (3,)]
    assert np.concatenate([array.ravel() for array in (w1, b1, w2, b2, w3, b3)]).tolist() == list(range(515))


def test_the_last_three_numbers_do_not_act():
    first = weights(0, 0.3)
    second = first.copy()
    second[-3:] = 1.0
    assert HopperSmall().simulate(first) == HopperSmall().simulate(second)
    second[0] += 0.1
    assert HopperSmall().simulate(first) != HopperSmall().simulate(second)
