"""Cassini2 and Messenger-full: plan a space mission so that its manoeuvres need as little fuel as possible (ESA's GTOP problems).

ESA's Global Trajectory Optimisation Problems (Vinko and Izzo 2008, "Global Optimisation Heuristics and Test Problems for Preliminary
Spacecraft Trajectory Design"), as computed by fcmaes (MIT). A design is a launch date, the departure velocity, the days of each leg,
and on each leg the moment of one manoeuvre and the geometry of the fly-by that follows: Cassini2 goes by Venus (twice), Earth and
Jupiter to Saturn, Messenger-full by Venus (twice) to Mercury, which it passes three times before it stays. The cost is
the sum of all changes of velocity in km/s, and the score minus its natural logarithm. Costs above 10000 km/s, far beyond
any rocket, count as 10000, so that a few absurd missions do not set the scale.

The bounds are those of fcmaes. For Messenger-full they are narrower than on ESA's page in three places: the launch is at most on day 2200
(2300 there), the departure velocity at least 3.0 km/s (2.5 there), and the last leg at most 550 days (600 there).

The pool is 1000 uniform designs a dimension, as in SOO-Bench, drawn again from a fixed stream of random numbers; their scores are
stored (tools/build_gtop.py). Visible is its lower half. y_max is the best cost that ESA's list of solutions gives.
"""

from __future__ import annotations

import itertools
import math
from functools import cache
from typing import Any, ClassVar

import numpy as np

from bbo import data
from bbo.simulation import SimulatedTask
from bbo.space import Continuous
from bbo.task import Dataset, TaskSpec
from bbo.tasks.parts import pools

FILE = "gtop.npz"
#: Costs in km/s above this one count as this one.
MOST = 10_000.0
PI = math.pi
#: Distance from the sun in astronomical units, days of a year, and longitude in degrees on 1 January 2000: enough for a sketch.
ORBITS = {
    "Mercury": (0.387, 87.97, 252.3),
    "Venus": (0.723, 224.70, 182.0),
    "Earth": (1.0, 365.26, 100.5),
    "Jupiter": (5.203, 4332.6, 34.4),
    "Saturn": (9.537, 10759.0, 50.0),
}


def _place(planet: str, day: float) -> tuple[float, float]:
    """Angle in radians and distance from the sun of a planet `day` days after 1 January 2000, on a circle."""
    distance, year, start = ORBITS[planet]
    return math.radians(start) + 2 * PI * day / year, distance


@cache
def problem(name: str) -> Any:
    """The problem of fcmaes: `fun` gives the cost in km/s of one design."""
    from fcmaes import astro

    return getattr(astro, name)()


def gtop_spec(
    id: str, title: str, low: tuple[float, ...], high: tuple[float, ...], visible_rows: int, best_visible: float, best_known: float
) -> TaskSpec:
    """The facts of one mission; `best_known` is a cost in km/s."""
    return TaskSpec(
        id=id,
        version="1",
        title=title,
        space=Continuous(low, high),
        visible_rows=visible_rows,
        best_visible=best_visible,
        y_min=-math.log(MOST),
        y_max=-math.log(best_known),
        oracle="exact",
        hidden=f"the upper half of {1000 * len(low)} uniform designs",
        source="ESA GTOP database, computed by fcmaes 2.1.0; pool from tools/build_gtop.py",
        licence="MIT (fcmaes; this project)",
        requires=("fcmaes",),
        extra="space",
        engines=("fcmaes==2.1.0",),
        seconds=0.005,
        note=f"y_max is the best known solution, {best_known} km/s; whether a better one exists is unknown",
        family="robots",
    )


