"""Hopper: the weights of a neural network that makes a one-legged robot hop forward.

The robot, its reward and its end are those of gymnasium's Hopper-v5, run by a loop of ours on MuJoCo: forward speed, plus 1 for every
step in which it stands, minus a thousandth of the squared torques; over when it falls, or after 1000 steps of 8 ms. It starts at
rest in its standard pose, without the noise of gymnasium's reset, so that the score of a design is one number. The policy of `hopper` is
11 observations -> 64 tanh -> 64 tanh -> 3 torques, clipped to [-1, 1], 5126 numbers as in Design-Bench's HopperController; that of
`hopper-small` has 16 and 16, 518 numbers. The last three numbers of a design are the logarithms of the standard deviations with which it
was trained and do not act, as there.

The pools are snapshots of own PPO runs (tasks/parts/hopper_pool.py), rounded to float16 and scored as rounded. Visible are their lowest
60 %. Scores depend on the version of MuJoCo, so it is pinned. They are not comparable with HopperController's.

The pool of `hopper-small` is part of the package. That of `hopper` is too large for it: each user makes it, with `bbo data build hopper`.
Another processor or version of torch may train other policies. Such a pool is another table of the same task: the normalisers stay, since
they are constants, and tables do not mix its results with those of other pools, since every record holds the hash of the visible table.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from functools import cache
from typing import Any, ClassVar

import numpy as np

from bbo import data
from bbo.errors import DamagedFile
from bbo.simulation import SimulatedTask
from bbo.space import Continuous
from bbo.task import Dataset, TaskSpec
from bbo.tasks.parts.engine import mujoco

OBSERVATIONS, ACTIONS = 11, 3
STEPS, SUBSTEPS = 1000, 4
#: Weights are within these bounds.
BOUND = 2.0
#: Sizes, joints, frictions and gears of gymnasium's Hopper-v5 (MIT, data/LICENSE-gymnasium), without what only a camera sees.
MODEL = """
<mujoco>
  <compiler angle="degree" inertiafromgeom="true"/>
  <option integrator="RK4" timestep="0.002"/>
  <default>
    <joint armature="1" damping="1" limited="true" axis="0 -1 0" type="hinge"/>
    <geom conaffinity="1" contype="1" condim="1" margin="0.001" solimp=".8 .8 .01" solref=".02 1" friction="0.9" type="capsule"/>
    <motor ctrllimited="true" ctrlrange="-1 1" gear="200"/>
  </default>
  <worldbody>
    <geom name="floor" type="plane" size="20 20 .125" condim="3" friction="1 0.005 0.0001"/>
    <body name="torso" pos="0 0 1.25">
      <joint name="rootx" type="slide" axis="1 0 0" pos="0 0 -1.25" armature="0" damping="0" limited="false"/>
      <joint name="rootz" type="slide" axis="0 0 1" pos="0 0 -1.25" armature="0" damping="0" limited="false" ref="1.25"/>
      <joint name="rooty" axis="0 1 0" armature="0" damping="0" limited="false"/>
      <geom name="torso" size="0.05 0.19999999999999996"/>
      <body name="thigh" pos="0 0 -0.19999999999999996">
        <joint name="thigh" range="-150 0"/>
        <geom name="thigh" pos="0 0 -0.22500000000000009" size="0.05 0.22500000000000003"/>
        <body name="leg" pos="0 0 -0.70000000000000007">
          <joint name="leg" pos="0 0 0.25" range="-150 0"/>
          <geom name="leg" size="0.04 0.25"/>
          <body name="foot" pos="0.13 0 -0.35">
            <joint name="foot" pos="-0.13 0 0.1" range="-45 45"/>
            <geom name="foot" pos="-0.065 0 0.1" quat="0.70710678118654757 0 -0.70710678118654746 0" size="0.06 0.195" friction="2"/>
          </body>
        </body>
      </body>
    </body>
  </worldbody>
  <actuator>
    <motor joint="thigh"/>
    <motor joint="leg"/>
    <motor joint="foot"/>
  </actuator>
