"""Lunar lander: tune the twelve numbers of a hand-written autopilot so that it lands a small craft between two flags.

The simulation is gymnasium's LunarLander-v3 (discrete engines) on Box2D, the controller the one with which gymnasium demonstrates it,
its twelve constants free in [0, 2], as in Eriksson et al. 2019 (TuRBO). The score is the mean return of ten episodes, seeds 0 to
9, of at most 1000 steps. The episode is run by a loop of ours, without gymnasium's wrappers and without pygame.

The pool is 4000 uniform designs, drawn again from a fixed stream of random numbers; their scores are stored
(tools/build_lunar_lander.py). Visible is its lower half. y_max is the score of the published constants.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from bbo import data
from bbo.simulation import SimulatedTask
from bbo.space import Continuous
from bbo.task import Dataset, TaskSpec
from bbo.tasks.parts import pools

FILE = "lunar_lander.npz"
EPISODES, STEPS, POOL = 10, 1000, 4000
#: The constants of gymnasium's demonstration.
PUBLISHED = (0.5, 1.0, 0.4, 0.55, 0.5, 1.0, 0.5, 0.5, 0.0, 0.5, 0.05, 0.05)
NOTHING, LEFT, MAIN, RIGHT = range(4)


@cache
def environment() -> Any:
    """Gymnasium's lander, without the package around it, which wants pygame for another of its games."""
    found = importlib.util.find_spec("gymnasium")
    assert found and found.origin
    file = Path(found.origin).parent / "envs" / "box2d" / "lunar_lander.py"
    spec = importlib.util.spec_from_file_location("bbo_lunar_lander", file)
    assert spec and spec.loader
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.LunarLander()


def action(w: np.ndarray, state: np.ndarray) -> int:
    """The engine that fires in a state: x, y and their speeds, angle and its speed, contact of the two legs; w (12,)."""
    x, y, speed_x, speed_y, angle, turning, left_leg, right_leg = state
    wanted_angle = np.clip(x * w[0] + speed_x * w[1], -w[2], w[2])
    turn = (wanted_angle - angle) * w[4] - turning * w[5]
    lift = (w[3] * abs(x) - y) * w[6] - speed_y * w[7]
    if left_leg or right_leg:
        turn, lift = w[8], -speed_y * w[9]
    if lift > abs(turn) and lift > w[10]:
        return MAIN
    return RIGHT if turn < -w[11] else LEFT if turn > w[11] else NOTHING


def flight(w: np.ndarray, seed: int) -> list[tuple[np.ndarray, float]]:
    """The states (8,) of one episode with the rewards of the steps that led there."""
    lander = environment()
    state, _ = lander.reset(seed=seed)
    steps = []
    for _ in range(STEPS):
        state, reward, over, _, _ = lander.step(action(w, state))
        steps.append((state, float(reward)))
        if over:
            break
    return steps


class LunarLander(SimulatedTask):
    """Mean return of an autopilot over ten landings."""

    #: Stored scores are rounded to float32; engines may differ in the last digits from one processor to the next.
    tolerance = 1e-6
    spec = TaskSpec(
        id="lunar-lander",
        version="1",
        title="autopilot of a lunar lander, 12 constants",
        space=Continuous.box(12, 0.0, 2.0),
        visible_rows=2000,
        best_visible=-104.41854095458984,
        y_min=-368.95404052734375,
        y_max=265.4169634655008,
        oracle="exact",
        hidden="the upper half of 4000 uniform designs",
        source="gymnasium 1.4.0 LunarLander-v3 on Box2D 2.3.10; controller of its demonstration; pool from tools/build_lunar_lander.py",
        licence="MIT (gymnasium; this project), zlib (Box2D)",
        requires=("gymnasium", "Box2D"),
        extra="lander",
        engines=("gymnasium==1.4.0", "box2d==2.3.10"),
        seconds=7.6,
        note="y_max is the score of the published constants, not the optimum: more than 1 can be reached",
        family="robots",
    )

    @classmethod
    def sources(cls) -> tuple[data.Source, ...]:
        return (data.Source((FILE,), "MIT (this project)", "tools/build_lunar_lander.py"),)

    def pool(self) -> np.ndarray:
        """The uniform designs (4000, 12), float32."""
        return pools.uniform(self.spec.space, POOL, seed=12)

    def dataset(self) -> Dataset:
        return Dataset.up_to(self.pool(), data.load(FILE)["y"], self.spec.best_visible)

    def simulate(self, design: np.ndarray) -> float:
        w = design.astype(np.float64)
        return float(np.mean([sum(reward for _, reward in flight(w, seed)) for seed in range(EPISODES)]))

    def draw(self, design: np.ndarray, figure: Any) -> None:
        axes = figure.subplots()
        for seed in range(EPISODES):
            steps = flight(design.astype(np.float64), seed)
            way = np.array([state[:2] for state, _ in steps])
            axes.plot(*way.T, label=f"seed {seed}: {sum(reward for _, reward in steps):.0f}")
            axes.plot(*way[-1], "k.")
        axes.plot([-0.2, 0.2], [0, 0], "k", linewidth=4)  # the pad between the flags
        axes.set(xlabel="distance from the pad", ylabel="height above it")
        axes.legend(title="return")