class Mission(SimulatedTask):
    """Minus the logarithm of a mission's cost; base of the two missions."""

    #: Stored scores are rounded to float32.
    tolerance = 1e-6
    #: Name of the class in fcmaes, and the planets in the order in which they are met.
    fcmaes: ClassVar[str]
    planets: ClassVar[tuple[str, ...]]

    @classmethod
    def sources(cls) -> tuple[data.Source, ...]:
        return (data.Source((FILE,), "MIT (this project)", "tools/build_gtop.py"),)

    def pool(self) -> np.ndarray:
        """The uniform designs (1000 d, d), float32."""
        return pools.uniform(self.spec.space, 1000 * self.spec.space.dim, seed=self.spec.space.dim)

    def dataset(self) -> Dataset:
        return Dataset.up_to(self.pool(), data.load(FILE)[self.spec.id], self.spec.best_visible)

    def simulate(self, design: np.ndarray) -> float:
        # A bound rounded to float32 may be beyond the float64 bound.
        exact = np.clip(design.astype(np.float64), self.spec.space.low, self.spec.space.high)  # type: ignore[attr-defined]
        cost = float(problem(self.fcmaes).fun(exact))
        return -math.log(min(cost, MOST)) if cost > 0 else math.nan

    def draw(self, design: np.ndarray, figure: Any) -> None:
        days = design[0] + np.concatenate([[0.0], np.cumsum(design[4 : 3 + len(self.planets)], dtype=np.float64)])
        meetings = np.array([_place(planet, day) for planet, day in zip(self.planets, days, strict=True)])
        axes = figure.subplots(subplot_kw={"projection": "polar"})
        for planet in dict.fromkeys(self.planets):
            axes.plot(np.linspace(0, 2 * PI, 200), np.full(200, ORBITS[planet][0]), "k:", linewidth=0.5)
        for (angle, radius), (next_angle, next_radius) in itertools.pairwise(meetings):
            share = np.linspace(0, 1, 100)
            turn = (next_angle - angle) % (2 * PI)
            axes.plot(angle + share * turn, radius + share * (next_radius - radius), color="C0")
        for planet, day, (angle, radius) in zip(self.planets, days, meetings, strict=True):
            axes.plot(angle, radius, "o", label=f"{planet}, day {day - days[0]:.0f}")
        axes.set_title("where the planets are met; the lines between are a sketch, not the orbit", fontsize=8)
        axes.set_yscale("symlog", linthresh=1.0)
        axes.set_yticks([])
        figure.legend(loc="outside right")


class Cassini2(Mission):
    """From Earth to Saturn with four fly-bys."""

    fcmaes = "Cassini2"
    planets = ("Earth", "Venus", "Venus", "Earth", "Jupiter", "Saturn")
    spec = gtop_spec(
        "cassini2",
        "Cassini's way to Saturn: velocity changes of 22 choices (ESA GTOP)",
        (-1000.0, 3.0, 0.0, 0.0, 100.0, 100.0, 30.0, 400.0, 800.0, *[0.01] * 5, 1.05, 1.05, 1.15, 1.7, *[-PI] * 4),
        (0.0, 5.0, 1.0, 1.0, 400.0, 500.0, 300.0, 1600.0, 2200.0, *[0.9] * 5, 6.0, 6.0, 6.5, 291.0, *[PI] * 4),
        11_000,
        -5.860629558563232,
        8.383,
    )


class MessengerFull(Mission):
    """From Earth to an orbit of Mercury with five fly-bys."""

    fcmaes = "MessFull"
    planets = ("Earth", "Venus", "Venus", "Mercury", "Mercury", "Mercury", "Mercury")
    spec = gtop_spec(
        "messenger-full",
        "Messenger's way to Mercury: velocity changes of 26 choices (ESA GTOP)",
        (1900.0, 3.0, 0.0, 0.0, *[100.0] * 6, *[0.01] * 6, 1.1, 1.1, 1.05, 1.05, 1.05, *[-PI] * 5),
        (2200.0, 4.05, 1.0, 1.0, *[500.0] * 5, 550.0, *[0.99] * 6, *[6.0] * 5, *[PI] * 5),
        13_000,
        -6.1742262840271,
        1.9579,
    )