</mujoco>
"""


class Robot:
    """A hopper in its world. Its state is what `reset` and `step` made it, nothing else."""

    def __init__(self) -> None:
        self._mujoco = mujoco()
        self._model: Any = self._mujoco.MjModel.from_xml_string(MODEL)
        self.data: Any = self._mujoco.MjData(self._model)
        self._dt = SUBSTEPS * self._model.opt.timestep

    def reset(self, noise: np.ndarray | None = None) -> np.ndarray:
        """Stand at rest, or off it by `noise` (12,) in positions and speeds; returns the observation (11,)."""
        self._mujoco.mj_resetData(self._model, self.data)
        if noise is not None:
            self.data.qpos += noise[:6]
            self.data.qvel += noise[6:]
        self._mujoco.mj_forward(self._model, self.data)
        return self._observation()

    def step(self, torques: np.ndarray) -> tuple[np.ndarray, float, bool]:
        """Apply torques (3,) in [-1, 1] for 8 ms: the observation (11,), the reward, and whether the robot has fallen."""
        before = self.data.qpos[0]
        self.data.ctrl[:] = torques
        for _ in range(SUBSTEPS):
            self._mujoco.mj_step(self._model, self.data)
        speed = (self.data.qpos[0] - before) / self._dt
        height, angle = self.data.qpos[1:3]
        inside = (np.abs(self.data.qpos[2:]) < 100).all() and (np.abs(self.data.qvel) < 100).all()
        stands = bool(inside and height > 0.7 and abs(angle) < 0.2)
        return self._observation(), float(speed + stands - 1e-3 * np.square(torques).sum()), not stands

    def _observation(self) -> np.ndarray:
        return np.concatenate([self.data.qpos[1:], np.clip(self.data.qvel, -10, 10)])


def layers(weights: np.ndarray, hidden: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Matrices (out, in) and biases (out,) of the three layers of a policy with twice `hidden` units, from a design; float64."""
    found, start = [], 0
    for inputs, outputs in ((OBSERVATIONS, hidden), (hidden, hidden), (hidden, ACTIONS)):
        end = start + inputs * outputs
        found.append(
            (weights[start:end].reshape(outputs, inputs).astype(np.float64), weights[end : end + outputs].astype(np.float64))
        )
        start = end + outputs
    return found


def torques(policy: list[tuple[np.ndarray, np.ndarray]], observation: np.ndarray) -> np.ndarray:
    """The policy's mean torques (3,), not clipped."""
    (w1, b1), (w2, b2), (w3, b3) = policy
    return w3 @ np.tanh(w2 @ np.tanh(w1 @ observation + b1) + b2) + b3


@cache
def robot() -> Robot:
    """This process's robot."""
    return Robot()


def episode(weights: np.ndarray, hidden: int) -> list[tuple[np.ndarray, float]]:
    """Positions (6,) after each step of one episode, and the step's reward."""
    policy, body = layers(weights, hidden), robot()
    observation, steps = body.reset(), []
    for _ in range(STEPS):
        observation, reward, fallen = body.step(np.clip(torques(policy, observation), -1.0, 1.0))
        steps.append((body.data.qpos.copy(), reward))
        if fallen:
            break
    return steps


class Policy(SimulatedTask):
    """Return of one episode of a policy; base of both tasks."""

    #: Stored scores are rounded to float32; the last digits of a rollout depend on the processor.
    tolerance = 1e-6
    #: Units of each of the two layers.
    units: ClassVar[int]
    file: ClassVar[str]

    def dataset(self) -> Dataset:
        return Dataset.stored(self.file, self.spec.space)

    def simulate(self, design: np.ndarray) -> float:
        return sum(reward for _, reward in episode(design, self.units))

    def draw(self, design: np.ndarray, figure: Any) -> None:
        way = np.array([position for position, _ in episode(design, self.units)])
        axes = figure.subplots()
        for step in range(0, len(way), 8):
            axes.plot(*_joints(way[step]), color="C0", alpha=0.4)
        axes.plot(way[:, 0], way[:, 1], color="C1", label="middle of the torso")
        axes.axhline(0.0, color="k")
        axes.set(xlabel="metres forward", ylabel="height (m)", aspect="equal", title=f"{8 * len(way) / 1000:.2f} s, every 64 ms")
        axes.legend()


class HopperSmall(Policy):
    """Return of one episode of a 16-16 policy."""

    units = 16
    file = "hopper_small.npz"
    spec = TaskSpec(
        id="hopper-small",
        version="1",
        title="policy of a one-legged robot, 518 weights (MuJoCo Hopper)",
        space=Continuous.box(518, -BOUND, BOUND),
        visible_rows=1440,
        best_visible=347.21484375,
        y_min=58.00383377075195,
        y_max=2858.449951171875,
        oracle="exact",
        hidden="the upper 40 % of a pool of 2400 snapshots of six PPO runs",
        source="Hopper-v5 of gymnasium 1.4.0 on MuJoCo 4.0.0; pool of own PPO runs, tools/build_hopper.py",
        licence="MIT (gymnasium; this project), Apache-2.0 (MuJoCo)",
        requires=("mujoco",),
        extra="robots",
        engines=("mujoco-core==4.0.0",),
        seconds=6.0,
        note="y_max is the best snapshot of the pool, not the optimum: more than 1 can be reached; not comparable with HopperController; "
        "a random forest trained on the visible rows ranks the hidden ones backwards (results/task_quality.md): a stress test",
        family="robots",
    )

    @classmethod
    def sources(cls) -> tuple[data.Source, ...]:
        return (data.Source((cls.file,), "MIT (this project)", "tools/build_hopper.py"),)


