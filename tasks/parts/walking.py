"""Four-legged robots made from a design, and how far they walk: bodies, planned gaits and scores of the tasks in tasks/walkers.py.

A body is MJCF that we write (`Species.mjcf`), simulated by MuJoCo with constants of ours. The controller knows the body: from the
Jacobian of each foot at rest it plans, once, how the leg's three joints move the foot backward on the ground and forward in the
air. The plan is open-loop: position servos follow it, so one call of `mujoco.rollout` runs all gaits of a design.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bbo.tasks.parts.engine import mujoco

LEGS, JOINTS = 4, 3
#: Steps of a second (Hz) and the part of a step by which it starts late, of the gaits over which a score is the mean: a trot each.
GAITS = ((0.8, 0.0), (1.0, 0.5), (1.2, 0.25), (1.4, 0.75))
#: When in a step each leg sets off: opposite legs together.
TROT = np.array([0.0, 0.5, 0.0, 0.5])
#: Seconds of an episode, and until the gait has its full size.
SECONDS, RAMP = 1.5, 0.5
#: Metres above the floor from which a body is dropped.
DROP = 0.005


@dataclass(frozen=True)
class Species:
    """One kind of robot.

    Args:
        numbers: names of a leg's numbers, in the order of a design.
        low, high: their bounds in metres and radians.
        default: the robot as its makers built it (4, numbers).
        leg: MJCF of a leg from its index and its numbers by name; joints are named `a`, `b`, `c` and the index, the foot is a site `f`.
        torso: MJCF of the torso's geom.
        options: MJCF in front of the world: time step, integrator, constants of joints and contacts.
        servo: stiffness and damping of the position servos, N m / rad and N m s / rad.
        forward: direction (2,) in which walking counts.
        stroke, lift: half of the way of a foot along and across the ground, in metres, if its joints allow it.
        damping: metres; joints that move a foot by less are hardly used (damped least squares).
        pace: factor of the frequencies of `GAITS`.
    """

    numbers: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    default: tuple[tuple[float, ...], ...]
    leg: Callable[[int, dict[str, float]], str]
    torso: str
    options: str
    servo: tuple[float, float]
    forward: tuple[float, float]
    stroke: float
    lift: float
    damping: float
    pace: float = 1.0

    @property
    def size(self) -> int:
        """How many numbers a design has."""
        return LEGS * len(self.numbers)

    def legs(self, design: np.ndarray) -> np.ndarray:
        """Numbers (4, numbers) in metres and radians, float64, of a design (size,) in [-1, 1]."""
        low, high = np.array(self.low), np.array(self.high)
        return low + (design.reshape(LEGS, -1).astype(np.float64) + 1) / 2 * (high - low)

    def design(self, legs: np.ndarray) -> np.ndarray:
        """The inverse of `legs`, float64."""
        low, high = np.array(self.low), np.array(self.high)
        return ((legs - low) / (high - low) * 2 - 1).ravel()

    def mjcf(self, design: np.ndarray) -> str:
        """The body of a design (size,) over a plane."""
        legs = [dict(zip(self.numbers, map(float, leg), strict=True)) for leg in self.legs(design)]
        kp, kv = self.servo
        servos = "".join(f'<position joint="{j}{i}" kp="{kp}" kv="{kv}"/>' for i in range(LEGS) for j in "abc")
        return f"""<mujoco>
          <compiler angle="radian" autolimits="true"/>{self.options}
          <worldbody>
            <geom type="plane" size="50 50 1" contype="1" conaffinity="0"/>
            <body name="torso" pos="0 0 1"><freejoint/>{self.torso}{"".join(self.leg(i, leg) for i, leg in enumerate(legs))}</body>
          </worldbody>
          <actuator>{servos}</actuator>
        </mujoco>"""


class Body:
    """A design as a robot, standing with its joints at their centres.

    Args:
        species: its kind.
        design: numbers (size,) in [-1, 1].
    """

    def __init__(self, species: Species, design: np.ndarray) -> None:
        self._mujoco, self.species = mujoco(), species
        legs = species.legs(design)
        column = species.numbers.index
        names = ("hip", "thigh", "ankle")
        self.centres = np.stack([legs[:, column(f"{name}_centre")] for name in names], 1)
        self.ranges = np.stack([legs[:, column(f"{name}_range")] for name in names], 1)
        self.model: Any = mujoco().MjModel.from_xml_string(species.mjcf(design))
        self.data: Any = mujoco().MjData(self.model)
        self.data.qpos[7:] = self.centres.ravel()
        self._mujoco.mj_kinematics(self.model, self.data)
        self.data.qpos[2] += DROP - min(points[:, 2].min() - radius for points, radius in self.solids())
        self._mujoco.mj_kinematics(self.model, self.data)

    def solids(self) -> list[tuple[np.ndarray, float]]:
        """Every geom but the floor as points (n, 3) and a radius: it is all that is within the radius of the points' convex hull."""
        found: list[tuple[np.ndarray, float]] = []
        kinds = self._mujoco.mjtGeom
        for geom in range(1, self.model.ngeom):
            size, matrix = self.model.geom_size[geom], self.data.geom_xmat[geom].reshape(3, 3)
            kind, radius = self.model.geom_type[geom], float(size[0])
            if kind == kinds.mjGEOM_BOX:
                offsets, radius = np.array(list(itertools.product(*((-s, s) for s in size)))), 0.0
            elif kind == kinds.mjGEOM_CAPSULE:
                offsets = np.array([[0.0, 0.0, -size[1]], [0.0, 0.0, size[1]]])
            else:
                offsets = np.zeros((1, 3))
            found.append((self.data.geom_xpos[geom] + offsets @ matrix.T, radius))
        return found

    def reach(self) -> np.ndarray:
        """How far a foot moves (4, 3 directions, 3 joints), to first order, when a joint turns from its centre to its end; metres."""
        self._mujoco.mj_comPos(self.model, self.data)
        moves = np.empty((LEGS, 3, JOINTS))
        jacobian = np.zeros((3, self.model.nv))
        for leg in range(LEGS):
            self._mujoco.mj_jacSite(self.model, self.data, jacobian, None, self.model.site(f"f{leg}").id)
            moves[leg] = jacobian[:, 6 + JOINTS * leg : 6 + JOINTS * (leg + 1)] * self.ranges[leg]
        return moves

    def plan(self, reach: np.ndarray) -> np.ndarray:
        """Angles (gaits, steps, 12) that the servos follow, for legs that reach (4, 3, 3) as `reach` says."""
        kind, step = self.species, self.model.opt.timestep
        gram = reach @ reach.transpose(0, 2, 1) + kind.damping**2 * np.eye(3)
        along, up = np.array([*kind.forward, 0.0]) * kind.stroke, np.array([0.0, 0.0, kind.lift])
        # Joint angles, as shares of their ranges (4, 3), that move the foot by so much.
        forward, upward = (np.einsum("lij,li->lj", reach, np.linalg.solve(gram, way[None, :, None])[..., 0]) for way in (along, up))
        time = step * np.arange(round(SECONDS / step))
        rates, delays = (np.array(column) for column in zip(*GAITS, strict=True))
        turn = 2 * np.pi * (kind.pace * rates[:, None, None] * time[:, None] + delays[:, None, None] + TROT)[..., None]
        shares = np.tanh(np.minimum(1.0, time / RAMP)[:, None, None] * (np.cos(turn) * forward - np.sin(turn) * upward))
        return (self.centres + self.ranges * shares).reshape(len(GAITS), len(time), LEGS * JOINTS)

    def walk(self, angles: np.ndarray) -> np.ndarray:
        """Positions and quaternions (gaits, steps, 7) of the torso after each step; NaN if the simulation broke down."""
        from mujoco import rollout

        kind = self._mujoco.mjtState.mjSTATE_FULLPHYSICS
        state = np.empty(self._mujoco.mj_stateSize(self.model, kind))
        self._mujoco.mj_getState(self.model, self.data, state, kind)
        states, _ = rollout.rollout(self.model, self._mujoco.MjData(self.model), np.tile(state, (len(angles), 1)), angles)
        # MuJoCo begins again, or stands still, when numbers become too large.
        lasted = np.abs(states[:, -1, 0] - angles.shape[1] * self.model.opt.timestep) < self.model.opt.timestep / 2
        return np.where(lasted[:, None, None], states[:, :, 1:8], np.nan)


def progress(body: Body, way: np.ndarray) -> np.ndarray:
    """Metres forward (gaits,) on the ways (gaits, steps, 7), each stretch counted by how upright the torso is (0: on its side)."""
    forward = way[..., :2] @ np.array(body.species.forward)
    upright = np.maximum(0.0, 1 - 2 * (way[..., 4] ** 2 + way[..., 5] ** 2))
    return (np.diff(forward, axis=1) * upright[:, 1:]).sum(1)


def score(species: Species, design: np.ndarray) -> float:
    """Metres that a design (size,) walks in a second and a half, mean over its gaits."""
    body = Body(species, design)
    return float(progress(body, body.walk(body.plan(body.reach()))).mean())
