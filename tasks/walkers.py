"""Ant and D'Kitty: shape the legs of two four-legged robots so that they walk as far as they can.

The designs are those of Design-Bench's AntMorphology and DKittyMorphology (morphing-agents 1.5.1): for each of four legs its place and
its turn on the torso, centre and range of three joints, and the lengths of its bones; all scaled to [-1, 1]. D'Kitty has 52 numbers
here and not 56, since the bounds of four of them (z) are equal there; and the range of its thigh is used, which there is not.

The robots are simulated here with physics and a controller of our own (tasks/parts/walking.py): the trained policies of the originals
are lost, and their simulators need a MuJoCo of 2020. A score is metres forward in 1.5 seconds, upright, mean over four trots that are
planned for each body. It does not compare with any score of Design-Bench's tasks, and neither do normalised scores.

What differs from the models there, so that a small change of a design moves the score little and a fixed gait can walk:

- Ant, mass: the density is 20 kg/m3, there 5, so the body is heavier and bounces less.
- Ant, joints: the armature is 0.1 kg m2, there 1; the damping, 1 N m s/rad, is the same.
- Ant, motors: position servos of 60 N m/rad and 10 N m s/rad turn the joints, there motors that take torques up to 150 N m.
- Ant, simulator: the integrator is implicitfast, there RK4; both take steps of 0.01 s.
- Ant, contacts: a contact yields over 0.06 s (solref 0.06 1), there over MuJoCo's default of 0.02 s, and it begins when bodies touch,
  there 1 cm before (margin).
- D'Kitty, mass: one box of 0.7 kg and for each leg a box and two capsules of 0.26 kg in all stand for its meshes and boxes, which are of
  0.73 kg and 0.28 kg in ROBEL's model.
- D'Kitty, joints: the armature is 0.01 kg m2 and the damping 0.05 N m s/rad, there 0.001 and 1.
- D'Kitty, motors: its servos have 10 N m/rad and a damping of 1 N m s/rad, there 5 and none.
- D'Kitty, simulator: steps of 0.005 s with implicitfast, there 0.0025 s with Euler; the torso is a free body, there on three slides and
  three hinges.
- D'Kitty, contacts: solref 0.06 1.5 and three dimensions without a margin, there 0.02 1, four dimensions and 1 mm.
- D'Kitty, collisions: its parts touch only the floor and pass through each other, there all parts collide but neighbours; the parts of
  Design-Bench's ant pass through each other, as here.
- Both start at rest with their joints at the centres and the lowest point 5 mm above the floor, there at a fixed height.

The pool is what restarts of CMA-ES saw (tools/build_walkers.py), as in Design-Bench. Visible are its lowest 40 %. y_max is the best of
the pool, not the optimum. Scores depend on the version of MuJoCo, so it is pinned. How smooth and how learnable the scores are says
results/task_quality.md (`python tools/task_quality.py ant POOL.npz`).

Version 1 of D'Kitty had a pool like the ant's: 25 runs of CMA-ES that all started near the default body. A random forest trained on its
lower scores ranked the higher ones backwards, since of a good run it had seen only the worst designs. Since version 2 its pool is short
runs that start at all distances from the default body: 500 of them in version 2, 1250 in version 3. The ant's pool of version 1 was 25
runs, that of version 2 is 125. Both pools hold 25,000 designs now, as Design-Bench's do.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from bbo import data
from bbo.simulation import SimulatedTask
from bbo.space import Continuous
from bbo.task import Dataset, TaskSpec
from bbo.tasks.parts import drawing, walking
from bbo.tasks.parts.walking import Species

PI = np.pi


def _ant_leg(i: int, n: dict[str, float]) -> str:
    def bone(size: float) -> str:
        return f'<geom type="capsule" fromto="0 0 0 {size} {size} 0" size="0.08"/>'

    hip, thigh, ankle = (n[f"{name}_size"] for name in ("hip", "thigh", "ankle"))
    return f"""
      <body pos="{n["x"]} {n["y"]} {n["z"]}" euler="{n["a"]} {n["b"]} {n["c"]}">{bone(hip)}
        <body pos="{hip} {hip} 0">
          <joint name="a{i}" axis="-1 1 0" range="{_range(n, "hip")}"/>
          <joint name="b{i}" axis="0 0 1" range="{_range(n, "thigh")}"/>{bone(thigh)}
          <body pos="{thigh} {thigh} 0">
            <joint name="c{i}" axis="-1 1 0" range="{_range(n, "ankle")}"/>{bone(ankle)}
            <site name="f{i}" pos="{ankle} {ankle} 0"/>
          </body>
        </body>
      </body>"""


def _kitty_leg(i: int, n: dict[str, float]) -> str:
    thigh, ankle = n["thigh_size"], n["ankle_size"]
    return f"""
      <body pos="{n["x"]} {n["y"]} 0" euler="{n["a"]} {n["b"]} {n["c"]}">
        <joint name="a{i}" axis="0 1 0" range="{_range(n, "hip")}"/>
        <geom type="box" size="0.02 0.02 0.02" mass="0.08"/>
        <body>
          <joint name="b{i}" axis="1 0 0" range="{_range(n, "thigh")}"/>
          <geom type="capsule" fromto="0 0 0 0 0 {thigh}" size="0.015" mass="0.12"/>
          <body pos="0 0 {thigh}">
            <joint name="c{i}" axis="1 0 0" range="{_range(n, "ankle")}"/>
            <geom type="capsule" fromto="0 0 0 0 0 {ankle}" size="0.012" mass="0.06"/>
            <site name="f{i}" pos="0 0 {ankle}"/>
          </body>
        </body>
      </body>"""


def _range(numbers: dict[str, float], joint: str) -> str:
    centre, reach = numbers[f"{joint}_centre"], numbers[f"{joint}_range"]
    return f"{centre - reach} {centre + reach}"


def _options(step: float, density: float, armature: float, damping: float, contact: str) -> str:
    """MJCF of the constants that the two robots do not share. Their parts collide with the floor, not with each other.

    Args:
        step: time step of the simulator, seconds.
        density: of the geoms that have no mass of their own, kg/m3; all of D'Kitty's have one.
        armature: inertia of a motor's rotor, added to that of each joint, kg m2.
        damping: of each joint, N m s/rad; that of the servos (`Species.servo`) is added to it.
        contact: MuJoCo's `solref`: seconds in which a contact yields, and its damping ratio (1: critical; more: slower, without bounce).
    """
    return f"""
      <option timestep="{step}" integrator="implicitfast"/>
      <default>
        <joint type="hinge" armature="{armature}" damping="{damping}"/>
        <geom contype="0" conaffinity="1" condim="3" friction="1 0.005 0.0001" density="{density}" solref="{contact}"/>
      </default>"""


_PLACE = ("x", "y", "z", "a", "b", "c")
_TURNS = ("hip_centre", "hip_range", "thigh_centre", "thigh_range", "ankle_centre", "ankle_range")
_SHARP, _WIDE = PI / 36, PI / 4
ANT = Species(
    numbers=(*_PLACE, *_TURNS, "hip_size", "thigh_size", "ankle_size"),
    low=(*[-0.1] * 3, *[-PI] * 3, *[-PI, _SHARP] * 3, 0.1, 0.1, 0.2),
    high=(*[0.1] * 3, *[PI] * 3, *[PI, _WIDE] * 3, 0.4, 0.4, 0.8),
    default=tuple(
        (0.0, 0.0, 0.0, 0.0, 0.0, c, 0.0, _SHARP, 0.0, PI / 6, PI * 50 / 180, PI / 9, 0.2, 0.2, 0.4)
        for c in (0, PI / 2, PI, -PI / 2)
    ),
    leg=_ant_leg,
    torso='<geom type="sphere" size="0.25"/>',
    options=_options(0.01, 20, 0.1, 1, "0.06 1"),
    servo=(60, 10),
    forward=(1.0, 0.0),
    stroke=0.4,
    lift=0.3,
    damping=0.1,
)
DKITTY = Species(
    numbers=("x", "y", "a", "b", "c", *_TURNS, "thigh_size", "ankle_size"),
    low=(-0.09, -0.122, -PI, -PI, -PI, *[-PI, PI / 35] * 3, 0.0965, 0.0945),
    high=(0.09, 0.122, PI, PI, PI, PI, PI / 4, PI, PI / 4, PI, PI / 2, 0.1365, 0.1345),
    default=tuple(
        (0.09 * side, 0.122 * end, 0.0, -PI * side, 0.0, -0.1105 * side, 0.3895, PI / 4, PI / 4, -1.0, 1.0, 0.0965, 0.0945)
        for side, end in ((1, 1), (-1, 1), (-1, -1), (1, -1))
    ),
    leg=_kitty_leg,
    torso='<geom type="box" size="0.06 0.13 0.03" mass="0.7"/>',
    options=_options(0.005, 1000, 0.01, 0.05, "0.06 1.5"),
    servo=(10, 1),
    forward=(0.0, 1.0),
    stroke=0.06,
    lift=0.04,
    damping=0.03,
    pace=1.6,
)


def walker_spec(
    id: str,
    version: str,
    title: str,
    numbers: int,
    visible_rows: int,
    scores: tuple[float, float, float],
    hidden: str,
    note: str,
    saturated: bool = False,
) -> TaskSpec:
    """The facts of one robot; `scores` are the lowest and the highest of the pool, and the best visible one between them."""
    return TaskSpec(
        id=id,
        version=version,
        title=title,
        space=Continuous.box(numbers, -1.0, 1.0),
        visible_rows=visible_rows,
        best_visible=scores[1],
        y_min=scores[0],
        y_max=scores[2],
        oracle="exact",
        hidden=f"the upper 60 % of a pool of {hidden}",
        source="designs of morphing-agents 1.5.1, bodies and gaits of our own on MuJoCo 4.0.0; pool from tools/build_walkers.py",
        licence="MIT (morphing-agents; this project), Apache-2.0 (MuJoCo)",
        requires=("mujoco",),
        extra="robots",
        engines=("mujoco-core==4.0.0",),
        seconds=4.0,
        saturated=saturated,
        note=f"y_max is the best of the pool, not the optimum: more than 1 can be reached; {note}",
        family="robots",
    )


class Walker(SimulatedTask):
    """Metres that a body walks; base of the two robots."""

    #: Stored scores are rounded to float32; the last digits of a simulation depend on the processor.
    tolerance = 1e-6
    species: ClassVar[Species]
    file: ClassVar[str]

    @classmethod
    def sources(cls) -> tuple[data.Source, ...]:
        return (data.Source((cls.file,), "MIT (this project)", "tools/build_walkers.py"),)

    def dataset(self) -> Dataset:
        arrays = data.load(self.file)
        return Dataset(arrays["x"].copy(), arrays["y"].copy())

    def simulate(self, design: np.ndarray) -> float:
        return walking.score(self.species, design)

    def draw(self, design: np.ndarray, figure: Any) -> None:
        body = walking.Body(self.species, design)
        above, beside = figure.subplots(1, 2)
        # The robot walks to the right in both views.
        forward = np.array([*self.species.forward, 0.0])
        left = np.array([-forward[1], forward[0], 0.0])
        for axes, upward, title in ((above, left, "from above"), (beside, np.array([0.0, 0.0, 1.0]), "from its right")):
            drawing.solids(axes, body.solids(), forward, upward)
            axes.set(aspect="equal", title=title, xlabel="metres forward")
        above.set_ylabel("metres to the left")
        beside.set_ylabel("height (m)")
        beside.axhline(0.0, color="k")


class Ant(Walker):
    """The ant: round torso, four long legs with a hip bone."""

    species = ANT
    file = "ant.npz"
    spec = walker_spec(
        "ant",
        "2",
        "legs of an ant, 60 numbers (MuJoCo)",
        60,
        10000,
        (-0.6913850903511047, 0.36179041862487793, 0.9671193361282349),
        "25000 designs from 125 runs of CMA-ES",
        "128 uniformly random designs reach 0.96 on average; not comparable with Design-Bench's AntMorphology; a step of 1e-4 moves the "
        "score by 1.06 % of its spread (95 %: 0.98 to 1.19), and a random forest trained on the lower scores does not rank the higher ones "
        "(results/task_quality.md): a stress test",
        saturated=True,
    )


class DKitty(Walker):
    """D'Kitty: a flat torso of 26 cm, four thin legs."""

    species = DKITTY
    file = "dkitty.npz"
    spec = walker_spec(
        "dkitty",
        "3",
        "legs of a cat-sized robot, 52 numbers (MuJoCo)",
        52,
        10000,
        (-0.14977170526981354, 0.06266871839761734, 0.3576371967792511),
        "25000 designs from 1250 short runs of CMA-ES",
        "not comparable with Design-Bench's DKittyMorphology; a step of 1e-4 moves the score by 0.96 % of its spread (95 %: "
        "0.82 to 1.08; results/task_quality.md), on the limit of what is wanted of a headline, 1 %",
    )