class Hopper(Policy):
    """Return of one episode of a 64-64 policy. Its pool is made by the user."""

    units = 64
    file = "hopper.npz"
    spec = TaskSpec(
        id="hopper",
        version="1",
        title="policy of a one-legged robot, 5126 weights (MuJoCo Hopper)",
        space=Continuous.box(5126, -BOUND, BOUND),
        visible_rows=1200,
        best_visible=612.099853515625,
        y_min=66.17788696289062,
        y_max=3179.377685546875,
        oracle="exact",
        hidden="the upper 40 % of a pool of 2000 snapshots of five PPO runs",
        source="Hopper-v5 of gymnasium 1.4.0 on MuJoCo 4.0.0; pool of own PPO runs, made by `bbo data build hopper`",
        licence="MIT (gymnasium; this project), Apache-2.0 (MuJoCo)",
        data=(file,),
        requires=("mujoco",),
        extra="robots",
        engines=("mujoco-core==4.0.0",),
        seconds=8.0,
        note="each user makes the pool; with another processor or version of torch it may be another one, whose results are another "
        "column of tables (see `data_hash`); y_max is the best snapshot of the reference pool, not the optimum: more than 1 can be "
        "reached; not comparable with HopperController; a random forest trained on the visible rows ranks the hidden ones backwards "
        "(results/task_quality.md): a stress test",
        family="robots",
    )

    def __init__(self) -> None:
        """The facts of the pool that is here, or else of the reference pool."""
        if path := data.find(self.file):
            with contextlib.suppress(DamagedFile):  # `visible` will say it
                y = data.read_npz(path, ("y",))["y"]
                if y.dtype.kind == "f" and y.size and np.isfinite(y).all():
                    self.spec = replace(type(self).spec, best_visible=float(y.max()))

    @classmethod
    def sources(cls) -> tuple[data.Source, ...]:
        made = "bbo.tasks.parts.hopper_pool"
        return (Pool((cls.file,), "MIT (this project)", made, name="hopper", get="bbo data build hopper", build=made),)

    def dataset(self) -> Dataset:
        """The pool's lowest 60 %.

        Raises:
            DamagedFile: the file holds something else, such as the pool of a shorter build.
        """
        (source,) = self.sources()
        if fault := source.fault(data.load(self.file)):
            raise DamagedFile(f"data file {data.find(self.file)} {fault}")
        return super().dataset()


class Pool(data.Source):
    """The pool of `hopper`, which each user makes."""

    def fault(self, arrays: data.Arrays) -> str:
        x, y = (arrays.get(name, np.empty(0)) for name in ("x", "y"))
        rows, numbers = Hopper.spec.visible_rows, Hopper.spec.space.dim
        if x.shape != (rows, numbers) or y.shape != (rows,):
            found = f"designs of shape {x.shape} and scores of shape {y.shape}, not {(rows, numbers)} and {(rows,)}"
        elif x.dtype.kind != "f" or y.dtype != np.float32:
            found = f"designs of type {x.dtype} and scores of type {y.dtype}, not float16 and float32"
        elif not (np.abs(x) <= BOUND).all() or not np.isfinite(y).all():
            found = f"weights that are not within {BOUND:g} of 0, or scores that are not finite"
        else:
            return ""
        return f"holds {found}; delete it and make it again: bbo data build hopper"


def _joints(position: np.ndarray) -> tuple[list[float], list[float]]:
    """Sideways and upward places of top, hip, knee, ankle, heel and toe, from the six coordinates of the robot."""
    x, z, lean, thigh, leg, foot = position
    # Turning forward is positive for the torso and negative for the joints.
    angles = np.cumsum([lean, -thigh, -leg, -foot])
    parts = [(0.4, angles[0]), (0.45, angles[1]), (0.5, angles[2])]
    xs, zs = [x + 0.2 * np.sin(lean)], [z + 0.2 * np.cos(lean)]
    for length, angle in parts:
        xs.append(xs[-1] - length * np.sin(angle))
        zs.append(zs[-1] - length * np.cos(angle))
    ankle = xs[-1], zs[-1]
    for along in (-0.13, 0.26):
        xs.append(ankle[0] + along * np.cos(angles[3]))
        zs.append(ankle[1] - along * np.sin(angles[3]))
    return xs, zs
